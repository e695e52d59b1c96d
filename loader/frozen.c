// SPDX-License-Identifier: GPL-2.0
/* Is a thread in a frozen cgroup (version 2)?  If that cannot be found out: no. */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>
#include "frozen.h"

/* The kernel's name of its cgroup of version 2: "/", "/a/b". */
static bool cgroup_of(pid_t pid, pid_t tid, char *path, size_t size)
{
	char file_path[64], *line = NULL;
	bool found = false;
	size_t room = 0;
	FILE *file;

	snprintf(file_path, sizeof(file_path), "/proc/%d/task/%d/cgroup", pid, tid);
	file = fopen(file_path, "re");
	if (!file)
		return false;
	while (!found && getline(&line, &room, file) > 0) {
		line[strcspn(line, "\n")] = 0;
		found = !strncmp(line, "0::/", 4) &&
			(size_t)snprintf(path, size, "%s", line + 3) < size;
	}
	free(line);
	fclose(file);
	return found;
}

/* Does a file of the kernel have this line? */
static bool events_say_frozen(const char *path)
{
	struct statfs fs;
	char text[256];
	ssize_t len = -1;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (!fstatfs(fd, &fs) && fs.f_type == CGROUP2_SUPER_MAGIC)
		len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len < 0)
		return false;
	text[len] = 0;
	return strstr(text, "frozen 1\n");
}

/* The mount shows root, and cgroup must be below it. */
static bool frozen_below(const char *mount, const char *root, const char *cgroup)
{
	size_t len = strcmp(root, "/") ? strlen(root) : 0;
	char path[8192];

	if (strncmp(cgroup, root, len) || (cgroup[len] && cgroup[len] != '/'))
		return false;
	/* It is outside of what can be seen here. */
	if (!strncmp(cgroup + len, "/..", 3))
		return false;
	snprintf(path, sizeof(path), "%s%s/cgroup.events", mount, cgroup + len);
	return events_say_frozen(path);
}

bool thread_frozen(pid_t pid, pid_t tid)
{
	char cgroup[4096], root[2048], mount[2048], *line = NULL, *type;
	bool frozen = false;
	size_t room = 0;
	FILE *file;

	if (!cgroup_of(pid, tid, cgroup, sizeof(cgroup)))
		return false;
	file = fopen("/proc/self/mountinfo", "re");
	if (!file)
		return false;
	while (!frozen && getline(&line, &room, file) > 0) {
		type = strstr(line, " - ");
		if (type && !strncmp(type, " - cgroup2 ", 11) &&
		    sscanf(line, "%*s %*s %*s %2047s %2047s", root, mount) == 2)
			frozen = frozen_below(mount, root, cgroup);
	}
	free(line);
	fclose(file);
	return frozen;
}
