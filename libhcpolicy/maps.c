// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The two maps of a policy as memory of this process.  The rule: they may come from
 * somebody else (a pin, a broker).  So check them before they are mapped, and read what
 * others may change only once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "internal.h"
#include "set-internal.h"

#define CHUNK_SIZE	(HCP_CHUNK_WORDS * sizeof(uint64_t))

static int check_map(const struct hcpolicy *policy, int fd, const char *name,
		     size_t value_size, __u32 *max_entries)
{
	struct bpf_map_info map;
	int err = map_info(fd, &map);

	if (err == -EINVAL)
		return fail(policy, EINVAL, "%s: descriptor %d is not a BPF map", name, fd);
	if (err)
		return fail(policy, -err, "%s: descriptor %d cannot be seen in /proc/thread-self/fdinfo (%s): %s",
			    name, fd, strerror(-err), err == -EACCES ?
			    "AppArmor, or whatever confines this process, has to allow that" :
			    "mount -t proc proc /proc");
	if (map.type != BPF_MAP_TYPE_ARRAY || map.key_size != sizeof(__u32) ||
	    map.value_size != value_size)
		return fail(policy, EINVAL, "%s: descriptor %d is not an array of %zu byte values",
			    name, fd, value_size);
	if (!(map.map_flags & BPF_F_MMAPABLE))
		return fail(policy, EINVAL, "%s: the map lacks BPF_F_MMAPABLE", name);
	*max_entries = map.max_entries;
	return 0;
}

static void *map_memory(const struct hcpolicy *policy, int fd, const char *name, size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (mem != MAP_FAILED)
		return mem;
	fail(policy, errno, "%s: cannot be mapped: %s", name, strerror(errno));
	return NULL;
}

/* This text goes to terminals. */
static bool is_text(const char name[HCP_NAME_LEN])
{
	int i = 0;

	while (i < HCP_NAME_LEN && name[i] >= ' ' && name[i] <= '~')
		i++;
	return i < HCP_NAME_LEN && !name[i];
}

static int info_open(struct hcpolicy *policy, __u32 chunks, bool fresh)
{
	bool old = old_map(policy->info_fd);
	struct hcp_info *info;
	__u32 infos;
	int err;

	err = check_map(policy, policy->info_fd, HCP_MAP_INFO,
			old ? sizeof(*policy->old) : sizeof(*info), &infos);
	if (err)
		return err;
	info = map_memory(policy, policy->info_fd, HCP_MAP_INFO, sizeof(*info));
	if (!info)
		return -errno;
	if (old) {
		policy->old = (void *)info;
		info = malloc(sizeof(*info));
		if (!info)
			return fail(policy, ENOMEM, HCP_MAP_INFO ": %s", strerror(ENOMEM));
		old_read(policy->old, info);
	}
	policy->info = info;
	if (fresh) {
		info->version = HCP_INFO_VERSION;
		info->npages = info->reach = (uint64_t)chunks * HCP_CHUNK_PAGES;
		info->state = HCP_UNATTACHED;
	}
	if (info->version != (old ? 1 : HCP_INFO_VERSION))
		return fail(policy, EINVAL, HCP_MAP_INFO ": version %u, this library knows %u",
			    info->version, HCP_INFO_VERSION);
	if (!is_text(info->name) || !is_text(info->policy) || !is_text(info->label))
		return fail(policy, EINVAL, HCP_MAP_INFO ": a name does not end, or cannot be printed");
	return 0;
}

static int words_open(struct hcpolicy *policy, __u32 chunks)
{
	uint64_t npages = (uint64_t)chunks * HCP_CHUNK_PAGES;

	policy->words = map_memory(policy, policy->shared_fd, HCP_MAP_SHARED,
				   (size_t)chunks * CHUNK_SIZE);
	if (!policy->words)
		return -errno;
	policy->words_size = (size_t)chunks * CHUNK_SIZE;
	policy->set = hcp_set__new_over(policy->words, policy->old ? (void *)policy->old : policy->info);
	if (!policy->set || hcp_set__npages(policy->set) != npages)
		return fail(policy, EINVAL, HCP_MAP_INFO " says %llu pages and "
			    HCP_MAP_SHARED " has %llu: they do not belong together",
			    (unsigned long long)policy->info->npages,
			    (unsigned long long)npages);
	return 0;
}

/* Map shared_fd and info_fd as far as they exist.  fresh: both exist and nobody else has them. */
int maps_open(struct hcpolicy *policy, bool fresh)
{
	__u32 chunks = 0;
	int err = 0;

	if (policy->shared_fd >= 0)
		err = check_map(policy, policy->shared_fd, HCP_MAP_SHARED, CHUNK_SIZE, &chunks);
	if (!err && policy->info_fd >= 0)
		err = info_open(policy, chunks, fresh);
	if (!err && policy->info && policy->shared_fd >= 0)
		err = words_open(policy, chunks);
	return err;
}

void maps_close(struct hcpolicy *policy)
{
	hcp_set__free(policy->set);
	if (policy->words)
		munmap(policy->words, policy->words_size);
	if (policy->old) {
		munmap(policy->old, sizeof(*policy->info));
		free(policy->info);
	} else if (policy->info) {
		munmap(policy->info, sizeof(*policy->info));
	}
	if (policy->shared_fd >= 0)
		close(policy->shared_fd);
	if (policy->info_fd >= 0)
		close(policy->info_fd);
	policy->set = NULL;
	policy->words = NULL;
	policy->info = NULL;
	policy->old = NULL;
	policy->shared_fd = policy->info_fd = -1;
}
