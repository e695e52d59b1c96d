// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A policy that was found: do its link and its maps belong together, and what has become of
 * it since it was attached?
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"
#include "set-internal.h"

void set_state(struct hcpolicy *policy, __u32 set, __u32 clear)
{
	__u32 *state = policy->old ? &policy->old->state : &policy->info->state;

	__atomic_fetch_or(state, set, __ATOMIC_RELAXED);
	__atomic_fetch_and(state, ~clear, __ATOMIC_RELAXED);
}

/* ops_id comes last: until it is the link's, whoever opens the set repeats this. */
void replaced_by(struct hcp_info *info, const char *name, __u32 ops_id)
{
	snprintf(info->policy, sizeof(info->policy), "%s", name);
	__atomic_store_n(&info->ops_id, ops_id, __ATOMIC_RELEASE);
}

/* The set that the link's program keeps now.  1: the link has ended. */
static int kept_now(struct hcpolicy *policy, __u32 *ops_id, struct kept *kept)
{
	struct bpf_link_info link;
	int err, tries;

	for (tries = 0; tries < 10; tries++) {
		err = ids_kept(policy, *ops_id, kept);
		/* The map of a link that was replaced, or has ended, goes. */
		if (err != -ENOENT)
			return err;
		if (link_info(policy->link_fd, &link) || !link.struct_ops.map_id)
			return 1;
		*ops_id = link.struct_ops.map_id;
	}
	return err;
}

/* For who may not ask by BPF's ids: true if hcp_info and the link agree after a while, or it has ended. */
static bool replace_ends(struct hcpolicy *policy)
{
	struct bpf_link_info link;
	int tries;

	for (tries = 0; tries < 100; tries++) {
		if (link_info(policy->link_fd, &link) || !link.struct_ops.map_id)
			return true;
		if (__atomic_load_n(&policy->info->ops_id, __ATOMIC_ACQUIRE) == link.struct_ops.map_id)
			return true;
		usleep(20000);
	}
	return false;
}

/*
 * The link has another map than hcp_info says.  A replace is under way, or was cut short; or somebody
 * replaced the policy without regard for the set.  A replace holds the lock of the names, so who has
 * that lock knows that none is under way, and finishes what was cut short.
 *
 * Nothing here waits for hcp_info: whoever has the map can keep it wrong.
 */
static int finish_replace(struct hcpolicy *policy, __u32 ops_id, bool locked)
{
	struct kept kept;
	bool same;
	int err;

	err = kept_now(policy, &ops_id, &kept);
	if (err == 1 || (err == -EPERM && !locked && !policy->old && replace_ends(policy)))
		return 0;
	if (err && err != -EOPNOTSUPP)
		return fail(policy, -err, "whether its program keeps this set cannot be seen: %s%s", strerror(-err),
			    err == -EPERM ? "; that needs CAP_SYS_ADMIN" : "");
	same = !err && same_object(kept.shared_fd, policy->shared_fd) &&
	       same_object(kept.info_fd, policy->info_fd);
	if (same) {
		policy->ops_id = ops_id;
		snprintf(policy->policy, sizeof(policy->policy), "%s", kept.policy);
		/* Version 0.1 does not note that, and its hcp_info here is a copy. */
		if (locked || policy->old)
			replaced_by(policy->info, kept.policy, ops_id);
		if (locked && !policy->old) {
			say(policy, "attachment '%s': a replace by '%s' was cut short: finished it", policy->name,
			    kept.policy);
			policy->finished_replace = true;
		}
	} else {
		say(policy, "attachment '%s': another policy was put in its place, which does not keep its set",
		    policy->name);
		set_state(policy, HCP_DETACHED, 0);
		policy->info->ops_id = ops_id;
		if (!err)
			ids_mark(policy->info->link_id, &kept);
	}
	if (!err)
		kept_close(&kept);
	return 0;
}

/* Do link and maps belong together?  And does the link's program keep this set? */
static int check_ids(struct hcpolicy *policy, const struct bpf_link_info *link, enum lock lock)
{
	struct hcp_info *info = policy->info;
	__u32 shared_id = __atomic_load_n(&info->shared_id, __ATOMIC_RELAXED);

	if (policy->old)
		info->link_id = link->id;
	if ((link->id && info->link_id != link->id) ||
	    (shared_id && policy->shared_fd >= 0 && shared_id != object_id(policy->shared_fd)))
		return fail(policy, EINVAL, "link (id %u), " HCP_MAP_INFO " and " HCP_MAP_SHARED
			    " do not belong together: what is attached can be detached by its link id",
			    link->id);
	if (!link->struct_ops.map_id)
		return 0;
	if (link->struct_ops.map_id == __atomic_load_n(&info->ops_id, __ATOMIC_ACQUIRE)) {
		policy->ops_id = link->struct_ops.map_id;
		return 0;
	}
	if (lock == LOCK_CAN && !policy->old)
		return -EAGAIN;
	return finish_replace(policy, link->struct_ops.map_id, lock == LOCK_HELD);
}

/* Take over the link and maps of a found policy, as far as they exist. */
int open_parts(struct hcpolicy *policy, enum lock lock)
{
	struct bpf_link_info link = {};
	int err;

	err = maps_open(policy, false);
	if (err)
		return err;
	if (policy->link_fd >= 0 && link_info(policy->link_fd, &link))
		return fail(policy, EINVAL, "link: descriptor %d is not a struct_ops link",
			    policy->link_fd);
	if (!policy->info)
		return 0;
	memcpy(policy->policy, policy->info->policy, HCP_NAME_LEN);
	/* A pin's name is what was asked for. */
	if (!policy->name[0])
		memcpy(policy->name, policy->info->name, HCP_NAME_LEN);
	policy->policy[HCP_NAME_LEN - 1] = policy->name[HCP_NAME_LEN - 1] = 0;
	return check_ids(policy, &link, lock);
}
