// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The struct_ops map that attaches a policy: a value of the kernel's kvm_hcpolicy_ops.
 *
 * The value has the VM's descriptor and the flags, which are known only at attach.  libbpf has
 * made its map before, at load.  So that map only gives the type and is never registered.  Each
 * attach or replace makes another one, with the layout from the kernel's BTF.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <bpf/btf.h>
#include "internal.h"

#define OPS_NAME	"kvm_hcpolicy_ops"

static const struct btf_member *find_member(const struct btf *btf, const struct btf_type *type,
					    const char *name)
{
	const struct btf_member *member = btf_members(type);
	int i;

	for (i = 0; i < btf_vlen(type); i++, member++) {
		if (!strcmp(btf__name_by_offset(btf, member->name_off), name))
			return member;
	}
	return NULL;
}

/* A flavour of the type is one too: kvm_hcpolicy_ops___hcp, as hcp_vmlinux.bpf.h has it. */
static bool is_ops(const char *type)
{
	size_t len = strlen(OPS_NAME);

	return !strncmp(type, OPS_NAME, len) && (!type[len] || !strncmp(type + len, "___", 3));
}

/* What else the object sets.  vm_fd and flags are for who attaches it. */
static const char *other_member(const struct btf *btf, const struct btf_type *type,
				const char *value, size_t size)
{
	const struct btf_member *member = btf_members(type);
	int i;

	for (i = 0; i < btf_vlen(type); i++, member++) {
		const char *name = btf__name_by_offset(btf, member->name_off);
		long len = btf__resolve_size(btf, member->type);
		size_t at = member->offset / 8;

		if (!strcmp(name, "map_gpa_range") || !strcmp(name, "name"))
			continue;
		for (; len > 0 && at < size; len--) {
			if (value[at++])
				return name;
		}
	}
	return NULL;
}

/* Find in the object its one struct_ops map, and the program that the map names. */
int ops_find(struct hcpolicy *policy)
{
	const struct btf *btf = bpf_object__btf(policy->obj);
	const struct btf_member *member;
	const struct btf_type *type;
	const char *value, *other;
	struct bpf_map *map;
	size_t size;

	policy->ops = NULL;
	policy->prog = NULL;
	bpf_object__for_each_map(map, policy->obj) {
		if (bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS)
			continue;
		if (policy->ops)
			return fail(policy, EINVAL, "not a policy: it has several struct_ops maps");
		policy->ops = map;
	}
	if (!policy->ops)
		return fail(policy, EINVAL, "not a policy: it has no struct " OPS_NAME);

	type = btf__type_by_id(btf, bpf_map__btf_value_type_id(policy->ops));
	if (!is_ops(btf__name_by_offset(btf, type->name_off)))
		return fail(policy, EINVAL, "not a policy: '%s' is not a struct " OPS_NAME,
			    bpf_map__name(policy->ops));

	/* libbpf keeps the program in the place of the kernel's pointer. */
	member = find_member(btf, type, "map_gpa_range");
	value = bpf_map__initial_value(policy->ops, &size);
	other = value ? other_member(btf, type, value, size) : NULL;
	if (other)
		return fail(policy, EINVAL, "'%s' sets '%s', which this version of hcpolicy would leave out: a "
			    "policy sets only map_gpa_range and name", bpf_map__name(policy->ops), other);
	if (member && value && member->offset % 64 == 0 && member->offset / 8 + sizeof(void *) <= size)
		policy->prog = *(struct bpf_program **)(value + member->offset / 8);
	if (!policy->prog)
		return fail(policy, EINVAL, "not a policy: '%s' has no map_gpa_range",
			    bpf_map__name(policy->ops));
	return 0;
}

/* A member's offset in the value.  If its size is not ours, this is another hook. */
static int ops_member(const struct btf *btf, const struct btf_type *ops, __u32 data,
		      const char *name, __u32 size, __u32 *offset)
{
	const struct btf_member *member = find_member(btf, ops, name);

	if (!member || btf__resolve_size(btf, member->type) != size)
		return -EOPNOTSUPP;
	*offset = data + member->offset / 8;
	return 0;
}

static int ops_layout(const struct btf *btf, struct ops_type *t)
{
	const struct btf_type *value = btf__type_by_id(btf, t->id), *ops;
	const struct btf_member *data = value ? find_member(btf, value, "data") : NULL;
	__u32 at;

	if (!data || strcmp(btf__name_by_offset(btf, value->name_off), "bpf_struct_ops_" OPS_NAME))
		return -EOPNOTSUPP;
	ops = btf__type_by_id(btf, data->type);
	at = data->offset / 8;

	if (ops_member(btf, ops, at, "vm_fd", sizeof(__s32), &t->vm_fd) ||
	    ops_member(btf, ops, at, "flags", sizeof(__u32), &t->flags) ||
	    ops_member(btf, ops, at, "map_gpa_range", sizeof(void *), &t->map_gpa_range) ||
	    ops_member(btf, ops, at, "name", KVM_HCPOLICY_NAME_LEN, &t->name))
		return -EOPNOTSUPP;
	return 0;
}

