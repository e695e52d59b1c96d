// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Take over what hcpolicy 0.1 attached.  Its hcp_info has no room for what this version keeps there.
 *
 * The rule: its set is read as it is.  A replacement takes the set over, and gets an hcp_info of its
 * own.  Whoever still reads the old one is told that the set is no longer kept.  If that is cut
 * short, whoever opens the name next finishes it, or takes it back.
 */
#include <sys/mman.h>
#include "internal.h"
#include "set-internal.h"

static void or_state(void *info, __u32 set)
{
	__atomic_fetch_or(&((struct hcp_info *)info)->state, set, __ATOMIC_SEQ_CST);
}

static void clear_state(void *info, __u32 clear)
{
	__atomic_fetch_and(&((struct hcp_info *)info)->state, ~clear, __ATOMIC_SEQ_CST);
}

/* Not complete until takeover_end().  In the old one only this uses HCP_CHANGING. */
void takeover_begin(const struct hcpolicy *policy, struct hcpolicy *next)
{
	old_read(policy->old, next->info);
	next->info->version = HCP_INFO_VERSION;
	next->info->missed = 0;
	next->info->link_id = object_id(policy->link_fd);
	next->info->shared_id = object_id(next->shared_fd);
	or_state(next->info, HCP_CHANGING);
	or_state(policy->old, HCP_CHANGING);
}

bool takeover_done(const struct hcp_info_1 *old)
{
	return __atomic_load_n(&old->state, __ATOMIC_SEQ_CST) & HCP_DETACHED;
}

void takeover_undo(struct hcp_info_1 *old)
{
	clear_state(old, HCP_CHANGING);
}

/*
 * The old program is not running any more.  To do this again is no harm: missed may become too
 * many, but not none.
 */
void takeover_end(struct hcp_info_1 *old, struct hcp_info *info)
{
	__u64 missed = __atomic_load_n(&old->missed, __ATOMIC_SEQ_CST);

	__atomic_fetch_add(&info->missed, missed, __ATOMIC_SEQ_CST);
	__atomic_fetch_sub(&old->missed, missed, __ATOMIC_SEQ_CST);
	or_state(old, HCP_DETACHED);
	/* What came since takeover_begin(). */
	or_state(info, __atomic_load_n(&old->state, __ATOMIC_SEQ_CST) & ~(HCP_CHANGING | HCP_DETACHED));
	clear_state(info, HCP_CHANGING);
}

/* What the program of the link keeps.  False: nothing, or that cannot be seen. */
static bool kept_by(struct hcpolicy *policy, int link_fd, struct kept *kept)
{
	struct bpf_link_info link;

	if (link_info(link_fd, &link) || !link.struct_ops.map_id ||
	    ids_kept(policy, link.struct_ops.map_id, kept))
		return false;
	return true;
}

bool takeover_unfinished(struct hcpolicy *policy, int shared_fd, int info_fd, int link_fd)
{
	struct hcp_info_1 old;
	struct kept kept;
	__u32 key = 0;
	bool other;

	if (!old_map(info_fd) || bpf_map_lookup_elem(info_fd, &key, &old))
		return false;
	if (old.state & HCP_CHANGING)
		return true;
	if (!kept_by(policy, link_fd, &kept))
		return false;
	other = same_object(shared_fd, kept.shared_fd) && !same_object(info_fd, kept.info_fd);
	kept_close(&kept);
	return other;
}

static void *info_memory(int fd)
{
	void *mem = mmap(NULL, sizeof(struct hcp_info), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

static bool hand_over_fds(int old_fd, int info_fd)
{
	void *old = info_memory(old_fd), *info = info_memory(info_fd);
	bool both = old && info;

	if (both)
		takeover_end(old, info);
	if (old)
		munmap(old, sizeof(struct hcp_info));
	if (info)
		munmap(info, sizeof(struct hcp_info));
	return both;
}

int takeover_finish(struct hcpolicy *policy, int shared_fd, int info_fd, int link_fd)
{
	struct hcp_info_1 *old;
	struct kept kept;
	int fd = -1;

	if (!kept_by(policy, link_fd, &kept))
		return -1;
	if (same_object(info_fd, kept.info_fd)) {
		old = info_memory(info_fd);
		if (old) {
			takeover_undo(old);
			munmap(old, sizeof(struct hcp_info));
		}
	} else if (same_object(shared_fd, kept.shared_fd) && !old_map(kept.info_fd) &&
		   hand_over_fds(info_fd, kept.info_fd)) {
		fd = kept.info_fd;
		kept.info_fd = -1;
	}
	kept_close(&kept);
	return fd;
}
