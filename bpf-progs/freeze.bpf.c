// SPDX-License-Identifier: GPL-2.0
/*
 * freeze: bitmap, with a switch that holds every request, for the moment in which nothing may
 * change: `hcpolicy tune NAME frozen=true`.
 *
 * A held request is made again and again by its vCPU until it is let go, here or, after a
 * migration, where the guest goes on: the instruction has not been done, so nothing is lost.
 * KVM lets such a vCPU sleep a tick after 16 times.  Where the door cannot run an instruction again
 * (SEV-ES, SEV-SNP, TDX), nothing is held: the request is booked, `passed` counts it, and from then
 * on the switch does nothing for any door of this VM.  So: frozen and passed=0 is a standstill.
 *
 * Good for: the last round of a migration of plain or SEV guests.  Not good for: a long time; the
 * guest's vCPUs make no progress, and its watchdogs notice.
 */
#include "hcpolicy.bpf.h"

HCPOLICY_ABOUT(freeze, "holds the guest's requests while it is frozen");
HCP_SETTING(_Bool, frozen, 0, 0, 1, "hold every request until this is false again");
HCP_COUNTER(held, "times that a request was held");
HCP_COUNTER(passed, "requests that could not be held");

HCPOLICY(freeze, req)
{
	/* Known before anybody asks for the standstill. */
	if (req->flags & KVM_HCPOLICY_NO_RETRY)
		__sync_fetch_and_add(&passed, 1);
	if (frozen && !passed) {
		__sync_fetch_and_add(&held, 1);
		return KVM_HCPOLICY_RETRY;
	}
	hcp_book(req);
	return req->flags & KVM_HCPOLICY_MAY_HANDLE ? KVM_HCPOLICY_HANDLED : KVM_HCPOLICY_DEFAULT;
}

char LICENSE[] SEC("license") = "GPL";
