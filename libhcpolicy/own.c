// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A policy's own maps: all but hcp_shared and hcp_info, which are the set.  They are pinned in
 * NAME/maps/, so that others can reach them, and end with the policy.  A replacement gets new ones,
 * except those that its source marks with HCP_HAND_ON (hcpolicy.bpf.h).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <bpf/btf.h>
#include "internal.h"

#define TAG_HAND_ON	"hcp:hand-on"

/* bpffs allows no dots in names, but maps of sections have them: .rodata, mine.rodata. */
static void pin_name(char name[HCP_NAME_LEN], const char *map)
{
	char *dot = strchr(map, '.');

	snprintf(name, HCP_NAME_LEN, "%s", dot ? dot + 1 : map);
	while ((dot = strchr(name, '.')))
		*dot = '_';
}

static bool is_own(const struct hcpolicy *policy, const struct bpf_map *map)
{
	return map != policy->ops && strcmp(bpf_map__name(map), HCP_MAP_SHARED) &&
	       strcmp(bpf_map__name(map), HCP_MAP_INFO);
}

int own_check(const struct hcpolicy *policy)
{
	const struct bpf_map *map;

	bpf_object__for_each_map(map, policy->obj) {
		if (bpf_map__pin_path(map))
			return fail(policy, EINVAL, "its map '%s' is LIBBPF_PIN_BY_NAME, and two VMs would share "
				    "it: leave that out, as each VM's own is pinned in NAME/" OWN_MAPS,
				    bpf_map__name(map));
	}
	return 0;
}

int own_add(struct hcpolicy *policy, const char *name, int fd)
{
	struct own_map *own = realloc(policy->own, (policy->nown + 1) * sizeof(*own));

	if (!own) {
		close(fd);
		return -ENOMEM;
	}
	policy->own = own;
	pin_name(own[policy->nown].name, name);
	own[policy->nown++].fd = fd;
	return 0;
}

void own_close(struct hcpolicy *policy)
{
	while (policy->nown)
		close(policy->own[--policy->nown].fd);
	free(policy->own);
	policy->own = NULL;
}

int own_fd(const struct hcpolicy *policy, const char *map)
{
	char name[HCP_NAME_LEN];
	size_t i;

	if (policy->obj)
		return bpf_object__find_map_fd_by_name(policy->obj, map);
	pin_name(name, map);
	for (i = 0; i < policy->nown; i++) {
		if (!strcmp(policy->own[i].name, name))
			return policy->own[i].fd;
	}
	return -ENOENT;
}

int own_pin(const struct hcpolicy *policy, int dir, const char *folder)
{
	const struct bpf_map *map;
	char name[HCP_NAME_LEN];
	int maps, err = 0;
	size_t i;

	if (mkdirat(dir, folder, 0700))
		return -errno;
	maps = openat(dir, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (maps < 0)
		return -errno;
	if (policy->obj) {
		bpf_object__for_each_map(map, policy->obj) {
			if (err || !is_own(policy, map) || bpf_map__fd(map) < 0)
				continue;
			pin_name(name, bpf_map__name(map));
			err = pin_put(maps, name, bpf_map__fd(map));
		}
	}
	for (i = 0; !policy->obj && !err && i < policy->nown; i++)
		err = pin_put(maps, policy->own[i].name, policy->own[i].fd);
	close(maps);
	return err;
}

/* dir: the folder of its name.  A map that cannot be opened counts as not there. */
int own_open(struct hcpolicy *policy, int dir)
{
	int maps = openat(dir, OWN_MAPS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), fd, err = 0;
	struct dirent *entry;
	DIR *list;

	if (maps < 0)
		return errno == ENOENT ? 0 : -errno;
	list = fdopendir(maps);
	if (!list) {
		close(maps);
		return -errno;
	}
	while (!err && (entry = readdir(list))) {
		fd = entry->d_name[0] == '.' ? -1 : pin_get(maps, entry->d_name);
		if (fd >= 0)
			err = own_add(policy, entry->d_name, fd);
	}
	closedir(list);
	return err;
}

static bool handed_on(const struct hcpolicy *next, const char *map)
{
	const struct btf *btf = bpf_object__btf(next->obj);
	int var = btf__find_by_name_kind(btf, map, BTF_KIND_VAR);
	const struct btf_type *type;
	__u32 i;

	for (i = 1; var > 0 && i < btf__type_cnt(btf); i++) {
		type = btf__type_by_id(btf, i);
		if (btf_is_decl_tag(type) && type->type == (__u32)var &&
		    !strcmp(btf__name_by_offset(btf, type->name_off), TAG_HAND_ON))
			return true;
	}
	return false;
}

static bool same_shape(const struct bpf_map *map, int fd)
{
	struct bpf_map_info info;

	return !map_info(fd, &info) && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) && info.value_size == bpf_map__value_size(map) &&
	       info.max_entries == bpf_map__max_entries(map);
}

/* next is opened and not loaded.  It takes over the maps that it marks; its others begin anew. */
int own_hand_on(const struct hcpolicy *policy, struct hcpolicy *next)
{
	struct bpf_map *map;
	const char *name;
	int fd;

	bpf_object__for_each_map(map, next->obj) {
		name = bpf_map__name(map);
		fd = is_own(next, map) ? own_fd(policy, name) : -ENOENT;
		if (fd < 0)
			continue;
		if (!handed_on(next, name)) {
			if (!strchr(name, '.'))
				say(next, "policy '%s': its map '%s' begins anew", next->policy, name);
			continue;
		}
		if (!same_shape(map, fd))
			return fail(next, EINVAL, "its map '%s' differs from the one that it takes over (in type, "
				    "key, value or size): give it another name, or leave HCP_HAND_ON out", name);
		if (bpf_map__reuse_fd(map, fd))
			return fail(next, errno, "%s: %s", name, strerror(errno));
	}
	return 0;
}

static const char *opened_name(const struct hcpolicy *policy, unsigned int n)
{
	const struct bpf_map *map;

	bpf_object__for_each_map(map, policy->obj) {
		if (is_own(policy, map) && !n--)
			return bpf_map__name(map);
	}
	return NULL;
}

const char *hcpolicy__map_name(const struct hcpolicy *policy, unsigned int n)
{
	static const char *const set[] = { HCP_MAP_SHARED, HCP_MAP_INFO };

	if (!policy)
		return NULL;
	if (n < 2)
		return set[n];
	if (policy->obj)
		return opened_name(policy, n - 2);
	return n - 2 < policy->nown ? policy->own[n - 2].name : NULL;
}

int hcpolicy__add_map_fd(struct hcpolicy *policy, const char *map, int fd)
{
	int copy, err;

	if (!policy || !map || !*map || strlen(map) >= HCP_NAME_LEN)
		return no_object();
	if (policy->obj || own_fd(policy, map) >= 0)
		return fail(policy, EEXIST, "it has a map '%s' already", map);
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0 || !object_id(copy)) {
		if (copy >= 0)
			close(copy);
		return fail(policy, EINVAL, "%s: descriptor %d is not a BPF map", map, fd);
	}
	err = own_add(policy, map, copy);
	return err ? fail(policy, -err, "%s: %s", map, strerror(-err)) : 0;
}
