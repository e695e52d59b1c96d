// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* A policy object from a name, a path, descriptors or a link's id.  (From pins: pin.c.) */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

/* Find the path of a policy's object; free() it.  NULL: an error that was reported. */
static char *find_object(const struct hcpolicy *policy, const char *name)
{
	const char *dirs = secure_getenv("HCPOLICY_PATH");
	char *all, *rest, *dir, *path = NULL;

	if (strchr(name, '/')) {
		if (!access(name, R_OK))
			return strdup(name);
		fail(policy, errno, "%s: %s", name, strerror(errno));
		return NULL;
	}

	if (asprintf(&all, "%s:%s", dirs ? dirs : "", HCPOLICY_DIR) < 0)
		return NULL;
	for (rest = all; !path && (dir = strsep(&rest, ":"));) {
		if (!*dir)
			continue;
		if (asprintf(&path, "%s/%s.bpf.o", dir, name) < 0) {
			path = NULL;
		} else if (access(path, R_OK)) {
			free(path);
			path = NULL;
		}
	}
	free(all);
	if (!path)
		fail(policy, ENOENT, "no %s.bpf.o in HCPOLICY_PATH (%s) or " HCPOLICY_DIR "%s", name, dirs ? dirs : "not set",
		     strchr(name, '.') ? "; a file is named with its folder: ./FILE" : "");
	return path;
}

/* The policy's name: the file's name without directory and suffix. */
static void set_policy_name(struct hcpolicy *policy, const char *path)
{
	const char *base = strrchr(path, '/');
	char *suffix;

	snprintf(policy->policy, sizeof(policy->policy), "%s", base ? base + 1 : path);
	suffix = strstr(policy->policy, ".bpf.o");
	if (suffix)
		*suffix = 0;
}

static int check_object(const struct hcpolicy *policy)
{
	static const struct {
		const char *name;
		size_t value_size;
	} maps[] = {
		{ HCP_MAP_SHARED, HCP_CHUNK_WORDS * sizeof(uint64_t) },
		{ HCP_MAP_INFO, sizeof(struct hcp_info) },
	};
	const struct bpf_map *map;
	size_t i;

	for (i = 0; i < 2; i++) {
		map = bpf_object__find_map_by_name(policy->obj, maps[i].name);
		if (!map)
			return fail(policy, EINVAL, "not a policy: it has no map '%s'", maps[i].name);
		if (bpf_map__value_size(map) != maps[i].value_size)
			return fail(policy, EINVAL, "it was compiled with another version of hcpolicy.bpf.h: "
				    "its %s has %u bytes, and this library's has %zu", maps[i].name,
				    bpf_map__value_size(map), maps[i].value_size);
	}
	return 0;
}

struct hcpolicy *hcpolicy__open(const char *name, const struct hcpolicy_opts *opts)
{
	struct hcpolicy *policy;
	char *path = NULL;
	int err;

	policy = policy_new(opts);
	if (!policy)
		return NULL;

	if (!name) {
		fail(policy, EINVAL, "no policy named");
		goto close;
	}
	set_policy_name(policy, name);
	path = find_object(policy, name);
	if (!path)
		goto close;

	err = -read_file(path, &policy->bytes, &policy->size);
	if (!err) {
		policy->obj = object_new(policy);
		err = errno;
	}
	if (!policy->obj) {
		fail(policy, err == ENOMEM ? ENOMEM : EINVAL, "%s is not a BPF object", path);
		goto close;
	}
	if (check_object(policy) || ops_find(policy) || own_check(policy) || params_check(policy) ||
	    hcpolicy__set_max_gpa(policy, HCPOLICY_DEFAULT_MAX_GPA))
		goto close;
	policy->npages = 0;	/* not set by the caller; replace may set it */
	free(path);
	return policy;
close:
	free(path);
	hcpolicy__close(policy);
	return NULL;
}

static int dup_fd(const struct hcpolicy *policy, int fd, const char *what, int *copy)
{
	*copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (*copy >= 0)
		return 0;
	return fail(policy, errno == EBADF ? EINVAL : errno, "%s: descriptor %d: %s", what, fd,
		    strerror(errno));
}

struct hcpolicy *hcpolicy__open_fds(int shared_fd, int info_fd, int link_fd,
				    const struct hcpolicy_opts *opts)
{
	struct hcpolicy *policy;

	policy = policy_new(opts);
	if (!policy)
		return NULL;

	if (!dup_fd(policy, shared_fd, HCP_MAP_SHARED, &policy->shared_fd) &&
	    !dup_fd(policy, info_fd, HCP_MAP_INFO, &policy->info_fd) &&
	    (link_fd == -1 || !dup_fd(policy, link_fd, "link", &policy->link_fd)) &&
	    !open_parts(policy, LOCK_NONE))
		return policy;
	hcpolicy__close(policy);
	return NULL;
}

static int open_id(struct hcpolicy *policy, __u32 id)
{
	struct bpf_link_info link;
	struct kept kept;
	int err;

	policy->link_fd = ids_link(id);
	if (policy->link_fd == -ENOENT)
		return fail(policy, ENOENT, "there is no link of the id %u", id);
	if (policy->link_fd < 0)
		return fail(policy, -policy->link_fd, "link id %u: %s%s", id, strerror(-policy->link_fd),
			    policy->link_fd == -EPERM ? "; that needs CAP_SYS_ADMIN" : "");
	err = link_info(policy->link_fd, &link);
	if (!err && !link.struct_ops.map_id)
		return fail(policy, ENOLINK, "link id %u is not attached any more", id);
	if (!err)
		err = ids_kept(policy, link.struct_ops.map_id, &kept);
	if (err == -EINVAL || err == -EOPNOTSUPP)
		return fail(policy, EINVAL, "link id %u is not a policy's", id);
	if (err)
		return fail(policy, -err, "link id %u: %s", id, strerror(-err));

	strcpy(policy->policy, kept.policy);
	policy->shared_fd = kept.shared_fd;
	policy->info_fd = kept.info_fd;
	return 0;
}

struct hcpolicy *hcpolicy__open_id(uint32_t link_id, const struct hcpolicy_opts *opts)
{
	struct hcpolicy *policy;
	hcpolicy_log_fn log;

	policy = policy_new(opts);
	if (!policy)
		return NULL;
	if (open_id(policy, link_id)) {
		hcpolicy__close(policy);
		return NULL;
	}
	/* A policy that keeps no set, or another version's set: only the link is known. */
	log = policy->log;
	policy->log = NULL;
	if (open_parts(policy, LOCK_NONE))
		maps_close(policy);
	policy->log = log;
	return policy;
}
