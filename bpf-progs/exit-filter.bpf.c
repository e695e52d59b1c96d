// SPDX-License-Identifier: GPL-2.0
/*
 * exit-filter: keeps the set, and exits only for what the VMM wants to see: a direction, a least
 * size, a window of addresses.  A request that changes nothing never exits.  (Beyond the set nobody
 * knows, so there each may.)
 *
 * The VMM has to enable the exits, and attach with TAKE_EXITS, as it is this policy then which
 * answers most of them.  VMs whose private memory only userspace converts still exit for each
 * conversion; a repeat of one does not.
 *
 * Good for: a VMM that acts on some requests, for instance on large ones.  Not good for: a VMM that
 * keeps an own account of all pages by the exits.
 */
#include "hcp_changed.bpf.h"

HCPOLICY_ABOUT(exit_filter, "exits to the VMM only for the requests that it asked for");
HCP_SETTING(_Bool, on_share, 1, 0, 1, "exit when the guest shares pages");
HCP_SETTING(_Bool, on_hide, 1, 0, 1, "exit when it hides pages");
HCP_SETTING(__u64, least_pages, 1, 1, 0xffffffffffffffff, "only for so many pages at least");
HCP_SETTING(__u64, window_start, 0, 0, 0xffffffffffffffff, "only from this address on");
HCP_SETTING(__u64, window_end, 0xffffffffffffffff, 0, 0xffffffffffffffff, "and below this one");

static __always_inline _Bool wanted(const struct kvm_hcpolicy_ctx *req)
{
	__u64 end = req->gpa + (req->npages << HCP_PAGE_SHIFT);

	return (req->shared ? on_share : on_hide) && req->npages >= least_pages &&
	       req->gpa < window_end && end > window_start;
}

HCPOLICY(exit_filter, req)
{
	_Bool changed = hcp_book_changed(req) || !hcp_in_set(req);

	if (!(req->flags & KVM_HCPOLICY_MAY_HANDLE))
		return KVM_HCPOLICY_DEFAULT;
	/* Where no exit is enabled, DEFAULT would be a refusal. */
	return changed && req->flags & KVM_HCPOLICY_EXIT_ENABLED && wanted(req) ? KVM_HCPOLICY_DEFAULT :
										  KVM_HCPOLICY_HANDLED;
}

char LICENSE[] SEC("license") = "GPL";
