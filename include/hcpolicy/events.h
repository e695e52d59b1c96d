/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * The events of a policy that sends some (hcp_emit() in hcp_events.bpf.h), as they come.
 *
 * An event is a hint where to look: two vCPUs' events may come in either order, and some may be
 * lost.  The set is the truth, and has the change before the event is sent.  So who keeps a map of
 * what is shared looks at the set again for the range of each event, and at all of it when fn is
 * called without one.
 */
#ifndef HCPOLICY_EVENTS_H
#define HCPOLICY_EVENTS_H

#include <hcpolicy/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hcpolicy_events;

/*
 * Neighbouring events of one kind are given as one, with the time of the first.  event is NULL when
 * some were lost since the last call: look at the whole set.
 */
typedef void (*hcpolicy_event_fn)(void *ctx, const struct hcp_event *event);

/*
 * Begin to read the events of a policy.  It is loaded or pinned, and is to be closed after
 * this.  One reader a policy: what one has read another does not get.  A replacement has its own
 * events: see events_consume.  NULL and ENOENT: it sends none; EINVAL: it is not loaded; EPERM.
 */
struct hcpolicy_events *hcpolicy__events_new(struct hcpolicy *policy, hcpolicy_event_fn fn, void *ctx);

/* End to read the events.  The policy stays open.  NULL does nothing. */
void hcpolicy__events_free(struct hcpolicy_events *events);

/* A descriptor that is readable when there are events, for poll and epoll.  Owned by events. */
int hcpolicy__events_fd(const struct hcpolicy_events *events);

/*
 * Call fn with all events that there are, in this thread.  Returns how many were read, or a
 * negative errno.  Call it once a second too, readable or not: an event that is lost when no other
 * follows wakes nobody.
 *
 * -ESTALE: these were the last, because the policy was replaced, which wakes nobody either.  Open
 * the policy and its events again, and look at the whole set.
 */
int hcpolicy__events_consume(struct hcpolicy_events *events);

#ifdef __cplusplus
}
#endif
#endif /* HCPOLICY_EVENTS_H */
