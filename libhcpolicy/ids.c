// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * What belongs to a link, by BPF's ids: link -> struct_ops map -> program -> its maps.
 * To open an object by its id needs CAP_SYS_ADMIN.  The kernel does not reuse an id until
 * its numbers run out.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "internal.h"
#include "set-internal.h"

void kept_close(struct kept *kept)
{
	if (kept->shared_fd >= 0)
		close(kept->shared_fd);
	if (kept->info_fd >= 0)
		close(kept->info_fd);
	kept->shared_fd = kept->info_fd = -1;
}

int kept_info(const struct kept *kept, struct hcp_info *info)
{
	struct bpf_map_info map = {};
	__u32 len = sizeof(map), key = 0;

	if (old_map(kept->info_fd)) {
		struct hcp_info_1 old;

		if (bpf_map_lookup_elem(kept->info_fd, &key, &old) || old.version != 1)
			return -ENOENT;
		old_read(&old, info);
	} else if (kept->info_fd < 0 || bpf_map_get_info_by_fd(kept->info_fd, &map, &len) ||
	    map.type != BPF_MAP_TYPE_ARRAY || map.key_size != sizeof(key) ||
	    map.value_size != sizeof(*info) || bpf_map_lookup_elem(kept->info_fd, &key, info) ||
	    info->version != HCP_INFO_VERSION)
		return -ENOENT;
	info->name[HCP_NAME_LEN - 1] = info->policy[HCP_NAME_LEN - 1] = 0;
	return 0;
}

/* The program that a struct_ops map's value names.  Its loader wrote a descriptor there. */
static int ops_program(struct hcpolicy *policy, __u32 ops_id, char name[KVM_HCPOLICY_NAME_LEN])
{
	const struct ops_type *t = &policy->type;
	int map, err, prog = -1;
	__u32 key = 0;

	map = bpf_map_get_fd_by_id(ops_id);
	if (map < 0)
		return map;
	err = ops_type_load(policy, map);
	if (!err) {
		char value[t->size];
		__u64 id;

		err = bpf_map_lookup_elem(map, &key, value);
		if (!err) {
			memcpy(&id, value + t->map_gpa_range, sizeof(id));
			memcpy(name, value + t->name, KVM_HCPOLICY_NAME_LEN);
			name[KVM_HCPOLICY_NAME_LEN - 1] = 0;
			prog = bpf_prog_get_fd_by_id(id);
		}
	}
	close(map);
	return err ? err : prog;
}

static __u32 program_id(struct hcpolicy *policy)
{
	char name[KVM_HCPOLICY_NAME_LEN];
	struct bpf_prog_info info = {};
	struct bpf_link_info link;
	__u32 len = sizeof(info);
	int prog, err;

	if (link_info(policy->link_fd, &link) || !link.struct_ops.map_id)
		return 0;
	prog = ops_program(policy, link.struct_ops.map_id, name);
	if (prog < 0)
		return 0;
	err = bpf_prog_get_info_by_fd(prog, &info, &len);
	close(prog);
	return err ? 0 : info.id;
}

uint32_t hcpolicy__id(struct hcpolicy *policy, const char *what)
{
	struct bpf_link_info link;

	if (!policy || !what)
		return 0;
	if (!strcmp(what, "link"))
		return link_info(policy->link_fd, &link) ? 0 : link.id;
	if (!strcmp(what, "program"))
		return program_id(policy);
	return object_id(hcpolicy__map_fd(policy, what));
}

int hcpolicy__program(const struct hcpolicy *policy, struct hcpolicy_program *program)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int err;

	if (!policy || !program)
		return no_object();
	err = opts_check(program, native_bytes);
	if (err || program->sz < opts_end(program, native_bytes))
		return fail(policy, EINVAL, "a program of another version of hcpolicy/policy.h");
	if (!policy->obj || bpf_program__fd(policy->prog) < 0)
		return fail(policy, ENOENT, "it is not loaded");
	if (bpf_prog_get_info_by_fd(bpf_program__fd(policy->prog), &info, &len))
		return fail(policy, errno, "its program: %s", strerror(errno));
	program->id = info.id;
	program->verified = info.verified_insns;
	program->instructions = info.xlated_prog_len / 8;
	program->native_bytes = info.jited_prog_len;
	return 0;
}

/* Find the set's maps among a program's maps.  Closes the descriptors of the others. */
static void sort_map(struct kept *kept, __u32 id)
{
	struct bpf_map_info map = {};
	__u32 len = sizeof(map);
	int fd, *to = NULL;

	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return;
	if (!bpf_map_get_info_by_fd(fd, &map, &len)) {
		if (!strcmp(map.name, HCP_MAP_SHARED))
			to = &kept->shared_fd;
		else if (!strcmp(map.name, HCP_MAP_INFO))
			to = &kept->info_fd;
	}
	if (to && *to < 0)
		*to = fd;
	else
		close(fd);
}

