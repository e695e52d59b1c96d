// SPDX-License-Identifier: GPL-2.0
/*
 * A policy that does what the test tells it, and tells what it saw.  in_call
 * is written first and last: while it is not zero the program is running.
 */
#include "hcpolicy.bpf.h"
#include "state.h"

struct policy_state state;

struct spin {
	__u64 end;
};

static long spin_turn(__u32 i, struct spin *spin)
{
	return bpf_ktime_get_ns() >= spin->end;
}

static void spin_for(__u64 ns)
{
	struct spin spin = { .end = bpf_ktime_get_ns() + ns };

	bpf_loop(1 << 23, spin_turn, &spin, 0);
}

static void count_vcpu(__u64 id)
{
	asm volatile("" : "+r"(id));	/* check and use the same register */
	if (id < STATE_VCPUS)
		__sync_fetch_and_add(&state.by_vcpu[id], 1);
}

HCPOLICY(obey, req)
{
	__u64 call;
	int answer;

	__sync_fetch_and_add(&state.in_call, 1);
	call = __sync_fetch_and_add(&state.calls, 1) + 1;

	__sync_fetch_and_add(&state.pages, req->npages);
	count_vcpu(req->vcpu_id);
	if (req->npages > state.most_pages)
		state.most_pages = req->npages;
	state.gpa = req->gpa;
	state.npages = req->npages;
	state.attrs = req->attrs;
	state.vcpu_id = req->vcpu_id;
	state.source = req->source;
	state.shared = req->shared;
	state.flags = req->flags;

	if (state.book)
		hcp_book(req);
	if (state.spin_ns)
		spin_for(state.spin_ns);
	answer = state.change_at && call >= state.change_at ? state.then : state.answer;

	__sync_fetch_and_sub(&state.in_call, 1);
	return answer;
}

char LICENSE[] SEC("license") = "GPL";
