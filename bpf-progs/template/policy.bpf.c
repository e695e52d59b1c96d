// SPDX-License-Identifier: GPL-2.0
/*
 * policy: what it does, what it is good for, and what not.
 *
 * KVM calls it for each request of the guest, on several vCPUs at once.  It ends each request in
 * exactly one way: hcp_book(), hcp_refuse(), hcp_lost(), hcp_ignore(), or RETRY with none of these.
 * docs/policy-guide.md has all the rules.
 */
#include "hcpolicy.bpf.h"

/* One line for `hcpolicy policies`. */
HCPOLICY_ABOUT(policy, "keeps the set of what the guest shares");

/*
 * What can be set, and what is counted: `hcpolicy policies POLICY` lists it.
 *
 *	HCP_SETTING(__u64, most_pages, 512, 1, 65536, "refuse requests for more pages");
 *	HCP_COUNTER(refused, "requests that were refused");
 */

HCPOLICY(policy, req)
{
	/*
	 * To refuse a request, return an error.  hcp_refuse() records what the guest has shared all
	 * the same:
	 *
	 *	if (req->npages > most_pages) {
	 *		__sync_fetch_and_add(&refused, 1);
	 *		return hcp_refuse(req, -EPERM);
	 *	}
	 */

	hcp_book(req);

	/* Done, if KVM accepts that here; else what KVM does without a policy. */
	return req->flags & KVM_HCPOLICY_MAY_HANDLE ? KVM_HCPOLICY_HANDLED : KVM_HCPOLICY_DEFAULT;
}

char LICENSE[] SEC("license") = "GPL";
