// SPDX-License-Identifier: GPL-2.0
/* owner: has parameters and maps of its own, for tests; replaced by itself it goes on in one of them. */
#include "hcpolicy.bpf.h"

HCPOLICY_ABOUT(owner, "counts requests, and refuses those above a limit");
HCP_PARAM(__u32, step, 1, 1, 8, "what each request counts");
HCP_SETTING(__u64, limit, 100, 1, 0x10000, "pages of a request at most");

#define COUNTER(name)				\
struct {					\
	__uint(type, BPF_MAP_TYPE_ARRAY);	\
	__uint(max_entries, 1);			\
	__type(key, __u32);			\
	__type(value, __u64);			\
} name SEC(".maps")

COUNTER(handed_on) HCP_HAND_ON;
#ifdef PINNED
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, __u64);
} anew SEC(".maps");
#else
COUNTER(anew);
#endif

static __always_inline void count(void *map)
{
	__u32 key = 0;
	__u64 *n = bpf_map_lookup_elem(map, &key);

	if (n)
		__sync_fetch_and_add(n, step);
}

HCPOLICY(owner, req)
{
	count(&handed_on);
	count(&anew);
	hcp_book(req);
	return req->npages > limit ? -EPERM : KVM_HCPOLICY_HANDLED;
}

char LICENSE[] SEC("license") = "GPL";
