// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A loaded policy and a VM: attach, replace, detach.
 *
 * Readers trust hcp_info, so it must be right at every moment.  It is filled in before the
 * link exists, says HCP_UNATTACHED until then, and HCP_DETACHED only after the link's end.
 */
#include <errno.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "internal.h"
#include "process.h"

/* Other threads may read this at the same time. */
void link_give(struct hcpolicy *policy, int fd)
{
	__atomic_store_n(&policy->link_fd, fd, __ATOMIC_RELEASE);
}

int link_take(struct hcpolicy *policy)
{
	return __atomic_exchange_n(&policy->link_fd, -1, __ATOMIC_ACQ_REL);
}

static int find_process(const struct hcpolicy *policy, int pid, uint64_t *ticks)
{
	switch (process_start(pid, ticks)) {
	case 0:
		return 0;
	case -ESRCH:
		return fail(policy, ESRCH, "there is no process %d", pid);
	default:
		return fail(policy, ESRCH, "/proc does not show process %d: mount the one of this pid "
			    "namespace (mount -t proc proc /proc)", pid);
	}
}

static int fill_info(struct hcpolicy *policy, int vm_fd, const struct hcpolicy_attach_opts *opts)
{
	struct hcp_info *info = policy->info;
	int pid = opts_get(opts, pid) ?: getpid();
	const char *name = opts_get(opts, name), *label = opts_get(opts, label);
	struct timespec now;
	uint64_t ticks;
	int err;

	err = find_process(policy, pid, &ticks);
	if (err)
		return err;
	if (!name) {
		snprintf(info->name, sizeof(info->name), "%d", pid);
	} else {
		/* Options begin with -, and version 0.1 has such names too. */
		if (!name_valid(name) || name[0] == '-')
			return fail(policy, EINVAL, "'%s' cannot be a name: [A-Za-z0-9_][A-Za-z0-9_-]*, "
				    "at most %d", name, HCP_NAME_LEN - 1);
		strcpy(info->name, name);
	}

	if (label && hcp_set__set_label(policy->set, label))
		return fail(policy, EINVAL, "'%s' cannot be a label: printable ASCII, at most %d",
			    label, HCP_NAME_LEN - 1);

	clock_gettime(CLOCK_REALTIME, &now);
	info->pid = pid;
	info->pid_ns = process_ns();
	info->vm_fd = opts_get(opts, pid) ? opts_get(opts, pid_vm_fd) : vm_fd;
	info->start_time = ticks;
	info->attached_at = now.tv_sec * 1000000000ULL + now.tv_nsec;
	info->shared_id = object_id(policy->shared_fd);
	memcpy(info->policy, policy->policy, HCP_NAME_LEN);
	return 0;
}

/* Is the policy attached to the VM of vm_fd?  1: yes, 0: no, -1: unknown. */
static int same_vm(const struct hcp_info *info, int vm_fd)
{
	long differ;

	if (!info->pid_ns || info->pid_ns != process_ns())
		return -1;
	differ = syscall(SYS_kcmp, getpid(), info->pid, KCMP_FILE, (unsigned long)vm_fd,
			 (unsigned long)info->vm_fd);
	return differ < 0 ? -1 : !differ;
}

static size_t add_policy(char *buf, size_t len, size_t size, __u32 id, const struct hcp_info *info)
{
	if (len >= size)
		return len;
	return len + snprintf(buf + len, size - len, "%s'%s' as '%s' (link id %u)", len ? ", " : "",
			      info->policy, info->name, id);
}

/* Name the policy that the VM has.  If that is not certain, name all that it could be. */
static int vm_taken(struct hcpolicy *policy, int vm_fd)
{
	char has[96], maybe[512] = "";
	struct hcp_info info;
	struct kept kept;
	size_t len = 0;
	__u32 id = 0;
	int fd, same;

	snprintf(has, sizeof(has), "it cannot be attached: the VM of process %d (descriptor %d) has a policy",
		 policy->info->pid, policy->info->vm_fd);
	while ((fd = ids_next(policy, &id, &kept)) >= 0) {
		close(fd);
		same = kept_info(&kept, &info) ? 0 : same_vm(&info, vm_fd);
		kept_close(&kept);
		if (same == 1)
			return fail(policy, EBUSY, "%s, '%s' as '%s' (link id %u): replace or detach that",
				    has, info.policy, info.name, id);
		if (same < 0)
			len = add_policy(maybe, len, sizeof(maybe), id, &info);
	}
	if (len)
		return fail(policy, EBUSY, "%s, which may be %s: replace or detach the right one", has, maybe);
	return fail(policy, EBUSY, "%s, and it is not known which: see hcpolicy list --all, and detach it "
		    "by its id", has);
}

