// SPDX-License-Identifier: GPL-2.0
/*
 * quota: bitmap, with a ceiling on what the guest shares, and a window outside of which it may
 * share nothing.  quota.h has the rule.
 *
 * A refusal: the guest is told -KVM_EPERM (arm64: INVALID_PARAMETER); or where the VMM has enabled
 * exits, the VMM is asked, and its answer counts.  What the guest does then is its own affair.  Linux
 * under plain SEV has flipped the page already and ignores the answer, so the page is shared and the
 * set says so; Linux under SEV-SNP ends itself; on arm64 it obeys, so the set does not have the page.
 * `hcpolicy show` tells the operator: refused_requests.
 *
 * Good for: a host that has to know a bound on what a guest exposes.  Not good for: keeping a page
 * private, which only the guest can.
 */
#include "quota.h"

HCPOLICY_ABOUT(quota, "a ceiling on the pages that a guest shares, and a window for them");

HCPOLICY(quota, req)
{
	int yes = req->flags & KVM_HCPOLICY_MAY_HANDLE ? KVM_HCPOLICY_HANDLED : KVM_HCPOLICY_DEFAULT;
	__u64 ready = quota_ready();
	_Bool allowed;

	if (ready) {
		allowed = quota_book(req, ready);
	} else if (req->flags & KVM_HCPOLICY_NO_RETRY) {
		hcp_book(req);
		allowed = quota_allows_uncounted(req);
	} else {
		return KVM_HCPOLICY_RETRY;
	}
	if (allowed)
		return yes;
	return req->flags & KVM_HCPOLICY_EXIT_ENABLED ? KVM_HCPOLICY_DEFAULT : -EPERM;
}

char LICENSE[] SEC("license") = "GPL";
