// SPDX-License-Identifier: GPL-2.0
/* A policy that answers what the test tells it, and tells what it saw. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "policy.h"

/* Matched with the kernel's by name and member. */
struct kvm_hcpolicy_ops {
	__s32 vm_fd;
	__u32 flags;
	int (*map_gpa_range)(struct kvm_hcpolicy_ctx *ctx);
	char name[KVM_HCPOLICY_NAME_LEN];
} __attribute__((preserve_access_index));

struct policy_state state;

SEC("struct_ops/map_gpa_range")
int BPF_PROG(map_gpa_range, struct kvm_hcpolicy_ctx *req)
{
	__u64 call = ++state.calls;

	state.gpa = req->gpa;
	state.npages = req->npages;
	state.attrs = req->attrs;
	state.shared = req->shared;
	state.flags = req->flags;
	return state.change_at && call >= state.change_at ? state.then : state.answer;
}

SEC(".struct_ops.link")
struct kvm_hcpolicy_ops policy = {
	.map_gpa_range = (void *)map_gpa_range,
	.name = "selftest",
};

char LICENSE[] SEC("license") = "GPL";
