// SPDX-License-Identifier: GPL-2.0
/*
 * bitmap: the default policy, a book of what the guest shares.
 *
 * Books every request in the set.  Where the VMM has not enabled exits, or the
 * policy was attached with TAKE_EXITS, the request ends here and the guest goes
 * on at once.  Where the VMM has, it sees every request as before.
 *
 * Good for: live migration of plain SEV guests, and for watching what a guest
 * shares.  Not good for: a guest that is to be refused something (it books all);
 * VMs whose private memory only userspace converts (SNP, TDX: the requests
 * still exit to the VMM, the book is kept).  Requests beyond the set's size are
 * answered alike and counted apart: memory there cannot be migrated by this set.
 */
#include "hcpolicy.bpf.h"

HCPOLICY_ABOUT(bitmap, "keeps the set of what the guest shares; requests end in the kernel where they may");

HCPOLICY(bitmap, req)
{
	hcp_book(req);
	return req->flags & KVM_HCPOLICY_MAY_HANDLE ? KVM_HCPOLICY_HANDLED :
						      KVM_HCPOLICY_DEFAULT;
}

char LICENSE[] SEC("license") = "GPL";
