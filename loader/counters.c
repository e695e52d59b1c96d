// SPDX-License-Identifier: GPL-2.0
/*
 * The hook's counters of one VM, from debugfs: kvm/TID-FD/hcpolicy_*, where
 * TID is the thread that made the VM and FD its descriptor.  Whatever carries
 * the prefix is shown: this file knows no counter by name.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "loader.h"
#include "out.h"

#define KVM_DEBUGFS	"/sys/kernel/debug/kvm"
#define PREFIX		"hcpolicy_"

/* Is entry ("TID-FD") the VM with that descriptor in process pid? */
static bool entry_is_vm(const char *entry, pid_t pid, int vm_fd)
{
	char task[64];
	int tid, fd, len;

	if (sscanf(entry, "%d-%d%n", &tid, &fd, &len) != 2 || entry[len] || fd != vm_fd)
		return false;
	snprintf(task, sizeof(task), "/proc/%d/task/%d", pid, tid);
	return tid == pid || !access(task, F_OK);
}

static bool find_dir(const struct hcp_info *info, char *path, size_t size)
{
	DIR *dir = opendir(KVM_DEBUGFS);
	struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		found = entry_is_vm(entry->d_name, info->pid, info->vm_fd);
		if (found)
			snprintf(path, size, "%s/%s", KVM_DEBUGFS, entry->d_name);
	}
	closedir(dir);
	errno = 0;
	return found;
}

static bool read_u64(const char *dir, const char *name, uint64_t *value)
{
	unsigned long long n;
	char path[640];
	FILE *file;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	ok = fscanf(file, "%llu", &n) == 1;
	if (ok)
		*value = n;
	fclose(file);
	return ok;
}

static int is_counter(const struct dirent *entry)
{
	return !strncmp(entry->d_name, PREFIX, strlen(PREFIX));
}

struct json_object *counters_read(const struct hcp_info *info, const char **why)
{
	struct json_object *counters = NULL;
	struct dirent **names;
	char path[320];
	uint64_t value;
	int n;

	if (!find_dir(info, path, sizeof(path))) {
		if (errno == ENOENT)
			*why = "debugfs is not mounted: mount -t debugfs debugfs /sys/kernel/debug";
		else if (errno)
			*why = "debugfs cannot be read: run as root";
		else
			*why = "debugfs does not have this VM";
		return NULL;
	}
	n = scandir(path, &names, is_counter, alphasort);
	for (int i = 0; i < n; i++) {
		if (read_u64(path, names[i]->d_name, &value)) {
			if (!counters)
				counters = json_object_new_object();
			put_u64(counters, names[i]->d_name + strlen(PREFIX), value);
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	*why = "the kernel has no counters for this VM";
	return counters;
}