int ids_kept(struct hcpolicy *policy, __u32 ops_id, struct kept *kept)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info), ids[64], i;
	int prog, err;

	kept->shared_fd = kept->info_fd = -1;
	prog = ops_program(policy, ops_id, kept->policy);
	if (prog < 0)
		return prog;
	/* A program may use at most 64 maps. */
	info.map_ids = (uintptr_t)ids;
	info.nr_map_ids = sizeof(ids) / sizeof(*ids);
	err = bpf_prog_get_info_by_fd(prog, &info, &len);
	for (i = 0; !err && i < info.nr_map_ids && i < sizeof(ids) / sizeof(*ids); i++)
		sort_map(kept, ids[i]);
	close(prog);
	return err;
}

/*
 * A link has its id before it is attached, which waits for whatever else attaches and detaches.
 * Until then that id gives EAGAIN.
 */
int ids_link(__u32 id)
{
	int fd, tries;

	for (tries = 0; tries < 10000; tries++) {
		fd = bpf_link_get_fd_by_id(id);
		if (fd != -EAGAIN)
			break;
		usleep(1000);
	}
	return fd;
}

int ids_next(struct hcpolicy *policy, __u32 *id, struct kept *kept)
{
	struct bpf_link_info link;
	int fd, err;

	while (!bpf_link_get_next_id(*id, id)) {
		fd = ids_link(*id);
		if (fd == -ENOENT)
			continue;	/* it has just ended */
		if (fd < 0)
			return fd;
		err = -EOPNOTSUPP;
		if (!link_info(fd, &link) && link.struct_ops.map_id)
			err = ids_kept(policy, link.struct_ops.map_id, kept);
		if (!err)
			return fd;
		close(fd);
		/* Another kind of link, or it was just detached or replaced. */
		if (err != -EOPNOTSUPP && err != -ENOENT)
			return err;
	}
	return -errno;
}

int ids_find_link(struct hcpolicy *policy, int map_fd)
{
	__u32 map = object_id(map_fd), id = 0;
	struct kept kept;
	int fd;

	while ((fd = ids_next(policy, &id, &kept)) >= 0) {
		bool found = map == object_id(kept.shared_fd) || map == object_id(kept.info_fd);

		kept_close(&kept);
		if (found && map)
			return fd;
		close(fd);
	}
	return fd;
}

void ids_mark(__u32 link_id, const struct kept *kept)
{
	struct hcp_info copy, *info;

	/* 0: that link is still being made. */
	if (kept_info(kept, &copy) || !copy.link_id || copy.link_id == link_id)
		return;
	info = mmap(NULL, sizeof(*info), PROT_READ | PROT_WRITE, MAP_SHARED, kept->info_fd, 0);
	if (info == MAP_FAILED)
		return;
	__atomic_fetch_or(&info->state, HCP_FOREIGN, __ATOMIC_SEQ_CST);
	munmap(info, sizeof(*info));
}

int hcpolicy__mark_foreign(const struct hcpolicy_opts *opts)
{
	struct hcpolicy *policy;
	struct kept kept;
	__u32 id = 0;
	int fd;

	policy = policy_new(opts);
	if (!policy)
		return -errno;
	while ((fd = ids_next(policy, &id, &kept)) >= 0) {
		ids_mark(id, &kept);
		kept_close(&kept);
		close(fd);
	}
	if (fd == -ENOENT)
		fd = 0;
	else
		fail(policy, -fd, "links whose programs keep another's set: %s%s", strerror(-fd),
		     fd == -EPERM ? "; that needs CAP_SYS_ADMIN" : "");
	hcpolicy__close(policy);
	return fd;
}

int hcpolicy__each_attached(int (*fn)(uint32_t link_id, void *ctx), void *ctx,
			    const struct hcpolicy_opts *opts)
{
	struct hcpolicy *policy;
	struct kept kept;
	__u32 id = 0;
	int fd, err = 0;

	policy = policy_new(opts);
	if (!policy)
		return -errno;
	if (!fn)
		err = fail(policy, EINVAL, "no function to call");
	while (!err && (fd = ids_next(policy, &id, &kept)) >= 0) {
		kept_close(&kept);
		close(fd);
		err = fn(id, ctx);
	}
	if (!err && fd != -ENOENT)
		err = fail(policy, -fd, "policies by their link ids: %s%s", strerror(-fd),
			   fd == -EPERM ? "; that needs CAP_SYS_ADMIN" : "");
	hcpolicy__close(policy);
	return err;
}
