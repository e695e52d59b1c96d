// SPDX-License-Identifier: GPL-2.0
/*
 * A policy as hcpolicy 0.1 compiled it: its maps, and its record of a request.  It includes nothing
 * of today's but what the hook defines.  It records at most 64 pages of a request.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "old.h"

struct kvm_hcpolicy_ops {
	__s32 vm_fd;
	__u32 flags;
	int (*map_gpa_range)(struct kvm_hcpolicy_ctx *ctx);
	char name[KVM_HCPOLICY_NAME_LEN];
} __attribute__((preserve_access_index));

struct old_chunk {
	__u64 words[OLD_CHUNK_PAGES / 64];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, OLD_CHUNKS);
	__type(key, __u32);
	__type(value, struct old_chunk);
} hcp_shared SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct old_info);
} hcp_info SEC(".maps");

static _Bool record(__u64 gfn, _Bool shared)
{
	__u64 word = gfn / 64 % (OLD_CHUNK_PAGES / 64), bit = 1ULL << gfn % 64;
	__u32 key = gfn / OLD_CHUNK_PAGES;
	struct old_chunk *chunk = bpf_map_lookup_elem(&hcp_shared, &key);

	if (!chunk)
		return 0;
	if (shared)
		__sync_fetch_and_or(&chunk->words[word], bit);
	else
		__sync_fetch_and_and(&chunk->words[word], ~bit);
	return 1;
}

SEC("struct_ops/map_gpa_range")
int old_map_gpa_range(struct kvm_hcpolicy_ctx **args)
{
	struct kvm_hcpolicy_ctx *req = args[0];
	__u64 gfn = req->gpa >> 12, n = 0;
	struct old_info *info;
	__u32 key = 0;

	for (int i = 0; i < 64 && n < req->npages && record(gfn + n, req->shared); i++)
		n++;
	info = bpf_map_lookup_elem(&hcp_info, &key);
	if (info && n < req->npages)
		__sync_fetch_and_add(&info->missed, req->npages - n);
	return KVM_HCPOLICY_HANDLED;
}

SEC(".struct_ops.link") struct kvm_hcpolicy_ops old = {
	.map_gpa_range = (void *)old_map_gpa_range,
	.name = "old",
};

char LICENSE[] SEC("license") = "GPL";