/* vm_fd: the number of fd in the VM's process. */
static int attach_failed(struct hcpolicy *policy, int err, int fd, int vm_fd)
{
	switch (err) {
	case EBADF:
		return fail(policy, err, "VM fd %d is not an open descriptor", vm_fd);
	case EINVAL:
		return fail(policy, err, "VM fd %d is not a KVM VM", vm_fd);
	case EBUSY:
		return vm_taken(policy, fd);
	case EIO:
		return fail(policy, err, "the VM of process %d (descriptor %d) is dead", policy->info->pid, vm_fd);
	case EOPNOTSUPP:
		return fail(policy, err, "the VM of fd %d can have no policy: KVM does not see what it asks "
			    "(a protected VM of arm64)", vm_fd);
	case EPERM:
		return fail(policy, err, "the VM of fd %d is another process': that needs "
			    "CAP_SYS_ADMIN", vm_fd);
	default:
		return fail(policy, err, "VM fd %d: cannot attach: %s", vm_fd, strerror(err));
	}
}

/* Returns the link's fd or a negative errno.  Does not report -EALREADY. */
static int create_link(struct hcpolicy *policy, int vm_fd, __u32 flags)
{
	int ops_fd, link_fd;

	ops_fd = ops_create(policy, vm_fd, flags);
	if (ops_fd < 0)
		return ops_fd;
	policy->info->ops_id = policy->ops_id = object_id(ops_fd);
	link_fd = bpf_link_create(ops_fd, 0, BPF_STRUCT_OPS, NULL);
	if (link_fd < 0 && link_fd != -EALREADY)
		link_fd = attach_failed(policy, -link_fd, vm_fd, policy->info->vm_fd);
	close(ops_fd);
	return link_fd;
}

static int attach_link(struct hcpolicy *policy, int vm_fd, __u32 flags)
{
	int fd = create_link(policy, vm_fd, flags | KVM_HCPOLICY_BEFORE_RUN);

	if (fd != -EALREADY)
		return fd;
	set_state(policy, HCP_LATE, 0);
	fd = create_link(policy, vm_fd, flags);
	/* The first link may have existed for a moment and recorded a request. */
	if (fd < 0)
		hcp_set__reset(policy->set);
	return fd;
}

int hcpolicy__attach(struct hcpolicy *policy, int vm_fd, const struct hcpolicy_attach_opts *opts)
{
	struct hcp_info before;
	char name[HCP_NAME_LEN];
	int err, fd;

	if (!policy)
		return no_object();
	err = opts_check(opts, label);
	if (!err)
		err = opts_unused(opts, reserved);
	if (err)
		return fail(policy, -err, "attach options that this library does not know");
	if (!policy->attachable)
		return fail(policy, EINVAL, "only a loaded policy can be attached, and once");
	if (vm_fd <= 0)
		return attach_failed(policy, EBADF, vm_fd, vm_fd);

	memcpy(&before, policy->info, sizeof(before));
	fd = fill_info(policy, vm_fd, opts);
	if (!fd) {
		/* Once it is attached, the policy can write there. */
		memcpy(name, policy->info->name, sizeof(name));
		if (opts_get(opts, incoming))
			hcp_set__await_restore(policy->set);
		fd = attach_link(policy, vm_fd,
				 opts_get(opts, take_exits) ? KVM_HCPOLICY_TAKE_EXITS : 0);
	}
	if (fd < 0) {
		memcpy(policy->info, &before, sizeof(before));
		errno = -fd;
		return fd;
	}

	policy->info->link_id = object_id(fd);
	memcpy(policy->name, name, sizeof(name));
	link_give(policy, fd);
	policy->attachable = false;
	set_state(policy, 0, HCP_UNATTACHED);
	return 0;
}

static int reuse_map(const struct hcpolicy *next, const char *name, int fd)
{
	int err = bpf_map__reuse_fd(bpf_object__find_map_by_name(next->obj, name), fd);

	return err ? fail(next, -err, "%s: %s", name, strerror(-err)) : 0;
}

