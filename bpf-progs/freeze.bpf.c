// SPDX-License-Identifier: GPL-2.0
/*
 * freeze: bitmap, with a switch that holds every request, for a time in which nothing may change:
 * `hcpolicy tune NAME frozen=true`.
 *
 * A held request is made again and again by its vCPU until it is let go: here, or after a
 * migration where the guest goes on.  Nothing is lost on the way, because the instruction has
 * not been done: it travels in the vCPU's registers.  After 16 times in a row KVM lets such a vCPU
 * sleep a tick each time.  The target's switch is its own: `hcvm --incoming --policy freeze --param
 * frozen=true` holds the requests there, too.
 *
 * Where the door cannot run an instruction again (SEV-ES, SEV-SNP, TDX), nothing can be held.  A
 * policy is not told of what kind its VM is, and learns it from the first request: it books that,
 * counts it in `passed`, and turns the switch off.  So while `frozen` reads true, no request that
 * came after the switch was booked; and where passed is not 0 there is no use in arming.
 * A request that the policy had begun before may still be booked for a moment.
 *
 * Good for: a migration of plain or SEV guests, as from then on no status changes.  Not good for: a
 * long time.  The guest's vCPUs make no progress, and its watchdogs notice.
 */
#include "hcpolicy.bpf.h"

HCPOLICY_ABOUT(freeze, "holds the guest's requests while it is frozen");
HCP_SETTING(_Bool, frozen, 0, 0, 1, "hold every request until this is false again");
HCP_COUNTER(held, "times that a request was held");
HCP_COUNTER(passed, "requests that cannot be held");

HCPOLICY(freeze, req)
{
	if (req->flags & KVM_HCPOLICY_NO_RETRY) {
		__sync_fetch_and_add(&passed, 1);
		frozen = 0;	/* somebody may set it again at once */
	} else if (frozen) {
		__sync_fetch_and_add(&held, 1);
		return KVM_HCPOLICY_RETRY;
	}
	hcp_book(req);
	return req->flags & KVM_HCPOLICY_MAY_HANDLE ? KVM_HCPOLICY_HANDLED : KVM_HCPOLICY_DEFAULT;
}

char LICENSE[] SEC("license") = "GPL";