/* The caller frees btf and its base. */
static struct btf *load_btf(__u32 id, const char *module, struct btf **base)
{
	*base = btf__load_vmlinux_btf();
	if (!*base || !strcmp(module, "vmlinux"))
		return *base;
	return btf__load_from_kernel_by_id_split(id, *base);
}

/*
 * Get the type of a struct_ops map from the kernel.  -EOPNOTSUPP: it is not kvm's, or this
 * library does not know its layout.  Reports nothing.
 */
int ops_type_load(struct hcpolicy *policy, int map_fd)
{
	struct bpf_map_info map = {};
	struct bpf_btf_info info = {};
	__u32 map_len = sizeof(map), info_len = sizeof(info);
	struct ops_type *t = &policy->type, type = { .btf_fd = -1 };
	struct btf *base = NULL, *btf;
	char module[64] = "";
	int fd, err;

	if (bpf_map_get_info_by_fd(map_fd, &map, &map_len))
		return -errno;
	/* One object may look at many maps. */
	if (t->size && t->btf_id == map.btf_vmlinux_id && t->id == map.btf_vmlinux_value_type_id)
		return 0;
	type.btf_id = map.btf_vmlinux_id;
	type.id = map.btf_vmlinux_value_type_id;
	type.size = map.value_size;

	fd = bpf_btf_get_fd_by_id(type.btf_id);
	if (fd < 0)
		return fd;
	info.name = (uintptr_t)module;
	info.name_len = sizeof(module);
	err = bpf_btf_get_info_by_fd(fd, &info, &info_len);
	if (!err && strcmp(module, "kvm") && strcmp(module, "vmlinux"))
		err = -EOPNOTSUPP;
	if (!err) {
		libbpf_talks_to(policy);
		btf = load_btf(type.btf_id, module, &base);
		err = btf ? ops_layout(btf, &type) : -errno;
		libbpf_talks_to(NULL);
		if (btf != base)
			btf__free(btf);
		btf__free(base);
	}
	if (err || !strcmp(module, "vmlinux"))
		close(fd);
	else
		type.btf_fd = fd;
	if (!err) {
		ops_type_close(policy);
		*t = type;
	}
	return err;
}

void ops_type_close(struct hcpolicy *policy)
{
	if (policy->type.btf_fd >= 0)
		close(policy->type.btf_fd);
	policy->type = (struct ops_type) { .btf_fd = -1 };
}

/* Make a map whose link attaches to vm_fd; -1: for a replace.  Returns its fd. */
int ops_create(struct hcpolicy *policy, int vm_fd, __u32 flags)
{
	const struct ops_type *t = &policy->type;
	unsigned long prog_fd = bpf_program__fd(policy->prog);
	LIBBPF_OPTS(bpf_map_create_opts, opts,
		.map_flags = BPF_F_LINK,
		.btf_fd = bpf_object__btf_fd(policy->obj),
		.btf_vmlinux_value_type_id = t->id,
	);
	char value[t->size];
	__u32 key = 0;
	int fd, err;

	if (t->btf_fd >= 0) {
		opts.map_flags |= BPF_F_VTYPE_BTF_OBJ_FD;
		opts.value_type_btf_obj_fd = t->btf_fd;
	}
	fd = bpf_map_create(BPF_MAP_TYPE_STRUCT_OPS, bpf_map__name(policy->ops), sizeof(key),
			    t->size, 1, &opts);
	if (fd < 0)
		return fail(policy, errno, "cannot create its struct_ops map: %s%s",
			    strerror(errno), errno == EPERM ? "; that needs CAP_SYS_ADMIN" : "");

	memset(value, 0, t->size);
	memcpy(value + t->vm_fd, &vm_fd, sizeof(__s32));
	memcpy(value + t->flags, &flags, sizeof(flags));
	memcpy(value + t->map_gpa_range, &prog_fd, sizeof(prog_fd));
	memcpy(value + t->name, policy->policy,
	       strnlen(policy->policy, KVM_HCPOLICY_NAME_LEN - 1));
	if (!bpf_map_update_elem(fd, &key, value, 0))
		return fd;

	err = errno;
	close(fd);
	return fail(policy, err, "the kernel refuses it: %s", strerror(err));
}
