// SPDX-License-Identifier: GPL-2.0
/*
 * A policy that uses, in each call, a map of each kind that wants something of whoever
 * calls it: a section of RCU, and that the program neither migrates nor is preempted.
 * The guest shares each page, hides it, and so on, and vCPUs have pages of their own.
 */
#include "hcpolicy.bpf.h"
#include "state.h"

#define PAGES	1024

struct policy_state state;

/* The pages that are shared; its elements are allocated in the call. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PAGES);
	__type(key, __u64);
	__type(value, __u64);
} shared_pages SEC(".maps");

/* Too small for all of them: elements have to go. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PAGES / 4);
	__type(key, __u64);
	__type(value, __u64);
} recent_pages SEC(".maps");

/* Counted without atomic instructions. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} calls_by_cpu SEC(".maps");

struct prefix {
	__u32 bits;
	__u64 gfn;
} __attribute__((packed));

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PAGES);
	__type(key, struct prefix);
	__type(value, __u64);
} prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} events SEC(".maps");

HCPOLICY(maps, req)
{
	__u64 gfn = req->gpa >> HCP_PAGE_SHIFT, *value;
	struct prefix prefix = { .bits = 64, .gfn = gfn };
	__u32 zero = 0;
	long err;

	__sync_fetch_and_add(&state.calls, 1);

	if (req->shared) {
		err = bpf_map_update_elem(&shared_pages, &gfn, &gfn, BPF_NOEXIST) |
		      bpf_map_update_elem(&prefixes, &prefix, &gfn, BPF_NOEXIST);
	} else {
		value = bpf_map_lookup_elem(&shared_pages, &gfn);
		err = !value || *value != gfn;
		value = bpf_map_lookup_elem(&prefixes, &prefix);
		err |= !value || *value != gfn;
		err |= bpf_map_delete_elem(&shared_pages, &gfn) |
		       bpf_map_delete_elem(&prefixes, &prefix);
	}
	err |= bpf_map_update_elem(&recent_pages, &gfn, &gfn, BPF_ANY);

	value = bpf_map_lookup_elem(&calls_by_cpu, &zero);
	if (value)
		++*(volatile __u64 *)value;
	if (err)
		__sync_fetch_and_add(&state.failed, 1);

	/* Nobody reads them: soon there is no room. */
	if (bpf_ringbuf_output(&events, &gfn, sizeof(gfn), 0))
		__sync_fetch_and_add(&state.lost, 1);
	return KVM_HCPOLICY_HANDLED;
}

char LICENSE[] SEC("license") = "GPL";
