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

/*
 * The link has another map than hcp_info says.  Either a replace was cut short, and this
 * finishes it.  Or somebody replaced the policy without regard for the set.
 */
static int finish_replace(struct hcpolicy *policy, __u32 ops_id)
{
	struct bpf_link_info link;
	struct kept kept;
	int err, tries;
	bool same;

	/* Probably another process is about to write that, or has just detached the policy. */
	for (tries = 0; tries < 100 && !policy->old; tries++) {
		if (__atomic_load_n(&policy->info->ops_id, __ATOMIC_ACQUIRE) == ops_id)
			return 0;
		usleep(20000);
		if (link_info(policy->link_fd, &link) || !link.struct_ops.map_id)
			return 0;
		ops_id = link.struct_ops.map_id;
	}
	err = ids_kept(policy, ops_id, &kept);
	if (err && err != -EOPNOTSUPP)
		return fail(policy, -err, "whether its program keeps this set cannot be seen: %s%s", strerror(-err),
			    err == -EPERM ? "; that needs CAP_SYS_ADMIN" : "");
	same = !err && same_object(kept.shared_fd, policy->shared_fd) &&
	       same_object(kept.info_fd, policy->info_fd);
	if (same && policy->old) {
		/* Version 0.1 does not note that. */
		replaced_by(policy->info, kept.policy, ops_id);
	} else if (same) {
		say(policy, "attachment '%s': a replace by '%s' was cut short: finished it", policy->name,
		    kept.policy);
		replaced_by(policy->info, kept.policy, ops_id);
		policy->finished_replace = true;
		snprintf(policy->policy, sizeof(policy->policy), "%s", kept.policy);
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
static int check_ids(struct hcpolicy *policy, const struct bpf_link_info *link)
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
	if (!link->struct_ops.map_id || link->struct_ops.map_id == info->ops_id)
		return 0;
	return finish_replace(policy, link->struct_ops.map_id);
}

/* Take over the link and maps of a found policy, as far as they exist. */
int open_parts(struct hcpolicy *policy)
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
	return check_ids(policy, &link);
}
