// SPDX-License-Identifier: GPL-2.0
/*
 * bitmap, but what the guest asks for from 64 MiB on it does not book: a set that has missed
 * requests for pages of its own.  (What is beyond the set is no such thing.)
 */
#include "hcpolicy.bpf.h"

HCPOLICY(loses, req)
{
	if (req->gpa >> 26)
		hcp_lost(req);
	else
		hcp_book(req);
	return req->flags & KVM_HCPOLICY_MAY_HANDLE ? KVM_HCPOLICY_HANDLED :
						      KVM_HCPOLICY_DEFAULT;
}

char LICENSE[] SEC("license") = "GPL";
