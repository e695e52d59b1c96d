// SPDX-License-Identifier: GPL-2.0
/*
 * bitmap: the default policy.  It records every request in the set.
 *
 * If the VMM has not enabled the exit, or the policy was attached with TAKE_EXITS, it handles
 * the request, and the guest goes on at once.  Otherwise the VMM sees every request as before.
 *
 * Good for live migration of plain SEV guests, and for watching what a guest shares.  It
 * refuses nothing.  For VMs whose private memory only userspace converts (SNP, TDX), it handles
 * only repeated requests.  It records the others too, but they still go to the VMM.
 *
 * It answers requests beyond the set in the same way, and counts their pages.  Memory there
 * cannot be migrated by this set.
 */
#include "hcpolicy.bpf.h"

HCPOLICY_ABOUT(bitmap, "keeps the set of what the guest shares; requests exit to the VMM only if they must");

HCPOLICY(bitmap, req)
{
	hcp_book(req);
	return req->flags & KVM_HCPOLICY_MAY_HANDLE ? KVM_HCPOLICY_HANDLED :
						      KVM_HCPOLICY_DEFAULT;
}

char LICENSE[] SEC("license") = "GPL";
