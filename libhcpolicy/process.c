// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Processes by number: process.h.  The hcpolicy command has this file too. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "process.h"

uint64_t process_ns(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) ? 0 : st.st_ino;
}

/* Field 22 of a stat file.  Field 2 is in parentheses and may contain anything. */
static int read_start(const char *path, uint64_t *ticks)
{
	char stat[1024], *at;
	int field;
	FILE *file;

	file = fopen(path, "re");
	if (!file)
		return -EXDEV;
	stat[fread(stat, 1, sizeof(stat) - 1, file)] = 0;
	fclose(file);

	at = strrchr(stat, ')');
	for (field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return -EXDEV;
	*ticks = strtoull(at + 1, NULL, 10);
	return 0;
}

int process_number(int pidfd)
{
	char path[48], line[128];
	int pid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file) && sscanf(line, "Pid: %d", &pid) != 1)
		;
	fclose(file);
	return pid;
}

int process_start(int pid, uint64_t *ticks)
{
	char path[32];
	int pidfd, number, err;

	if (pid == getpid())
		return read_start("/proc/self/stat", ticks);

	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		/* EINVAL or ENOENT: the number is a thread's, so no process has it. */
		return errno == ESRCH || errno == EINVAL || errno == ENOENT ? -ESRCH : -errno;
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	err = read_start(path, ticks);
	/* Check again: only now it is certain that the number did not pass to another process. */
	number = process_number(pidfd);
	close(pidfd);
	if (number == -1)
		return -ESRCH;
	return number == pid ? err : -EXDEV;
}

bool process_gone(int pid, uint64_t ns, uint64_t start)
{
	uint64_t ticks;
	int err;

	if (!ns || ns != process_ns())
		return false;
	err = process_start(pid, &ticks);
	return err == -ESRCH || (!err && ticks != start);
}
