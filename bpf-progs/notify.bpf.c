// SPDX-License-Identifier: GPL-2.0
/*
 * notify: bitmap, and an event for each request that changes the status of a page, or may do so
 * because the page lies beyond the set.
 *
 * Who reads them (`hcpolicy watch`, or a VMM by hcpolicy/events.h) is told of a change after the
 * set has it.  When a buffer is full an event is lost and counted, and the guest goes on; the reader
 * is told to look at the set.
 *
 * Good for: a host that maps exactly what is shared, for devices; for watching.  Not good for: a
 * guest that converts page by page with nobody reading: each change costs an event.
 */
#include "hcp_changed.bpf.h"
#include "hcp_events.bpf.h"

HCPOLICY_ABOUT(notify, "keeps the set, and tells userspace of each change");

HCPOLICY(notify, req)
{
	int verdict = req->flags & KVM_HCPOLICY_MAY_HANDLE ? KVM_HCPOLICY_HANDLED : KVM_HCPOLICY_DEFAULT;

	if (hcp_book_changed(req) || !hcp_in_set(req))
		hcp_emit(req, verdict);
	return verdict;
}

char LICENSE[] SEC("license") = "GPL";
