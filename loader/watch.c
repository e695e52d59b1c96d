// SPDX-License-Identifier: GPL-2.0
/*
 * watch: prints each change of what a guest shares, from its policy's events, until the VM ends or
 * Ctrl-C.  The rule: a reader never ends with a wrong picture.  If events were lost, the whole set
 * follows.  If the policy was replaced, the whole set follows, and then the new policy's events.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <hcpolicy/events.h>
#include "loader.h"
#include "out.h"
#include "ranges.h"
#include "state.h"

struct watch {
	const char *name;
	struct hcpolicy *policy;
	struct hcpolicy_events *events;
	struct out_array array;
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = 1;
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

static void print_event(const struct hcp_event *event)
{
	uint64_t time = wall_time(event->time), gpa = event->gfn << HCP_PAGE_SHIFT;
	uint64_t npages = event->npages;
	time_t seconds = time / 1000000000;
	char clock[16], verdict[32];

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&seconds));
	printf("%s.%06u  vcpu %u  %s 0x%" PRIx64 "-0x%" PRIx64 "  %" PRIu64 " page%s, %s\n", clock,
	       (unsigned int)(time % 1000000000 / 1000), event->vcpu_id,
	       event->shared ? "shares" : "hides ", gpa, gpa + (npages << HCP_PAGE_SHIFT) - 1,
	       npages, npages == 1 ? "" : "s", verdict_words(verdict, event->verdict));
}

static void put_event(struct watch *w, const struct hcp_event *event)
{
	struct json_object *obj = json_object_new_object();
	char verdict[32], door[32];

	put_u64(obj, "time_ns", wall_time(event->time));
	put_u64(obj, "vcpu", event->vcpu_id);
	put_str(obj, "door", door_name(door, event->source));
	put_bool(obj, "shared", event->shared);
	put_u64(obj, "gfn", event->gfn);
	put_u64(obj, "npages", event->npages);
	put_str(obj, "verdict", verdict_name(verdict, event->verdict));
	out_array_item(&w->array, obj);
}

/* Print all that is shared now.  why: the reason to print it. */
static void whole_set(struct watch *w, const char *why)
{
	struct json_object *obj = json_object_new_object(), *ranges = json_object_new_array();
	struct hcp_range r = {};

	if (!out_json)
		printf("%s: all that is shared:\n", why);
	while (hcp_set__next(hcpolicy__set(w->policy), &r)) {
		if (!out_json) {
			printf("  0x%" PRIx64 "-0x%" PRIx64 "  %" PRIu64 " pages\n", r.gfn << HCP_PAGE_SHIFT,
			       ((r.gfn + r.npages) << HCP_PAGE_SHIFT) - 1, r.npages);
			continue;
		}
		json_object_array_add(ranges, range_json(&r));
	}
	put_str(obj, "set_because", why);
	json_object_object_add(obj, "ranges", ranges);
	put_state(obj, w->policy);
	if (out_json)
		out_array_item(&w->array, obj);
	else
		json_object_put(obj);
}

static void on_event(void *ctx, const struct hcp_event *event)
{
	struct watch *w = ctx;

	if (!event)
		whole_set(w, "events were lost");
	else if (out_json)
		put_event(w, event);
	else
		print_event(event);
}

static void watch_end(struct watch *w)
{
	hcpolicy__events_free(w->events);
	hcpolicy__close(w->policy);
	w->events = NULL;
	w->policy = NULL;
}

static bool watch_begin(struct watch *w, const char *why)
{
	w->policy = pins_open_alive(w->name);
	if (!w->policy)
		return false;
	w->events = hcpolicy__events_new(w->policy, on_event, w);
	if (!w->events) {
		lib_failed(w->name, "its events");
		return false;
	}
	/* After the events were opened, so that no change is in neither. */
	whole_set(w, why);
	return true;
}

static bool watch(struct watch *w)
{
	struct pollfd fds[2] = { { .events = POLLIN } };
	bool ok = watch_begin(w, "it begins");
	int err;

	while (ok && !stop) {
		fds[0].fd = hcpolicy__events_fd(w->events);
		fds[1].fd = hcpolicy__link_fd(w->policy);
		if (fflush(stdout) || ferror(stdout))
			break;
		poll(fds, 2, 1000);
		err = hcpolicy__events_consume(w->events);
		ok = err >= 0 || err == -ESTALE;
		if (fds[1].revents)
			break;	/* the VM's end, or a detach */
		if (err == -ESTALE) {
			watch_end(w);
			ok = watch_begin(w, "the policy was replaced");
		}
	}
	if (ok && !stop && !out_json)
		puts("the policy has ended, with its VM or by a detach");
	return ok;
}

int cmd_watch(const struct args *args)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct watch w = { .name = args->words[0] };
	bool ok;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (out_json)
		out_array_begin(&w.array, stdout, out_pretty);
	ok = watch(&w);
	if (out_json)
		out_array_end(&w.array);
	watch_end(&w);
	return ok ? EXIT_OK : EXIT_FAIL;
}
