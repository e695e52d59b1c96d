// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The events of a policy: all its ring buffers behind one descriptor, neighbours merged.
 *
 * The rule: read the buffers, then the count of lost events; the caller reads the whole set after
 * that.  If an event is lost later, the next call finds it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <hcpolicy/events.h>
#include "internal.h"

struct hcpolicy_events {
	struct hcpolicy *policy;
	struct ring *rings[HCP_EVENT_RINGS];
	int epoll_fd;
	hcpolicy_event_fn fn;
	void *ctx;
	uint64_t lost;			/* the policy's count, as far as fn was told */
	uint32_t ops_id;		/* of the policy whose rings these are; 0: it was not yet attached */
	struct hcp_event pending;	/* npages 0: none */
};

static void flush(struct hcpolicy_events *events)
{
	if (events->pending.npages)
		events->fn(events->ctx, &events->pending);
	events->pending.npages = 0;
}

static bool same_kind(const struct hcp_event *a, const struct hcp_event *b)
{
	return a->shared == b->shared && a->verdict == b->verdict && a->source == b->source &&
	       a->vcpu_id == b->vcpu_id;
}

static void take(void *ctx, const void *data, size_t size)
{
	struct hcpolicy_events *events = ctx;
	struct hcp_event *pending = &events->pending, event;

	if (size < sizeof(event))
		return;
	memcpy(&event, data, sizeof(event));
	if (pending->npages && same_kind(pending, &event) &&
	    event.gfn == pending->gfn + pending->npages) {
		pending->npages += event.npages;
	} else if (pending->npages && same_kind(pending, &event) &&
		   event.gfn + event.npages == pending->gfn) {
		pending->gfn = event.gfn;
		pending->npages += event.npages;
	} else {
		flush(events);
		*pending = event;
	}
}

static int add_ring(struct hcpolicy_events *events, int n)
{
	struct epoll_event ready = { .events = EPOLLIN };
	char name[32];
	int fd;

	snprintf(name, sizeof(name), HCP_MAP_EVENTS "%d", n);
	fd = hcpolicy__map_fd(events->policy, name);
	if (fd < 0)
		return fail(events->policy, -fd, "it sends no events: replace it by one that does, "
			    "such as notify");
	events->rings[n] = ring_open(fd);
	if (!events->rings[n] || epoll_ctl(events->epoll_fd, EPOLL_CTL_ADD, fd, &ready))
		return fail(events->policy, errno, "%s: %s", name, strerror(errno));
	return 0;
}

/* What the link has now.  hcp_info says so too, but a moment later, and not after every replace. */
static uint32_t attached_ops(const struct hcpolicy *policy)
{
	struct bpf_link_info link;

	if (policy->link_fd >= 0 && !link_info(policy->link_fd, &link) && link.struct_ops.map_id)
		return link.struct_ops.map_id;
	return __atomic_load_n(&policy->info->ops_id, __ATOMIC_ACQUIRE);
}

static int count_lost(struct hcpolicy *policy, uint64_t *lost)
{
	if (!policy->lost)
		return params_counter(policy, "events_lost", lost);
	*lost = __atomic_load_n(policy->lost, __ATOMIC_RELAXED);
	return 0;
}

struct hcpolicy_events *hcpolicy__events_new(struct hcpolicy *policy, hcpolicy_event_fn fn, void *ctx)
{
	struct hcpolicy_events *events;
	int n, err;

	if (!policy || !policy->info || !fn) {
		errno = EINVAL;
		return NULL;
	}
	events = calloc(1, sizeof(*events));
	if (!events)
		return NULL;
	events->policy = policy;
	events->fn = fn;
	events->ctx = ctx;
	events->ops_id = policy->obj ? policy->ops_id : attached_ops(policy);
	events->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	err = events->epoll_fd < 0 ? fail(policy, errno, "epoll: %s", strerror(errno)) : 0;
	for (n = 0; n < HCP_EVENT_RINGS && !err; n++)
		err = add_ring(events, n);
	if (!err)
		err = count_lost(policy, &events->lost);
	if (!err)
		return events;
	hcpolicy__events_free(events);
	errno = -err;
	return NULL;
}

void hcpolicy__events_free(struct hcpolicy_events *events)
{
	int n;

	if (!events)
		return;
	for (n = 0; n < HCP_EVENT_RINGS; n++)
		ring_close(events->rings[n]);
	if (events->epoll_fd >= 0)
		close(events->epoll_fd);
	free(events);
}

int hcpolicy__events_fd(const struct hcpolicy_events *events)
{
	return events ? events->epoll_fd : no_object();
}

/* The set is the replacement's too.  The rings are not. */
static bool replaced(struct hcpolicy_events *events)
{
	if (!events->ops_id)
		events->ops_id = events->policy->ops_id;
	return events->ops_id && attached_ops(events->policy) != events->ops_id;
}

int hcpolicy__events_consume(struct hcpolicy_events *events)
{
	bool ring_lost = false;
	int i, n = 0, err;
	uint64_t lost;

	if (!events)
		return no_object();
	for (i = 0; i < HCP_EVENT_RINGS; i++)
		n += ring_read(events->rings[i], take, events, &ring_lost);
	flush(events);
	err = count_lost(events->policy, &lost);
	if (err)
		return err;
	if (lost != events->lost || ring_lost) {
		events->lost = lost;
		events->fn(events->ctx, NULL);
	}
	return replaced(events) ? -ESTALE : n;
}
