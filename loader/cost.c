// SPDX-License-Identifier: GPL-2.0
/*
 * The figure is BPF's own, run_time_ns by run_cnt, and only as a ratio: both policies pay for
 * reading the clock, and for whatever this machine is.  What disturbs can only add time, so
 * short batches of both alternate, and the least of each counts.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <hcpolicy/events.h>
#include "cost.h"
#include "loader.h"
#include "out.h"
#include "trial.h"

/* Even, so that each batch ends as it began: nothing is shared.  Short, to be undisturbed. */
#define BATCH	8
#define ROUNDS	32
/* RAM for every policy; there need be none. */
#define GPA	0x4000000

static const struct {
	uint64_t npages;
	const char *text;
} sizes[COST_SIZES] = { { 1, "1 page" }, { 512, "512 pages" }, { 16384, "16,384 pages" } };

struct side {
	const char *name;
	struct hcpolicy *policy;
	struct hcpolicy_events *events;		/* NULL: it sends none */
	struct trial trial;
	struct trial_vcpu *vcpu;
	int program;
	double least;		/* ns a call, of this size; 0: none yet */
	uint64_t handled;
};

static bool failed(const struct side *s, const char *what)
{
	lib_failed(s->name, what);
	return false;
}

/* They are only taken out, as a full buffer would make the policy cheaper. */
static void on_event(void *ctx, const struct hcp_event *event)
{
}

static bool begin(struct side *s)
{
	struct hcpolicy_program program = { .sz = sizeof(program) };

	if (!trial_begin(&s->trial, false))
		return false;
	if (hcpolicy__attach(s->policy, s->trial.vm_fd, NULL))
		return failed(s, "attach");
	s->vcpu = trial_vcpu(&s->trial, 0);
	if (!s->vcpu)
		return false;
	if (!hcpolicy__program(s->policy, &program))
		s->program = bpf_prog_get_fd_by_id(program.id);
	if (s->program < 0)
		return failed(s, "its program");
	if (hcpolicy__map_fd(s->policy, HCP_MAP_EVENTS "0") < 0)
		return true;
	s->events = hcpolicy__events_new(s->policy, on_event, NULL);
	return s->events || failed(s, "its events");
}

static void end(struct side *s)
{
	hcpolicy__events_free(s->events);
	if (s->program >= 0)
		close(s->program);
	trial_end(&s->trial);
}

static bool waits(const struct side *s)
{
	err("policy '%s': --cost: it lets requests wait (RETRY), and only those that it answers at once can be "
	    "measured: set its parameters so that it does, by --param", s->name);
	return false;
}

static bool batch(struct side *s, uint64_t npages)
{
	struct bpf_prog_info before = {}, after = {};
	__u32 len = sizeof(before);
	struct trial_answer answer;
	double ns;

	if (bpf_obj_get_info_by_fd(s->program, &before, &len))
		return failed(s, "its program");
	trial_ask_in_turn(s->vcpu, GPA, npages, BATCH);
	if (!trial_go_on(s->vcpu, &answer))
		return false;
	if (s->vcpu->held)
		return waits(s);
	len = sizeof(after);
	if (bpf_obj_get_info_by_fd(s->program, &after, &len))
		return failed(s, "its program");
	if (s->events && hcpolicy__events_consume(s->events) < 0)
		return failed(s, "its events");
	/* A call that ends in RETRY is not what a request costs. */
	if (after.run_cnt - before.run_cnt != BATCH)
		return true;
	ns = (double)(after.run_time_ns - before.run_time_ns) / BATCH;
	if (!s->least || ns < s->least)
		s->least = ns;
	s->handled = answer.handled;
	return true;
}

static bool measure(struct cost *cost, struct side *bitmap, struct side *other)
{
	for (int i = 0; i < COST_SIZES; i++) {
		bitmap->least = other->least = 0;
		for (int round = 0; round < ROUNDS; round++) {
			struct side *first = round % 2 ? other : bitmap, *second = round % 2 ? bitmap : other;

			if (!batch(first, sizes[i].npages) || !batch(second, sizes[i].npages))
				return false;
		}
		if (!bitmap->least || !other->least)
			return waits(other->least ? bitmap : other);
		cost->times_bitmap[i] = other->least / bitmap->least;
		cost->handled[i] = other->handled;
	}
	return true;
}

static bool open_bitmap(struct side *bitmap)
{
	const struct args none = {};

	bitmap->policy = open_policy(bitmap->name, &none);
	if (!bitmap->policy) {
		err("--cost compares with the policy '%s', and needs it too", bitmap->name);
		return false;
	}
	return !hcpolicy__load(bitmap->policy) || failed(bitmap, "load");
}

bool cost_measure(struct cost *cost, struct hcpolicy *policy, const char *name)
{
	struct side bitmap = { .name = "bitmap", .program = -1, .trial = { .kvm_fd = -1, .vm_fd = -1 } };
	struct side other = bitmap;
	int stats = -1;
	bool ok = false;

	other.name = name;
	other.policy = policy;
	if (open_bitmap(&bitmap) && begin(&bitmap) && begin(&other)) {
		stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
		ok = stats >= 0 ? measure(cost, &bitmap, &other) : failed(&other, "BPF_ENABLE_STATS");
	}
	if (stats >= 0)
		close(stats);
	end(&other);
	end(&bitmap);
	hcpolicy__close(bitmap.policy);
	return ok;
}

void cost_print(const struct cost *cost)
{
	puts("cost       the time of a call as BPF counts it, as a multiple of bitmap's in the same run: the\n"
	     "           least of short batches of both in turn (`make bench` counts instructions)");
	for (int i = 0; i < COST_SIZES; i++) {
		printf("           %s %.1f times bitmap", sizes[i].text, cost->times_bitmap[i]);
		if (cost->handled[i] != BATCH)
			printf("; of %d requests it handled %" PRIu64, BATCH, cost->handled[i]);
		putchar('\n');
	}
}

void cost_put(struct json_object *obj, const struct cost *cost)
{
	struct json_object *all = json_object_new_array(), *one;
	char times[32];

	for (int i = 0; i < COST_SIZES; i++) {
		one = json_object_new_object();
		snprintf(times, sizeof(times), "%.2f", cost->times_bitmap[i]);
		put_u64(one, "npages", sizes[i].npages);
		json_object_object_add(one, "times_bitmap", json_object_new_double_s(cost->times_bitmap[i], times));
		put_u64(one, "requests", BATCH);
		put_u64(one, "handled", cost->handled[i]);
		json_object_array_add(all, one);
	}
	json_object_object_add(obj, "cost", all);
}
