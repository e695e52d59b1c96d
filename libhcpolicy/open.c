// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A policy object from a name, a path or descriptors, and access to its parts.  Pins are in
 * pin.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
		fail(policy, ENOENT, "no %s.bpf.o in HCPOLICY_PATH (%s) or " HCPOLICY_DIR,
		     name, dirs ? dirs : "not set");
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
	if (check_object(policy) || ops_find(policy) ||
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

/* Do link and maps belong together?  And does the link's program keep this set? */
static int check_ids(struct hcpolicy *policy, const struct bpf_link_info *link)
{
	const struct hcp_info *info = policy->info;
	__u32 shared_id = __atomic_load_n(&info->shared_id, __ATOMIC_RELAXED);

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
	memcpy(policy->name, policy->info->name, HCP_NAME_LEN);
	policy->policy[HCP_NAME_LEN - 1] = policy->name[HCP_NAME_LEN - 1] = 0;
	return check_ids(policy, &link);
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
	    !open_parts(policy))
		return policy;
	hcpolicy__close(policy);
	return NULL;
}

/* Does the link's program still keep this set?  A replace updates hcp_info a moment later. */
static bool keeps_set(const struct hcp_info *info, int link_fd)
{
	struct bpf_link_info link;
	int tries;

	for (tries = 0; tries < 10; tries++) {
		if (link_info(link_fd, &link))
			return false;
		if (link.struct_ops.map_id == __atomic_load_n(&info->ops_id, __ATOMIC_ACQUIRE))
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
	return !policy->info || keeps_set(policy->info, pfd.fd);
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
	if (!policy->obj)
		return fd_or_none(-1);
	return fd_or_none(bpf_object__find_map_fd_by_name(policy->obj, map));
}
