// SPDX-License-Identifier: GPL-2.0
/* The requests of one VM, from the hook's tracepoint into a ring buffer: requests.h. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <hcpolicy/kvm.h>
#include "requests.h"

/* As much as is needed of the kernel's. */
struct bpf_link {
	__u32 id;
} __attribute__((preserve_access_index));

struct kvm_hcpolicy {
	struct bpf_link *link;
} __attribute__((preserve_access_index));

const volatile struct requests_of of = {};
struct requests_state state = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, REQUESTS_RING_SIZE);
} ring SEC(".maps");

static __always_inline __u64 read_pointer(__u64 address)
{
	__u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
	return value;
}

static __always_inline void lost(void)
{
	__sync_fetch_and_add(&state.lost, 1);
}

/*
 * ctx lies in its vCPU, which knows its VM, which knows its policy.  A policy that was detached a
 * moment ago is found no more: then its VM's address decides, and if nobody knows that yet, the
 * request may be lost.
 */
static __always_inline _Bool is_of_vm(__u64 ctx)
{
	__u64 kvm = read_pointer(ctx - of.vcpu_ctx + of.vcpu_kvm);
	struct kvm_hcpolicy *policy = (void *)read_pointer(kvm + of.kvm_policy);

	if (policy) {
		if (BPF_CORE_READ(policy, link, id) != of.link_id)
			return 0;
		state.kvm = kvm;
		return 1;
	}
	if (!state.kvm)
		lost();
	return kvm == state.kvm;
}

SEC("tp_btf/kvm_hcpolicy_verdict")
int BPF_PROG(see_request, const struct kvm_hcpolicy_ctx *req, int answer, int verdict)
{
	struct request *r;

	/* The verifier takes a tracepoint's pointer for one that may be NULL. */
	if (!req || !is_of_vm((unsigned long)req))
		return 0;
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		lost();
		return 0;
	}
	r->time = bpf_ktime_get_ns();
	r->lost = state.lost;
	r->gpa = req->gpa;
	r->npages = req->npages;
	r->attrs = req->attrs;
	r->vcpu_id = req->vcpu_id;
	r->answer = answer;
	r->verdict = verdict;
	r->flags = req->flags;
	r->source = req->source;
	r->shared = req->shared;
	bpf_ringbuf_submit(r, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
