// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * What is set between open and load, and load itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/btf.h>
#include "internal.h"

#define MAX_GPA		(1ULL << 52)

static int check_opened(const struct hcpolicy *policy)
{
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

/* A global variable of .rodata whose type is an integer; where it is goes to *at. */
static const struct btf_type *find_param(const struct hcpolicy *policy, const char *key,
					 void **at)
{
	const struct btf *btf = bpf_object__btf(policy->obj);
	struct bpf_map *map = bpf_object__find_map_by_name(policy->obj, ".rodata");
	const struct btf_var_secinfo *info;
	const struct btf_type *sec, *type;
	size_t size;
	char *data;
	int i, id;

	id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	data = map ? bpf_map__initial_value(map, &size) : NULL;
	if (id < 0 || !data)
		return NULL;

	sec = btf__type_by_id(btf, id);
	for (i = 0, info = btf_var_secinfos(sec); i < btf_vlen(sec); i++, info++) {
		type = btf__type_by_id(btf, info->type);
		if (strcmp(btf__name_by_offset(btf, type->name_off), key) ||
		    btf_var(type)->linkage == BTF_VAR_STATIC)
			continue;

		type = btf__type_by_id(btf, btf__resolve_type(btf, info->type));
		if (!btf_is_int(type) || type->size > sizeof(long) ||
		    info->offset + type->size > size)
			return NULL;
		*at = data + info->offset;
		return type;
	}
	return NULL;
}

/* One word for both kinds: it is the low bytes that are stored. */
static int parse_value(const struct btf_type *type, const char *value, unsigned long *out)
{
	unsigned int unused = 64 - 8 * type->size;
	char *end;

	if (btf_int_encoding(type) & BTF_INT_BOOL && (!strcmp(value, "true") ||
						      !strcmp(value, "false"))) {
		*out = !strcmp(value, "true");
		return 0;
	}

	/* strtoul() would take white space, nothing at all, and wrap a sign. */
	if (!strchr("-0123456789", value[0]) || !value[0])
		return -EINVAL;
	errno = 0;
	if (btf_int_encoding(type) & BTF_INT_SIGNED) {
		long min = LONG_MIN >> unused, max = LONG_MAX >> unused;
		long number = strtol(value, &end, 0);

		if (errno || number < min || number > max)
			return -ERANGE;
		*out = number;
	} else {
		unsigned long max = ULONG_MAX >> unused;

		if (btf_int_encoding(type) & BTF_INT_BOOL)
			max = 1;
		*out = strtoul(value, &end, 0);
		if (errno || *out > max || (value[0] == '-' && *out))
			return -ERANGE;
	}
	return *end || end == value ? -EINVAL : 0;
}

int hcpolicy__set_param(struct hcpolicy *policy, const char *key, const char *value)
{
	const struct btf_type *type;
	unsigned long number;
	void *at;
	int err;

	err = check_opened(policy);
	if (err)
		return err;
	type = find_param(policy, key, &at);
	if (!type)
		return fail(policy, ENOENT, "it has no parameter '%s'", key);

	err = parse_value(type, value, &number);
	if (err == -ERANGE)
		return fail(policy, ERANGE, "parameter '%s': %s does not fit", key, value);
	if (err)
		return fail(policy, EINVAL, "parameter '%s': '%s' is not a number", key, value);
	memcpy(at, &number, type->size);
	return 0;
}

static int check_kernel(const struct hcpolicy *policy)
{
	__u32 id;

	switch (hcpolicy__probe()) {
	case -EOPNOTSUPP:
		return fail(policy, EOPNOTSUPP, "this kernel's kvm has no hcpolicy hook; "
			    "load the modules that have it (make modules)");
	case -ENOENT:
		return fail(policy, EOPNOTSUPP, "kvm is not loaded; modprobe kvm_amd or kvm_intel");
	}

	/* Or libbpf takes the hook for missing. */
	if (bpf_btf_get_next_id(0, &id) && errno == EPERM)
		return fail(policy, EPERM, "loading it needs CAP_SYS_ADMIN");
	return 0;
}

static int dup_map(const struct hcpolicy *policy, const char *name, int *copy)
{
	*copy = fcntl(bpf_object__find_map_fd_by_name(policy->obj, name), F_DUPFD_CLOEXEC, 3);
	return *copy < 0 ? fail(policy, errno, "%s: %s", name, strerror(errno)) : 0;
}

/* Into the kernel: the programs are verified, the maps are there. */
int load_object(struct hcpolicy *policy)
{
	int err;

	err = check_opened(policy);
	if (!err)
		err = check_kernel(policy);
	if (err)
		return err;

	libbpf_talks_to(policy);
	err = bpf_object__load(policy->obj);
	libbpf_talks_to(NULL);
	if (err == -EPERM)
		return fail(policy, EPERM, "loading it needs CAP_SYS_ADMIN");
	if (policy->verifier_said_no)
		return fail(policy, EACCES, "the verifier does not accept it: see above");
	if (err)
		return fail(policy, -err, "cannot be loaded: %s", strerror(-err));

	err = dup_map(policy, HCP_MAP_SHARED, &policy->shared_fd);
	if (!err)
		err = dup_map(policy, HCP_MAP_INFO, &policy->info_fd);
	return err ? err : ops_type_load(policy);
}

int hcpolicy__load(struct hcpolicy *policy)
{
	int err = load_object(policy);

	if (!err)
		err = maps_open(policy, true);
	policy->attachable = !err;
	return err;
}
