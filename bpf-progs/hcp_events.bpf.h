/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Events for userspace: hcp_emit().  The reader is hcpolicy/events.h, and `hcpolicy watch`.
 *
 * There are eight ring buffers, and a vCPU writes to the one of its number, so that vCPUs do not
 * wait for each other's lock.  A full buffer never blocks: the event is lost, and counted, and the
 * reader learns that it has to look at the set.  Emit after the set has the change, so that it is
 * there for who looks.
 */
#ifndef HCP_EVENTS_BPF_H
#define HCP_EVENTS_BPF_H

#include "hcpolicy.bpf.h"

#define HCP_EVENT_RING(n)						\
struct {								\
	__uint(type, BPF_MAP_TYPE_RINGBUF);				\
	__uint(max_entries, HCP_EVENT_RING_SIZE);			\
} hcp_events##n SEC(".maps")

HCP_EVENT_RING(0);
HCP_EVENT_RING(1);
HCP_EVENT_RING(2);
HCP_EVENT_RING(3);
HCP_EVENT_RING(4);
HCP_EVENT_RING(5);
HCP_EVENT_RING(6);
HCP_EVENT_RING(7);

HCP_COUNTER(events_lost, "events for which there was no room");

/* Each call has to name its map, so there is no array of them. */
#define HCP_OUTPUT(n)							\
	case n:								\
		err = bpf_ringbuf_output(&hcp_events##n, event, sizeof(*event), 0);	\
		break

static __noinline void hcp_put_event(struct hcp_event *event)
{
	long err = 0;

	switch (event->vcpu_id % HCP_EVENT_RINGS) {
	HCP_OUTPUT(0);
	HCP_OUTPUT(1);
	HCP_OUTPUT(2);
	HCP_OUTPUT(3);
	HCP_OUTPUT(4);
	HCP_OUTPUT(5);
	HCP_OUTPUT(6);
	HCP_OUTPUT(7);
	}
	if (err)
		__sync_fetch_and_add(&events_lost, 1);
}

/* The request, and what the policy answers. */
static __always_inline void hcp_emit(const struct kvm_hcpolicy_ctx *ctx, int verdict)
{
	struct hcp_event event = {
		.time = bpf_ktime_get_ns(),
		.gfn = ctx->gpa >> HCP_PAGE_SHIFT,
		.npages = ctx->npages,
		.vcpu_id = ctx->vcpu_id,
		.verdict = verdict,
		.source = ctx->source,
		.shared = ctx->shared,
	};

	hcp_put_event(&event);
}

#endif /* HCP_EVENTS_BPF_H */
