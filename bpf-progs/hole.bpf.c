// SPDX-License-Identifier: GPL-2.0
/*
 * hole: bitmap, but what is not RAM is answered at once.
 *
 * Firmware shares whole MMIO holes, tens of TiB in pieces of 2 MiB: tens of millions of requests
 * that say nothing about memory.  Tell the policy where RAM ends, and requests that touch none are
 * done without the set: neither booked nor counted as beyond it.
 *
 * RAM is below low_end, and from 4 GiB on below high_end.  A request that touches RAM is booked
 * whole.
 *
 * Good for: TDX and other guests whose firmware does that; then the set needs to be no larger than
 * RAM.  Not good for: a VMM that maps devices which it wants to hear of.
 */
#include "hcpolicy.bpf.h"

HCPOLICY_ABOUT(hole, "answers at once what the guest asks for outside RAM");
HCP_PARAM(__u64, low_end, 0xc0000000, 0, 0x100000000, "where RAM below 4 GiB ends");
HCP_PARAM(__u64, high_end, 0x100000000, 0x100000000, 0xffffffffffffffff, "where RAM above 4 GiB ends");
HCP_COUNTER(ignored, "requests that touched no RAM");

#define FOUR_GIB	0x100000000ULL

HCPOLICY(hole, req)
{
	__u64 end = req->gpa + (req->npages << HCP_PAGE_SHIFT);

	if (req->gpa >= low_end && (end <= FOUR_GIB || req->gpa >= high_end)) {
		hcp_ignore(req);
		__sync_fetch_and_add(&ignored, 1);
	} else {
		hcp_book(req);
	}
	return req->flags & KVM_HCPOLICY_MAY_HANDLE ? KVM_HCPOLICY_HANDLED : KVM_HCPOLICY_DEFAULT;
}

char LICENSE[] SEC("license") = "GPL";
