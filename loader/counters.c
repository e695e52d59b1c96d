// SPDX-License-Identifier: GPL-2.0
/*
 * The hook's counters of one VM, from debugfs: kvm/TID-FD/hcpolicy_*.  Every file with the
 * prefix is shown; this code knows no counter by name.
 *
 * TID and FD do not identify the VM.  They are numbers of its creation: descriptor numbers
 * are used again, and a container has other thread ids.  But the file "hcpolicy" in a folder
 * names the link of the VM's policy.  Rule: open the folder once and read everything through
 * its descriptor, so that no file can belong to a VM that was created later.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "loader.h"
#include "out.h"

#define KVM_DEBUGFS	"/sys/kernel/debug/kvm"
#define LOCKDOWN	"/sys/kernel/security/lockdown"
#define PREFIX		"hcpolicy_"
#define MAX_LINE	128

/* Read a file of one line.  0 or a negative errno. */
static int read_line(int dir, const char *name, char line[MAX_LINE])
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC), error = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, line, MAX_LINE - 1);
	if (n < 0)
		error = -errno;
	else
		line[n] = 0;
	close(fd);
	return error;
}

/* 0 if there is none: BPF's ids begin at 1. */
static unsigned int link_id(int fd)
{
	struct bpf_link_info link = {};
	union bpf_attr attr = { .info = {
		.bpf_fd = fd, .info_len = sizeof(link), .info = (uintptr_t)&link,
	} };

	return syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)) ? 0 : link.id;
}

static DIR *open_folders(const char **why)
{
	DIR *dir = opendir(KVM_DEBUGFS);

	if (dir)
		return dir;
	if (errno != ENOENT)
		*why = "debugfs cannot be read: run as root";
	else if (access("/sys/module/kvm", F_OK))
		*why = "kvm is not loaded";
	else
		*why = "debugfs is not mounted: mount -t debugfs debugfs /sys/kernel/debug";
	return NULL;
}

/* Under lockdown (Secure Boot) nobody can open a file with a w in its mode; root gets EPERM. */
static const char *open_error(int error)
{
	static char text[256];
	char line[MAX_LINE], mode[16] = "";

	/* "none [integrity] confidentiality".  securityfs may not be mounted. */
	if (!read_line(AT_FDCWD, LOCKDOWN, line) && strchr(line, '['))
		sscanf(strchr(line, '['), "[%15[a-z]", mode);
	if (error != -EPERM || !strcmp(mode, "none")) {
		snprintf(text, sizeof(text), "debugfs: %s%s", strerror(-error),
			 error == -EACCES ? ": run as root" : "");
		return text;
	}
	snprintf(text, sizeof(text), "closed by lockdown%s%s%s: only the VMM itself can read them, from "
		 "KVM_GET_STATS_FD (QEMU: query-stats), as KVM refuses its ioctls to other processes",
		 *mode ? " (" : "", mode, *mode ? ")" : "");
	return text;
}

/* Open the folder of the VM whose policy has this link, and tell who made the VM; or -1. */
static int open_folder(unsigned int link, int *tid, const char **why)
{
	DIR *dir = open_folders(why);
	bool named = false, unnamed = false;
	char line[MAX_LINE];
	struct dirent *entry;
	unsigned int id;
	int fd, error;

	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		if (sscanf(entry->d_name, "%d-", tid) != 1)
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			continue;
		error = read_line(fd, "hcpolicy", line);
		if (!error && sscanf(line, "link %u ", &id) == 1 && id == link) {
			closedir(dir);
			return fd;
		}
		named |= !error;
		unnamed |= error == -ENOENT;
		close(fd);
	}
	closedir(dir);
	*why = unnamed && !named ?
	       "this kernel's hook does not say which VM they belong to: load the kvm modules of this version" :
	       "KVM has made no folder in debugfs for this VM, perhaps because another VM's folder "
	       "has the same name (kernel log: duplicate directory)";
	return -1;
}

static int is_counter(const struct dirent *entry)
{
	return !strncmp(entry->d_name, PREFIX, strlen(PREFIX));
}

/* All counters, or NULL and *why. */
static struct json_object *read_folder(int fd, const char **why)
{
	struct json_object *counters = json_object_new_object();
	char line[MAX_LINE];
	struct dirent **names;
	int n, error = 0;

	n = scandirat(fd, ".", &names, is_counter, alphasort);
	for (int i = 0; i < n; i++) {
		if (!error)
			error = read_line(fd, names[i]->d_name, line);
		if (!error)
			put_u64(counters, names[i]->d_name + strlen(PREFIX), strtoull(line, NULL, 10));
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	if (n > 0 && !error)
		return counters;
	json_object_put(counters);
	*why = error ? open_error(error) : "the VM has just ended";
	return NULL;
}

struct json_object *counters_read(const struct hcpolicy *policy, const char **why)
{
	struct json_object *counters;
	unsigned int link = link_id(hcpolicy__link_fd(policy));
	int fd, tid;

	*why = "the policy is not attached any more";
	if (!link || !hcpolicy__attached(policy))
		return NULL;
	fd = open_folder(link, &tid, why);
	if (fd < 0)
		return NULL;
	counters = read_folder(fd, why);
	close(fd);
	return counters;
}

/* A number of a thread is used again, so of two folders that fit nobody knows which one it is. */
unsigned int counters_link(pid_t pid)
{
	unsigned int link = 0, folders = 0;
	struct dirent *entry;
	char line[MAX_LINE];
	const char *why;
	int fd, tid;
	DIR *dir;

	dir = proc_pid_ns() == INITIAL_PID_NS ? open_folders(&why) : NULL;
	while (dir && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "%d-", &tid) != 1 || proc_of_thread(tid) != pid)
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			continue;
		folders++;
		if (read_line(fd, "hcpolicy", line) || sscanf(line, "link %u ", &link) != 1)
			link = 0;
		close(fd);
	}
	if (dir)
		closedir(dir);
	return folders == 1 ? link : 0;
}

bool counters_creator(unsigned int link, int *tid, const char **why)
{
	int fd = open_folder(link, tid, why);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Open one of the machine's counters, because access() does not know lockdown. */
bool counters_readable(const char **why)
{
	DIR *dir = open_folders(why);
	int error = -ENOENT;
	char line[MAX_LINE];
	struct dirent *entry;

	if (!dir)
		return false;
	while (error == -ENOENT && (entry = readdir(dir)))
		if (is_counter(entry))
			error = read_line(dirfd(dir), entry->d_name, line);
	closedir(dir);
	if (error)
		*why = error == -ENOENT ? "only a kvm with the hook has them" : open_error(error);
	return !error;
}
