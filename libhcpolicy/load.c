// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Options between open and load, and load itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

#define MAX_GPA		(1ULL << 52)

int check_opened(const struct hcpolicy *policy)
{
	if (!policy)
		return no_object();
	if (!policy->obj || policy->shared_fd >= 0)
		return fail(policy, EBUSY, "it is loaded already");
	return 0;
}

int hcpolicy__set_max_gpa(struct hcpolicy *policy, uint64_t bytes)
{
	uint64_t chunk = (uint64_t)HCP_CHUNK_PAGES << HCP_PAGE_SHIFT;
	uint64_t chunks = (bytes + chunk - 1) / chunk;
	struct bpf_map *map;
	int err;

	err = check_opened(policy);
	if (err)
		return err;
	if (!bytes || bytes > MAX_GPA)
		return fail(policy, EINVAL, "the highest guest address is from 1 byte to 4 PiB");

	map = bpf_object__find_map_by_name(policy->obj, HCP_MAP_SHARED);
	err = bpf_map__set_max_entries(map, chunks);
	if (err)
		return fail(policy, -err, HCP_MAP_SHARED ": %s", strerror(-err));
	policy->npages = chunks * HCP_CHUNK_PAGES;
	return 0;
}

static int check_kernel(const struct hcpolicy *policy)
{
	__u32 id;

	switch (hcpolicy__probe()) {
	case -EOPNOTSUPP:
		return fail(policy, EOPNOTSUPP, "the KVM that is loaded has no hook for policies: "
			    "hcpolicy probe says what helps");
	case -ENOENT:
		return fail(policy, EOPNOTSUPP, "kvm is not loaded; modprobe kvm_amd or kvm_intel");
	}

	/* Without the capability libbpf would report a missing hook. */
	if (bpf_btf_get_next_id(0, &id) && errno == EPERM)
		return fail(policy, EPERM, "loading it needs CAP_SYS_ADMIN");
	return 0;
}

static int dup_map(const struct hcpolicy *policy, const char *name, int *copy)
{
	*copy = fcntl(bpf_object__find_map_fd_by_name(policy->obj, name), F_DUPFD_CLOEXEC, 3);
	return *copy < 0 ? fail(policy, errno, "%s: %s", name, strerror(errno)) : 0;
}

/* Print a size that is a whole number of some unit. */
static const char *size_text(char buf[32], uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	unsigned int unit = 0;

	for (; bytes && !(bytes & 1023) && unit < 5; unit++)
		bytes >>= 10;
	snprintf(buf, 32, "%llu %s", (unsigned long long)bytes, units[unit]);
	return buf;
}

static int no_memory(const struct hcpolicy *policy)
{
	uint64_t chunks = bpf_map__max_entries(bpf_object__find_map_by_name(policy->obj,
									    HCP_MAP_SHARED));
	char covers[32], takes[32];

	return fail(policy, ENOMEM, "a set that covers %s takes %s of kernel memory, which is not "
		    "available",
		    size_text(covers, (chunks * HCP_CHUNK_PAGES) << HCP_PAGE_SHIFT),
		    size_text(takes, chunks * HCP_CHUNK_PAGES / 8));
}

static int copy_values(const struct hcpolicy *policy, const struct bpf_object *from,
		       const char *section)
{
	const struct bpf_map *map = bpf_object__find_map_by_name(from, section);
	size_t size, to_size;
	void *data, *to;

	if (!map)
		return 0;
	data = bpf_map__initial_value(map, &size);
	to = bpf_map__initial_value(bpf_object__find_map_by_name(policy->obj, section), &to_size);
	if (!data || !to || size != to_size)
		return -EINVAL;
	memcpy(to, data, size);
	return 0;
}

/* What was set in the opened object. */
static int copy_settings(const struct hcpolicy *policy, const struct bpf_object *from)
{
	const struct bpf_map *set = bpf_object__find_map_by_name(from, HCP_MAP_SHARED);
	int err;

	err = bpf_map__set_max_entries(bpf_object__find_map_by_name(policy->obj, HCP_MAP_SHARED),
				       bpf_map__max_entries(set));
	if (!err)
		err = copy_values(policy, from, PARAMS_FIXED);
	return err ? err : copy_values(policy, from, PARAMS_TUNABLE);	/* counters begin at 0 */
}

int load_begin(struct hcpolicy *policy, struct bpf_object **opened)
{
	int err;

	*opened = policy->obj;
	policy->obj = object_new(policy);
	if (!policy->obj) {
		err = fail(policy, errno, "its object cannot be read again: %s", strerror(errno));
	} else {
		err = ops_find(policy);
		if (!err && copy_settings(policy, *opened))
			err = fail(policy, EINVAL, "its parameters cannot be set again");
	}
	if (!err)
		return 0;
	return load_end(policy, *opened, err);
}

int load_end(struct hcpolicy *policy, struct bpf_object *opened, int err)
{
	if (!err) {
		bpf_object__close(opened);
		return 0;
	}
	maps_close(policy);
	ops_type_close(policy);
	bpf_object__close(policy->obj);
	policy->obj = opened;
	ops_find(policy);	/* it was found before */
	errno = -err;
	return err;
}

/* Load into the kernel: afterwards programs are verified and maps exist. */
int load_object(struct hcpolicy *policy)
{
	int err;

	err = check_kernel(policy);
	if (err)
		return err;

	policy->verifier_said_no = false;
	libbpf_talks_to(policy);
	err = bpf_object__load(policy->obj);
	libbpf_talks_to(NULL);
	if (err == -EPERM)
		return fail(policy, EPERM, "loading it needs CAP_SYS_ADMIN");
	if (policy->verifier_said_no)
		return fail(policy, EACCES, "the verifier does not accept it: see above");
	if (err == -ENOMEM)
		return no_memory(policy);
	/* libbpf has said what is missing, such as a kfunc. */
	if (err)
		return fail(policy, -err, "this kernel cannot run it (%s): see above", strerror(-err));

	err = dup_map(policy, HCP_MAP_SHARED, &policy->shared_fd);
	if (!err)
		err = dup_map(policy, HCP_MAP_INFO, &policy->info_fd);
	if (err)
		return err;
	err = ops_type_load(policy, bpf_map__fd(policy->ops));
	if (err == -EOPNOTSUPP)
		return fail(policy, EOPNOTSUPP, "the KVM that is loaded has the hook of another version "
			    "of hcpolicy: load the installed one (reboot; or, when no VM runs, modprobe -r and modprobe)");
	return err ? fail(policy, -err, "the kernel's BTF: %s", strerror(-err)) : 0;
}

int hcpolicy__load(struct hcpolicy *policy)
{
	struct bpf_object *opened;
	int err;

	err = check_opened(policy);
	if (!err)
		err = load_begin(policy, &opened);
	if (err)
		return err;
	err = load_object(policy);
	if (!err)
		err = maps_open(policy, true);
	if (err == -ENOMEM && policy->shared_fd >= 0)
		no_memory(policy);	/* no memory to map it */
	err = load_end(policy, opened, err);
	policy->attachable = !err;
	return err;
}
