// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* A policy object: its beginning, its end, and what it gives out. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "internal.h"

struct hcpolicy *policy_new(const struct hcpolicy_opts *opts)
{
	struct hcpolicy *policy;
	int err;

	const char *bpffs;

	err = opts_check(opts, bpffs);
	if (err) {
		errno = -err;
		return NULL;
	}

	policy = calloc(1, sizeof(*policy));
	if (!policy)
		return NULL;
	bpffs = opts_get(opts, bpffs) ?: secure_getenv("HCPOLICY_BPFFS") ?: HCPOLICY_DEFAULT_BPFFS;
	policy->bpffs = strdup(bpffs);
	if (!policy->bpffs) {
		free(policy);
		return NULL;
	}
	policy->log = opts_get(opts, log);
	policy->log_ctx = opts_get(opts, log_ctx);
	policy->warn = opts_get(opts, warn);
	policy->lock_fd = policy->shared_fd = policy->info_fd = policy->link_fd = policy->type.btf_fd = -1;
	return policy;
}

void hcpolicy__close(struct hcpolicy *policy)
{
	int err = errno;

	if (!policy)
		return;
	maps_close(policy);
	params_close(policy);
	own_close(policy);
	if (policy->counters)
		munmap(policy->counters, policy->counters_size);
	if (policy->link_fd >= 0)
		close(policy->link_fd);
	folder_close(policy->lock_fd);
	ops_type_close(policy);
	bpf_object__close(policy->obj);
	free(policy->bytes);
	free(policy->bpffs);
	free(policy);
	errno = err;	/* callers use this at the end of an error path */
}

/* libbpf can load an object only once, so each load opens a new one from the same bytes. */
struct bpf_object *object_new(struct hcpolicy *policy)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = policy->policy);
	struct bpf_object *obj;
	int err;

	libbpf_talks_to(policy);
	obj = bpf_object__open_mem(policy->bytes, policy->size, &opts);
	err = errno;
	libbpf_talks_to(NULL);
	errno = err;
	return obj;
}

/*
 * Does the link's program still keep this set?  That of the map by which it was attached or found does,
 * whatever hcp_info says.  A replace updates that a moment later.
 */
static bool keeps_set(const struct hcpolicy *policy, int link_fd)
{
	struct bpf_link_info link;
	int tries;

	for (tries = 0; tries < 10; tries++) {
		if (link_info(link_fd, &link))
			return false;
		if (link.struct_ops.map_id == policy->ops_id ||
		    link.struct_ops.map_id == __atomic_load_n(&policy->info->ops_id, __ATOMIC_ACQUIRE))
			return true;
		usleep(20000);
	}
	return false;
}

/* For any thread: what this reads of the object no longer changes once there is a link. */
bool hcpolicy__attached(const struct hcpolicy *policy)
{
	struct pollfd pfd = {};

	if (!policy) {
		errno = EINVAL;
		return false;
	}
	pfd.fd = __atomic_load_n(&policy->link_fd, __ATOMIC_ACQUIRE);
	if (pfd.fd < 0)
		return false;
	/* A pending signal interrupts poll(), even with a timeout of 0. */
	while (poll(&pfd, 1, 0) < 0) {
		if (errno != EINTR)
			return false;
	}
	if (pfd.revents & (POLLHUP | POLLNVAL))
		return false;
	return !policy->info || keeps_set(policy, pfd.fd);
}

static const void *there_or_null(const struct hcpolicy *policy, const void *what)
{
	if (!what)
		errno = policy ? ENOENT : EINVAL;
	return what;
}

struct hcp_set *hcpolicy__set(const struct hcpolicy *policy)
{
	return (void *)there_or_null(policy, policy ? policy->set : NULL);
}

bool hcpolicy__complete(const struct hcpolicy *policy)
{
	const struct hcp_set *set = hcpolicy__set(policy);

	/* In this order: a link does not come back, so one that stands now stood before. */
	return set && hcp_set__complete(set) && hcpolicy__attached(policy);
}

const struct hcp_info *hcpolicy__info(const struct hcpolicy *policy)
{
	return there_or_null(policy, policy ? policy->info : NULL);
}

static int fd_or_none(int fd)
{
	if (fd >= 0)
		return fd;
	errno = ENOENT;
	return -ENOENT;
}

int hcpolicy__link_fd(const struct hcpolicy *policy)
{
	if (!policy)
		return no_object();
	return fd_or_none(__atomic_load_n(&policy->link_fd, __ATOMIC_ACQUIRE));
}

int hcpolicy__map_fd(const struct hcpolicy *policy, const char *map)
{
	if (!policy || !map)
		return no_object();
	if (!strcmp(map, HCP_MAP_SHARED))
		return fd_or_none(policy->shared_fd);
	if (!strcmp(map, HCP_MAP_INFO))
		return fd_or_none(policy->info_fd);
	return fd_or_none(own_fd(policy, map));
}
