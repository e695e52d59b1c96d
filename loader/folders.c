// SPDX-License-Identifier: GPL-2.0
/* KVM's folders in debugfs: folders.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>
#include "folders.h"

#define DEBUGFS		"/sys/kernel/debug"
#define KVM_DEBUGFS	DEBUGFS "/kvm"

static bool mounted(void)
{
	struct statfs fs;

	return !statfs(DEBUGFS, &fs) && fs.f_type == DEBUGFS_MAGIC;
}

DIR *folders_open(const char **why)
{
	DIR *dir = opendir(KVM_DEBUGFS);

	if (dir)
		return dir;
	if (errno != ENOENT) {
		*why = "debugfs cannot be read: run as root";
	} else if (access("/sys/module/kvm", F_OK)) {
		*why = "kvm is not loaded";
		errno = ENODEV;
	} else if (mounted()) {
		*why = "KVM has no processor: load kvm_amd or kvm_intel";
		errno = ENODEV;
	} else {
		*why = "debugfs is not mounted: mount -t debugfs debugfs " DEBUGFS;
		errno = ENOENT;
	}
	return NULL;
}

bool folders_at(DIR *dir, const char *name, struct folder *folder)
{
	if (sscanf(name, "%d-", &folder->tid) != 1)
		return false;
	folder->fd = openat(dirfd(dir), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder->fd < 0)
		return false;
	snprintf(folder->name, sizeof(folder->name), "%.31s", name);
	return true;
}

bool folders_next(DIR *dir, struct folder *folder)
{
	struct dirent *entry;

	while ((entry = readdir(dir))) {
		if (folders_at(dir, entry->d_name, folder))
			return true;
	}
	return false;
}

int folder_read(int fd, const char *file, char line[FOLDERS_LINE])
{
	int in = openat(fd, file, O_RDONLY | O_CLOEXEC), error = 0;
	ssize_t n;

	if (in < 0)
		return -errno;
	n = read(in, line, FOLDERS_LINE - 1);
	if (n < 0)
		error = -errno;
	else
		line[n] = 0;
	close(in);
	return error;
}

int folder_link(int fd, unsigned int *link)
{
	char line[FOLDERS_LINE];
	int error = folder_read(fd, "hcpolicy", line);

	if (error || sscanf(line, "link %u ", link) != 1)
		*link = 0;
	return error;
}

bool folder_gone(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && !st.st_nlink;
}
