// SPDX-License-Identifier: GPL-2.0
/*
 * The events of one attachment, printed: watched.h.  The rule: a reader never ends with a wrong
 * picture.  So if events were lost, the whole set follows.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "fate.h"
#include "loader.h"
#include "ranges.h"
#include "state.h"
#include "watched.h"

struct json_object *watched_item(const struct watched *w)
{
	struct json_object *item = json_object_new_object();

	if (w->several && *w->name)
		put_str(item, "name", w->name);
	if (w->several)
		put_u64(item, "link_id", w->id);
	return item;
}

void watched_put(struct watched *w, struct json_object *item)
{
	if (w->array)
		out_array_item(w->array, item);
	else
		out_value(item);
}

void watched_line(const struct watched *w)
{
	if (w->several && *w->name)
		printf("%s: ", w->name);
	else if (w->several)
		printf("link %" PRIu32 ": ", w->id);
}

static const char *verdict_words(char buf[32], int verdict)
{
	snprintf(buf, 32, "refused (%d)", verdict);
	return verdict_text(verdict) ?: buf;
}

/* The time on the wall clock, by the difference that both clocks have now. */
static uint64_t wall_time(uint64_t monotonic)
{
	return monotonic + clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
}

static void print_event(const struct watched *w, const struct hcp_event *event)
{
	uint64_t time = wall_time(event->time), gpa = event->gfn << HCP_PAGE_SHIFT;
	uint64_t npages = event->npages;
	time_t seconds = time / 1000000000;
	char clock[16], verdict[32];

	watched_line(w);
	strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&seconds));
	printf("%s.%06u  vcpu %u  %s 0x%" PRIx64 "-0x%" PRIx64 "  %" PRIu64 " page%s, %s\n", clock,
	       (unsigned int)(time % 1000000000 / 1000), event->vcpu_id,
	       event->shared ? "shares" : "hides ", gpa, gpa + (npages << HCP_PAGE_SHIFT) - 1,
	       npages, npages == 1 ? "" : "s", verdict_words(verdict, event->verdict));
}

static void put_event(struct watched *w, const struct hcp_event *event)
{
	struct json_object *obj = watched_item(w);
	char verdict[32], door[32];

	put_u64(obj, "time_ns", wall_time(event->time));
	put_u64(obj, "vcpu", event->vcpu_id);
	put_str(obj, "door", door_name(door, event->source));
	put_bool(obj, "shared", event->shared);
	put_u64(obj, "gfn", event->gfn);
	put_u64(obj, "npages", event->npages);
	put_str(obj, "verdict", verdict_name(verdict, event->verdict));
	watched_put(w, obj);
}

static void print_set(const struct watched *w, const char *why)
{
	struct hcp_range r = {};

	watched_line(w);
	printf("%s: all that is shared:\n", why);
	while (hcp_set__next(hcpolicy__set(w->policy), &r)) {
		watched_line(w);
		printf("  0x%" PRIx64 "-0x%" PRIx64 "  %" PRIu64 " pages\n", r.gfn << HCP_PAGE_SHIFT,
		       ((r.gfn + r.npages) << HCP_PAGE_SHIFT) - 1, r.npages);
	}
}

static void put_set(struct watched *w, const char *why)
{
	struct json_object *obj = watched_item(w), *ranges = json_object_new_array();
	struct hcp_range r = {};

	while (hcp_set__next(hcpolicy__set(w->policy), &r))
		json_object_array_add(ranges, range_json(&r));
	put_str(obj, "set_because", why);
	json_object_object_add(obj, "ranges", ranges);
	put_state(obj, w->policy);
	watched_put(w, obj);
}

static void whole_set(struct watched *w, const char *why)
{
	if (out_json)
		put_set(w, why);
	else
		print_set(w, why);
}

static void on_event(void *ctx, const struct hcp_event *event)
{
	struct watched *w = ctx;

	if (!event)
		whole_set(w, "events were lost");
	else if (out_json)
		put_event(w, event);
	else
		print_event(w, event);
}

void watched_take(struct watched *w, struct hcpolicy *policy)
{
	w->policy = policy;
	w->info = info_copy(policy);
	/* Once the link has ended nothing tells which folder it was. */
	w->folder = counters_folder(&w->info);
}

bool watched_begin(struct watched *w, const char *why)
{
	w->events = hcpolicy__events_new(w->policy, on_event, w);
	if (!w->events)
		return false;
	/* After the events were opened, so that no change is in neither. */
	whole_set(w, why);
	return true;
}

bool watched_say_ended(struct watched *w, bool last)
{
	const struct fate *fate = fate_of(w->policy ? w->folder : -1, &w->info, last);
	struct json_object *item;

	if (!fate)
		return false;
	if (!out_json) {
		watched_line(w);
		puts(fate->text);
		return true;
	}
	item = watched_item(w);
	put_bool(item, "ended", true);
	put_str(item, "vm", fate->word);
	watched_put(w, item);
	return true;
}

void watched_end(struct watched *w)
{
	if (w->policy && w->folder >= 0)
		close(w->folder);
	hcpolicy__events_free(w->events);
	hcpolicy__close(w->policy);
	w->events = NULL;
	w->policy = NULL;
}