static int check_replace(const struct hcpolicy *policy, const struct hcpolicy *next)
{
	if (policy->link_fd < 0)
		return fail(policy, ENOLINK, "it is not attached");
	if (!next->obj || next->shared_fd >= 0)
		return fail(next, EINVAL, "only an opened policy can replace another one");
	if (!hcpolicy__attached(policy))
		return fail(policy, ENOLINK, "it is not attached any more");
	if (!policy->set)
		return fail(policy, ENOENT, "it has no set to hand over");
	if (next->npages && next->npages != hcp_set__npages(policy->set))
		return fail(next, EINVAL, "it cannot change the size of the set that it takes over");
	return 0;
}

static int load_over(struct hcpolicy *next, const struct hcpolicy *policy)
{
	int err;

	err = reuse_map(next, HCP_MAP_SHARED, policy->shared_fd);
	if (!err && !policy->old)
		err = reuse_map(next, HCP_MAP_INFO, policy->info_fd);
	if (!err)
		err = own_hand_on(policy, next);
	if (!err)
		err = load_object(next);
	return err ? err : maps_open(next, policy->old);
}

static int update_link(const struct hcpolicy *policy, struct hcpolicy *next, int ops_fd,
		       bool take_exits)
{
	int err = bpf_link_update(policy->link_fd, ops_fd, NULL);

	if (err == -ENOLINK)
		return fail(policy, ENOLINK, "it is not attached any more");
	if (err == -EINVAL && take_exits)
		return fail(next, EINVAL, "cannot take the VMM's exits, because '%s' was attached without them: "
			    "detach it, and attach this one with take_exits", policy->policy);
	if (err)
		return fail(next, -err, "cannot take the place of '%s': %s", policy->policy,
			    strerror(-err));
	return 0;
}

/* With the name's lock, if it has one. */
static int change_link(struct hcpolicy *policy, struct hcpolicy *next, int ops_fd, bool take_exits)
{
	int err;

	if (!policy->old)
		return update_link(policy, next, ops_fd, take_exits);
	if (takeover_done(policy->old))
		return fail(policy, ENOLINK, "another replace has just taken its place: try again");
	takeover_begin(policy, next);
	err = update_link(policy, next, ops_fd, take_exits);
	if (err)
		takeover_undo(policy->old);
	else
		takeover_end(policy->old, next->info);
	return err;
}

/*
 * The pins of the own maps change hands before hcp_info does, and only then the lock is given back.
 * If this is cut short in between, hcpolicy__open_pinned() finishes it.
 */
static int replace_link(struct hcpolicy *policy, struct hcpolicy *next, bool take_exits)
{
	struct pin_next at;
	int fd, err;

	fd = ops_create(next, -1, take_exits ? KVM_HCPOLICY_TAKE_EXITS : 0);
	if (fd < 0)
		return fd;
	err = pin_next_begin(policy, next, &at);
	if (err) {
		close(fd);
		return err;
	}
	err = change_link(policy, next, fd, take_exits);
	pin_next_end(policy, &at, !err);
	if (!err) {
		next->ops_id = object_id(fd);
		replaced_by(next->info, next->policy, next->ops_id);
	}
	folder_close(at.folder);
	close(fd);
	return err;
}

int hcpolicy__replace(struct hcpolicy *policy, struct hcpolicy *next, bool take_exits)
{
	struct bpf_object *opened;
	int err;

	if (!policy || !next)
		return no_object();
	err = check_replace(policy, next);
	if (!err)
		err = load_begin(next, &opened);
	if (err)
		return err;

	err = load_over(next, policy);
	if (!err)
		err = replace_link(policy, next, take_exits);
	err = load_end(next, opened, err);
	if (err)
		return err;

	if (policy->old)
		say(policy, "attachment '%s': hcpolicy 0.1 attached it: its set is now that of policy '%s', and a "
		    "program of 0.1 that still reads it is told that it is detached", policy->name, next->policy);
	memcpy(next->name, policy->name, HCP_NAME_LEN);
	link_give(next, link_take(policy));
	return 0;
}

int hcpolicy__detach(struct hcpolicy *policy)
{
	int err;

	if (!policy)
		return no_object();
	if (policy->link_fd < 0)
		return fail(policy, ENOENT, "it has no link to detach");
	err = bpf_link_detach(policy->link_fd);
	if (err)
		return fail(policy, -err, "cannot be detached: %s", strerror(-err));

	if (policy->info)
		set_state(policy, HCP_DETACHED, 0);
	err = hcpolicy__unpin(policy);
	return err == -ENOENT ? 0 : err;
}
