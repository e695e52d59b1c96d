// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A loaded policy and a VM: attach, replace, detach.
 *
 * hcp_info tells readers what to trust, so it is right at every moment: filled
 * in before the link is there, unattached until it is, detached only after.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "internal.h"

static void set_state(struct hcp_info *info, __u32 set, __u32 clear)
{
	__atomic_fetch_or(&info->state, set, __ATOMIC_RELAXED);
	__atomic_fetch_and(&info->state, ~clear, __ATOMIC_RELAXED);
}

/* /proc/PID/stat, field 22; the second one may hold anything, in parentheses. */
static int start_time(int pid, __u64 *ticks)
{
	char path[32], stat[1024], *at;
	int field;
	FILE *file;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return -ESRCH;
	len = fread(stat, 1, sizeof(stat) - 1, file);
	fclose(file);

	stat[len] = 0;
	at = strrchr(stat, ')');
	for (field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return -ESRCH;
	*ticks = strtoull(at + 1, NULL, 10);
	return 0;
}

static int fill_info(struct hcpolicy *policy, int vm_fd, const struct hcpolicy_attach_opts *opts)
{
	struct hcp_info *info = policy->info;
	int pid = opts_get(opts, pid) ?: getpid();
	const char *name = opts_get(opts, name), *label = opts_get(opts, label);
	struct timespec now;
	__u64 ticks;

	if (start_time(pid, &ticks))
		return fail(policy, ESRCH, "there is no process %d", pid);
	if (!name) {
		snprintf(policy->name, sizeof(policy->name), "%d", pid);
	} else {
		if (!name_valid(name))
			return fail(policy, EINVAL, "'%s' cannot be a name: [A-Za-z0-9_-]+, "
				    "at most %d", name, HCP_NAME_LEN - 1);
		strcpy(policy->name, name);
	}

	if (hcp_set__set_label(policy->set, label ?: ""))
		return fail(policy, EINVAL, "'%s' cannot be a label: printable ASCII, at most %d",
			    label, HCP_NAME_LEN - 1);

	clock_gettime(CLOCK_REALTIME, &now);
	info->pid = pid;
	info->vm_fd = opts_get(opts, pid) ? opts_get(opts, pid_vm_fd) : vm_fd;
	info->start_time = ticks;
	info->attached_at = now.tv_sec * 1000000000ULL + now.tv_nsec;
	memcpy(info->name, policy->name, HCP_NAME_LEN);
	memcpy(info->policy, policy->policy, HCP_NAME_LEN);
	return 0;
}

static int attach_failed(const struct hcpolicy *policy, int err, int vm_fd)
{
	switch (err) {
	case EBADF:
		return fail(policy, err, "VM fd %d is not an open descriptor", vm_fd);
	case EINVAL:
		return fail(policy, err, "VM fd %d is not a KVM VM", vm_fd);
	case EBUSY:
		return fail(policy, err, "the VM of fd %d has a policy; replace or detach that",
			    vm_fd);
	case EIO:
		return fail(policy, err, "the VM of fd %d is dead", vm_fd);
	case EPERM:
		return fail(policy, err, "the VM of fd %d is another process': that needs "
			    "CAP_SYS_ADMIN", vm_fd);
	default:
		return fail(policy, err, "VM fd %d: cannot attach: %s", vm_fd, strerror(err));
	}
}

/* The link's fd, or a negative errno; -EALREADY is not reported. */
static int create_link(struct hcpolicy *policy, int vm_fd, __u32 flags)
{
	int ops_fd, link_fd;

	ops_fd = ops_create(policy, vm_fd, flags);
	if (ops_fd < 0)
		return ops_fd;
	link_fd = bpf_link_create(ops_fd, 0, BPF_STRUCT_OPS, NULL);
	if (link_fd < 0 && link_fd != -EALREADY)
		link_fd = attach_failed(policy, -link_fd, policy->info->vm_fd);
	close(ops_fd);
	return link_fd;
}

int hcpolicy__attach(struct hcpolicy *policy, int vm_fd, const struct hcpolicy_attach_opts *opts)
{
	__u32 flags;
	int err, fd;

	err = opts_check(opts, incoming);
	if (err)
		return fail(policy, -err, "attach options that this library does not know");
	if (!policy->attachable)
		return fail(policy, EINVAL, "only a loaded policy can be attached, and once");
	if (vm_fd <= 0)
		return attach_failed(policy, EBADF, vm_fd);
	err = fill_info(policy, vm_fd, opts);
	if (err)
		return err;

	if (opts_get(opts, incoming))
		hcp_set__await_restore(policy->set);
	flags = opts_get(opts, take_exits) ? KVM_HCPOLICY_TAKE_EXITS : 0;
	fd = create_link(policy, vm_fd, flags | KVM_HCPOLICY_BEFORE_RUN);
	if (fd == -EALREADY) {
		set_state(policy->info, HCP_LATE, 0);
		fd = create_link(policy, vm_fd, flags);
		if (fd < 0)
			set_state(policy->info, 0, HCP_LATE);
	}
	if (fd < 0) {
		set_state(policy->info, 0, HCP_AWAITS_RESTORE);
		return fd;
	}

	policy->link_fd = fd;
	policy->attachable = false;
	set_state(policy->info, 0, HCP_UNATTACHED);
	return 0;
}

static int reuse_map(const struct hcpolicy *next, const char *name, int fd)
{
	int err = bpf_map__reuse_fd(bpf_object__find_map_by_name(next->obj, name), fd);

	return err ? fail(next, -err, "%s: %s", name, strerror(-err)) : 0;
}

int hcpolicy__replace(struct hcpolicy *policy, struct hcpolicy *next, bool take_exits)
{
	int fd, err;

	if (policy->link_fd < 0)
		return fail(policy, ENOLINK, "it is not attached");
	if (!next->obj || next->shared_fd >= 0)
		return fail(next, EINVAL, "only an opened policy can replace another one");
	if (!hcpolicy__attached(policy))
		return fail(policy, ENOLINK, "it is not attached any more");
	if (next->npages && next->npages != hcp_set__npages(policy->set))
		return fail(next, EINVAL, "it cannot change the size of the set that it takes over");

	err = reuse_map(next, HCP_MAP_SHARED, policy->shared_fd);
	if (!err)
		err = reuse_map(next, HCP_MAP_INFO, policy->info_fd);
	if (!err)
		err = load_object(next);
	if (!err)
		err = maps_open(next, false);
	if (err)
		return err;

	fd = ops_create(next, -1, take_exits ? KVM_HCPOLICY_TAKE_EXITS : 0);
	if (fd < 0)
		return fd;
	err = bpf_link_update(policy->link_fd, fd, NULL);
	close(fd);
	if (err == -ENOLINK)
		return fail(policy, ENOLINK, "it is not attached any more");
	if (err == -EINVAL && take_exits)
		return fail(next, EINVAL, "cannot take the VMM's exits, as '%s' was attached without them: "
			    "detach it, and attach this one so", policy->policy);
	if (err)
		return fail(next, -err, "cannot take the place of '%s': %s", policy->policy,
			    strerror(-err));

	next->link_fd = policy->link_fd;
	policy->link_fd = -1;
	memcpy(next->name, policy->name, HCP_NAME_LEN);
	memcpy(next->info->policy, next->policy, HCP_NAME_LEN);
	return 0;
}

int hcpolicy__detach(struct hcpolicy *policy)
{
	int err;

	if (policy->link_fd < 0)
		return fail(policy, ENOENT, "it has no link to detach");
	err = bpf_link_detach(policy->link_fd);
	if (err)
		return fail(policy, -err, "cannot be detached: %s", strerror(-err));

	set_state(policy->info, HCP_DETACHED, 0);
	err = hcpolicy__unpin(policy);
	return err == -ENOENT ? 0 : err;
}
