// SPDX-License-Identifier: GPL-2.0
/*
 * The hook's counters of one VM, from its folder in debugfs: hcpolicy_*.  Every file with the
 * prefix is shown; this code knows no counter by name.
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
#include "folders.h"
#include "loader.h"
#include "out.h"

#define LOCKDOWN	"/sys/kernel/security/lockdown"
#define PREFIX		"hcpolicy_"

/* 0 if there is none: BPF's ids begin at 1. */
static unsigned int link_id(int fd)
{
	struct bpf_link_info link = {};
	union bpf_attr attr = { .info = {
		.bpf_fd = fd, .info_len = sizeof(link), .info = (uintptr_t)&link,
	} };

	return syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)) ? 0 : link.id;
}

/* Under lockdown (Secure Boot) nobody can open a file with a w in its mode; root gets EPERM. */
static const char *open_error(int error)
{
	static char text[256];
	char line[FOLDERS_LINE], mode[16] = "";

	/* "none [integrity] confidentiality".  securityfs may not be mounted. */
	if (!folder_read(AT_FDCWD, LOCKDOWN, line) && strchr(line, '['))
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

/* A VM's folder is mostly called by its process and descriptor: then nobody has to look at all of them. */
static bool open_likely(DIR *dir, const struct hcp_info *info, unsigned int link, struct folder *folder)
{
	char name[32];
	unsigned int id;

	snprintf(name, sizeof(name), "%d-%d", info->pid, info->vm_fd);
	if (!folders_at(dir, name, folder))
		return false;
	folder_link(folder->fd, &id);
	if (id && id == link)
		return true;
	close(folder->fd);
	return false;
}

/*
 * Open the folder of the VM whose policy has this link.  info: what the set says of the VM, or NULL.
 * False and *why: it cannot be found.
 */
static bool open_folder(const struct hcp_info *info, unsigned int link, struct folder *folder, const char **why)
{
	DIR *dir = folders_open(why);
	bool named = false, unnamed = false;
	unsigned int id;
	int error;

	if (!dir)
		return false;
	if (info && open_likely(dir, info, link, folder)) {
		closedir(dir);
		return true;
	}
	while (folders_next(dir, folder)) {
		error = folder_link(folder->fd, &id);
		if (id && id == link) {
			closedir(dir);
			return true;
		}
		named |= !error;
		unnamed |= error == -ENOENT;
		close(folder->fd);
	}
	closedir(dir);
	*why = unnamed && !named ?
	       "this kernel's hook does not say which VM they belong to: load the kvm modules of this version" :
	       "KVM has made no folder in debugfs for this VM, perhaps because another VM's folder "
	       "has the same name (kernel log: duplicate directory)";
	return false;
}

static int is_counter(const struct dirent *entry)
{
	return !strncmp(entry->d_name, PREFIX, strlen(PREFIX));
}

/* All counters, or NULL and *why. */
static struct json_object *read_folder(int fd, const char **why)
{
	struct json_object *counters = json_object_new_object();
	char line[FOLDERS_LINE];
	struct dirent **names;
	int n, error = 0;

	n = scandirat(fd, ".", &names, is_counter, alphasort);
	for (int i = 0; i < n; i++) {
		if (!error)
			error = folder_read(fd, names[i]->d_name, line);
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
	struct folder folder;

	*why = "the policy is not attached any more";
	if (!link || !hcpolicy__attached(policy) || !open_folder(hcpolicy__info(policy), link, &folder, why))
		return NULL;
	counters = read_folder(folder.fd, why);
	close(folder.fd);
	return counters;
}

/* A number of a thread is used again, so of two folders that fit nobody knows which one it is. */
unsigned int counters_link(pid_t pid)
{
	unsigned int link = 0, folders = 0;
	struct folder folder;
	const char *why;
	DIR *dir;

	dir = proc_pid_ns() == INITIAL_PID_NS ? folders_open(&why) : NULL;
	while (dir && folders_next(dir, &folder)) {
		if (proc_of_thread(folder.tid) == pid) {
			folders++;
			folder_link(folder.fd, &link);
		}
		close(folder.fd);
	}
	if (dir)
		closedir(dir);
	return folders == 1 ? link : 0;
}

bool counters_creator(unsigned int link, int *tid, const char **why)
{
	struct folder folder;

	if (!open_folder(NULL, link, &folder, why))
		return false;
	*tid = folder.tid;
	close(folder.fd);
	return true;
}

int counters_folder(const struct hcp_info *info)
{
	struct folder folder;
	const char *why;

	return open_folder(info, info->link_id, &folder, &why) ? folder.fd : -1;
}

/* Open one of the machine's counters, because access() does not know lockdown. */
bool counters_readable(const char **why)
{
	DIR *dir = folders_open(why);
	int error = -ENOENT;
	char line[FOLDERS_LINE];
	struct dirent *entry;

	if (!dir)
		return false;
	while (error == -ENOENT && (entry = readdir(dir)))
		if (is_counter(entry))
			error = folder_read(dirfd(dir), entry->d_name, line);
	closedir(dir);
	if (error)
		*why = error == -ENOENT ? "only a kvm with the hook has them" : open_error(error);
	return !error;
}
