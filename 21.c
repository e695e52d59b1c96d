// SPDX-License-Identifier: GPL-2.0
/*
 * below4g: refuses to share memory above a limit, and tells of each refusal.
 *
 * Good for: finding guests that share high memory.  Not good for: keeping a page private, which only
 * the guest can.
 */
#include "hcpolicy.bpf.h"
#include "hcp_events.bpf.h"

HCPOLICY_ABOUT(below4g, "refuses to share memory above a limit, and tells of it");
HCP_SETTING(__u64, limit, 0x100000000, 0, 0xffffffffffffffff, "the first address that may not be shared");
HCP_COUNTER(refused, "requests that were refused");

HCPOLICY(below4g, req)
{
	__u64 end = req->gpa + (req->npages << HCP_PAGE_SHIFT);

	hcp_book(req);
	if (req->shared && end > limit) {
		__sync_fetch_and_add(&refused, 1);
		hcp_emit(req, -EPERM);
		return -EPERM;
	}
	return req->flags & KVM_HCPOLICY_MAY_HANDLE ? KVM_HCPOLICY_HANDLED : KVM_HCPOLICY_DEFAULT;
}

char LICENSE[] SEC("license") = "GPL";
