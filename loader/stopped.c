// SPDX-License-Identifier: GPL-2.0
/*
 * Is a VM stopped?  This looks at its threads before and after.  If a thread ran in between, it was
 * switched away from when it stopped again, and the kernel counts such switches.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "loader.h"
#include "frozen.h"
#include "stopped.h"

#define WAIT_TRIES	20
#define WAIT_US		100000

/* The state in /proc/PID/stat; 0: the thread has ended; '?': unknown. */
static char thread_state(pid_t pid, pid_t tid)
{
	char path[64], line[1024], *p;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT || errno == ESRCH ? 0 : '?';
	line[fread(line, 1, sizeof(line) - 1, file)] = 0;
	fclose(file);
	if (!line[0])
		return 0;
	/* After the name in brackets, which may contain anything. */
	p = strrchr(line, ')');
	return p && p[1] && p[2] ? p[2] : '?';
}

/* A thread is called stopped before it leaves its processor.  This read waits for that. */
static void wait_until_off_cpu(pid_t pid, pid_t tid)
{
	char path[64], buf[256];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* Without this, the thread may seem to have run; nothing worse. */
	if (fd < 0 || read(fd, buf, sizeof(buf)) < 0)
		buf[0] = 0;
	if (fd >= 0)
		close(fd);
}

/* How often the kernel switched away from this thread. */
static uint64_t thread_switches(pid_t pid, pid_t tid)
{
	char path[64], line[256];
	uint64_t n, sum = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "voluntary_ctxt_switches: %" SCNu64, &n) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %" SCNu64, &n) == 1)
			sum += n;
	}
	fclose(file);
	return sum;
}

/* A debugger's stop ('t') does not count, because it can end at any time. */
static bool thread_stopped(struct holder *process, pid_t tid)
{
	char state = thread_state(process->pid, tid);

	if (!state)
		return true;
	if (!strchr("TZX", state) && !thread_frozen(process->pid, tid))
		return false;
	/* Read this after the state: a thread that continued since then adds one more switch. */
	wait_until_off_cpu(process->pid, tid);
	process->threads++;
	process->switches += thread_switches(process->pid, tid);
	return true;
}

bool process_stopped(struct holder *process)
{
	bool stopped = true;
	char path[64];
	DIR *dir;
	int tid;

	process->threads = process->switches = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", process->pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT;
	while (stopped && proc_next(dir, &tid))
		stopped = thread_stopped(process, tid);
	if (stopped && errno)
		stopped = errno == ENOENT;
	closedir(dir);
	return stopped;
}

/* The reason in words.  which[] has the processes that are not stopped. */
static char *say_running(const struct holders *holders, const size_t *which, size_t n)
{
	char comm[32], *text = NULL, *pids = NULL;
	size_t size, pids_size;
	FILE *file = open_memstream(&text, &size), *list = open_memstream(&pids, &pids_size);

	if (!file || !list)
		abort();
	fprintf(file, n == 1 ? "process" : "processes");
	for (size_t i = 0; i < n; i++) {
		pid_t pid = holders->list[which[i]].pid;

		proc_comm(pid, comm);
		fprintf(file, "%s %d (%s)", i ? "," : "", pid, comm);
		fprintf(list, " %d", pid);
	}
	fclose(list);
	fprintf(file, " could run its vCPUs and %s not stopped: kill -STOP%s first and kill -CONT%s "
		"afterwards, or freeze %s cgroup", n == 1 ? "is" : "are", pids, pids,
		n == 1 ? "its" : "their");
	fclose(file);
	free(pids);
	return text;
}

/* Are all of them stopped?  NULL: yes, else why not. */
static char *find_running(struct holders *holders)
{
	size_t *which = calloc(holders->n + 1, sizeof(*which)), n = 0;
	char *why = NULL;

	if (!which)
		abort();
	for (size_t i = 0; i < holders->n; i++) {
		if (!process_stopped(&holders->list[i]))
			which[n++] = i;
	}
	if (n)
		why = say_running(holders, which, n);
	free(which);
	return why;
}

static bool look(struct stopped *stopped, const struct hcp_info *info)
{
	*stopped = (struct stopped) { .info = info };
	if (!holders_find(&stopped->holders, info))
		stopped->why = strdup(stopped->holders.why);
	else
		stopped->why = find_running(&stopped->holders);
	return !stopped->why;
}

/* A process that just got a SIGSTOP may need a moment to stop. */
bool stopped_begin(struct stopped *stopped, const struct hcp_info *info)
{
	for (int tries = 0; !look(stopped, info); tries++) {
		if (stopped->holders.why[0] || tries == WAIT_TRIES)
			return false;
		stopped_end(stopped);
		usleep(WAIT_US);
	}
	return true;
}

static bool same_process(const struct holder *a, const struct holder *b)
{
	return a->pid == b->pid && a->start_time == b->start_time;
}

static bool has_run(const struct holder *before, const struct holder *after)
{
	return before->threads != after->threads || before->switches != after->switches;
}

/* Has any of them run?  NULL: no, else which. */
static char *say_changed(const struct holders *before, const struct holders *after)
{
	char comm[32], *why;

	for (size_t i = 0; i < before->n || i < after->n; i++) {
		const struct holder *a = &before->list[i], *b = &after->list[i];

		if (i == before->n || i == after->n || !same_process(a, b))
			return strdup("other processes than before could run its vCPUs: keep all "
				      "of them stopped until this command ends");
		if (!has_run(a, b))
			continue;
		proc_comm(a->pid, comm);
		if (asprintf(&why, "process %d (%s) has run meanwhile: keep it stopped", a->pid,
			     comm) < 0)
			abort();
		return why;
	}
	return NULL;
}

bool stopped_still(void *ctx)
{
	struct stopped *stopped = ctx;
	struct stopped now;

	if (look(&now, stopped->info))
		now.why = say_changed(&stopped->holders, &now.holders);
	stopped->why = now.why;
	now.why = NULL;
	stopped_end(&now);
	return !stopped->why;
}

void stopped_end(struct stopped *stopped)
{
	holders_free(&stopped->holders);
	free(stopped->why);
	stopped->why = NULL;
}
