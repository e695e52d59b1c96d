// SPDX-License-Identifier: GPL-2.0
/*
 * Who made a VM: maker.h.  The rule: only what the kernel says, and not what the process can write
 * itself, such as its name or its arguments.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../libhcpolicy/process.h"
#include "loader.h"
#include "maker.h"
#include "out.h"

static FILE *open_file(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return fopen(path, "re");
}

static void read_groups(struct maker *maker, const char *numbers)
{
	unsigned int gid;
	int len;

	for (; sscanf(numbers, "%u%n", &gid, &len) == 1; numbers += len) {
		maker->groups = realloc(maker->groups, (maker->ngroups + 1) * sizeof(gid));
		if (!maker->groups)
			abort();
		maker->groups[maker->ngroups++] = gid;
	}
}

static bool read_ids(struct maker *maker, pid_t pid)
{
	FILE *file = open_file(pid, "status");
	bool uid = false, gid = false;
	char *line = NULL;
	size_t room = 0;

	while (file && getline(&line, &room, file) > 0) {
		uid |= sscanf(line, "Uid: %*u %u", &maker->uid) == 1;
		gid |= sscanf(line, "Gid: %*u %u", &maker->gid) == 1;
		if (!strncmp(line, "Groups:", 7))
			read_groups(maker, line + 7);
	}
	free(line);
	if (file)
		fclose(file);
	return uid && gid;
}

/* That of version 2, which every process has. */
static bool read_cgroup(struct maker *maker, pid_t pid)
{
	FILE *file = open_file(pid, "cgroup");
	bool found = false;
	char *line = NULL;
	size_t room = 0;

	while (file && !found && getline(&line, &room, file) > 0) {
		line[strcspn(line, "\n")] = 0;
		found = !strncmp(line, "0::", 3);
		if (found)
			snprintf(maker->cgroup, sizeof(maker->cgroup), "%s", line + 3);
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

static bool read_command(struct maker *maker, pid_t pid)
{
	char path[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	len = readlink(path, maker->command, sizeof(maker->command) - 1);
	maker->command[len < 0 ? 0 : len] = 0;
	return len >= 0;
}

int maker_look(struct maker *maker, pid_t pid, int pidfd)
{
	int error = 0;

	*maker = (struct maker) {};
	errno = 0;
	if (!read_ids(maker, pid) || !read_cgroup(maker, pid) || !read_command(maker, pid))
		error = errno ? -errno : -EIO;
	/* Only now it is certain that all of that was this process's. */
	if (process_number(pidfd) != pid)
		error = -ESRCH;
	if (error)
		maker_free(maker);
	return error;
}

bool maker_read(struct maker *maker, pid_t pid, int pidfd)
{
	int error = maker_look(maker, pid, pidfd);

	if (error == -ESRCH)
		err("process %d has ended", pid);
	else if (error)
		err("process %d: its user, control group or program cannot be read (%s): run as root, "
		    "with CAP_SYS_PTRACE", pid, strerror(-error));
	return !error;
}

void maker_free(struct maker *maker)
{
	free(maker->groups);
	*maker = (struct maker) {};
}

bool maker_is(const struct maker *maker, const struct who *who)
{
	if (!who->group)
		return maker->uid == who->id;
	if (maker->gid == who->id)
		return true;
	for (size_t i = 0; i < maker->ngroups; i++) {
		if (maker->groups[i] == who->id)
			return true;
	}
	return false;
}
