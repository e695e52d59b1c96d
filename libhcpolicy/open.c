// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A policy object from a name, a path or descriptors, and what it gives out.
 * (From pins: pin.c.)
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

	err = opts_check(opts, log_ctx);
	if (err) {
		errno = -err;
		return NULL;
	}

	policy = calloc(1, sizeof(*policy));
	if (!policy)
		return NULL;
	policy->log = opts_get(opts, log);
	policy->log_ctx = opts_get(opts, log_ctx);
	policy->shared_fd = policy->info_fd = policy->link_fd = policy->type.btf_fd = -1;
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
	if (policy->type.btf_fd >= 0)
		close(policy->type.btf_fd);
	bpf_object__close(policy->obj);
	free(policy);
	errno = err;	/* so that it can end an error path */
}

/* The path of a policy's object; free() it.  NULL: reported. */
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
		if (asprintf(&path, "%s/%s.bpf.o", dir, name) < 0)
			path = NULL;
		else if (access(path, R_OK)) {
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

/* What it is called: the file's name without directory and suffix. */
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
	static const char *const names[] = { HCP_MAP_SHARED, HCP_MAP_INFO };
	size_t i;

	for (i = 0; i < 2; i++) {
		if (!bpf_object__find_map_by_name(policy->obj, names[i]))
			return fail(policy, EINVAL, "not a policy: it has no map '%s'", names[i]);
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

	libbpf_talks_to(policy);
	policy->obj = bpf_object__open_file(path, NULL);
	err = errno;
	libbpf_talks_to(NULL);
	if (!policy->obj) {
		fail(policy, err == ENOMEM ? ENOMEM : EINVAL, "%s is not a BPF object", path);
		goto close;
	}
	if (check_object(policy) || ops_find(policy) ||
	    hcpolicy__set_max_gpa(policy, HCPOLICY_DEFAULT_MAX_GPA))
		goto close;
	policy->npages = 0;	/* not asked for: replace may set it */
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

/* Other links have a program of their own; that tells one from other BPF objects too. */
static int check_link(const struct hcpolicy *policy, int fd)
{
	struct bpf_link_info link = {};
	__u32 len = sizeof(link);

	if (bpf_link_get_info_by_fd(fd, &link, &len) ||
	    link.type != BPF_LINK_TYPE_STRUCT_OPS || link.prog_id)
		return fail(policy, EINVAL, "link: descriptor %d is not a struct_ops link", fd);
	return 0;
}

struct hcpolicy *hcpolicy__open_fds(int shared_fd, int info_fd, int link_fd,
				    const struct hcpolicy_opts *opts)
{
	struct hcpolicy *policy;

	policy = policy_new(opts);
	if (!policy)
		return NULL;

	if (dup_fd(policy, shared_fd, HCP_MAP_SHARED, &policy->shared_fd) ||
	    dup_fd(policy, info_fd, HCP_MAP_INFO, &policy->info_fd) ||
	    maps_open(policy, false))
		goto close;
	if (link_fd != -1 && (dup_fd(policy, link_fd, "link", &policy->link_fd) ||
			      check_link(policy, link_fd)))
		goto close;

	memcpy(policy->policy, policy->info->policy, HCP_NAME_LEN);
	memcpy(policy->name, policy->info->name, HCP_NAME_LEN);
	policy->policy[HCP_NAME_LEN - 1] = policy->name[HCP_NAME_LEN - 1] = 0;
	return policy;
close:
	hcpolicy__close(policy);
	return NULL;
}

bool hcpolicy__attached(const struct hcpolicy *policy)
{
	struct pollfd pfd = { .fd = policy->link_fd };

	return pfd.fd >= 0 && poll(&pfd, 1, 0) >= 0 && !(pfd.revents & POLLHUP);
}

struct hcp_set *hcpolicy__set(const struct hcpolicy *policy)
{
	return policy->set;
}

const struct hcp_info *hcpolicy__info(const struct hcpolicy *policy)
{
	return policy->info;
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
	return fd_or_none(policy->link_fd);
}

int hcpolicy__map_fd(const struct hcpolicy *policy, const char *map)
{
	if (!strcmp(map, HCP_MAP_SHARED))
		return fd_or_none(policy->shared_fd);
	if (!strcmp(map, HCP_MAP_INFO))
		return fd_or_none(policy->info_fd);
	if (!policy->obj)
		return fd_or_none(-1);
	return fd_or_none(bpf_object__find_map_fd_by_name(policy->obj, map));
}
