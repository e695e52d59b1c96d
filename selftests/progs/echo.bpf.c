// SPDX-License-Identifier: GPL-2.0
/*
 * A policy that answers what the guest asks it to, so that the guest's own
 * requests decide what KVM counts: the answer to page 0x1000 + N is N.  A request
 * of n pages whose answer is RETRY is retried n times and then handled.
 */
#include "hcpolicy.bpf.h"

#define ZERO	0x1000

__u64 retries;

HCPOLICY(echo, req)
{
	int answer = (int)(req->gpa >> HCP_PAGE_SHIFT) - ZERO;

	if (answer == KVM_HCPOLICY_RETRY) {
		if (retries++ < req->npages)
			return answer;
		retries = 0;
		answer = KVM_HCPOLICY_HANDLED;
	}
	hcp_book(req);
	return answer;
}

char LICENSE[] SEC("license") = "GPL";
