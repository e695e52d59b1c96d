// SPDX-License-Identifier: GPL-2.0
/*
 * counted: bitmap, the default policy, that also counts the requests it saw.
 *
 * Good for: knowing that a policy was at work at all.  Not good for: VMs whose
 * vCPUs convert at once, which then share the counter's cache line.
 */
#include "hcpolicy.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} requests SEC(".maps");

HCPOLICY(counted, req)
{
	__u32 key = 0;
	__u64 *seen = bpf_map_lookup_elem(&requests, &key);

	if (seen)
		__sync_fetch_and_add(seen, 1);
	hcp_book(req);
	return req->flags & KVM_HCPOLICY_MAY_HANDLE ? KVM_HCPOLICY_HANDLED :
						      KVM_HCPOLICY_DEFAULT;
}

char LICENSE[] SEC("license") = "GPL";
