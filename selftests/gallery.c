// SPDX-License-Identifier: GPL-2.0
/* What each policy of bpf-progs/ promises, on the real hook, with requests of two vCPUs. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include <hcpolicy/events.h>
#include <hcpolicy/stream.h>

#include "hcp.h"
#include "tap.h"
#include "vm.h"

#define GPA	0x100000ULL
#define MAX_GPA	(1ULL << 30)

#define REFUSED	as_seen(-KVM_EPERM)
/* What a refused page adds to the set: a guest that does not obey has shared it. */
#define REFUSED_PAGE	(VM_OBEYS ? 0 : 1)

static struct vm *vm;
static struct hcpolicy *policy;
static struct hcp_set *set;

static void start(const char *file, bool exits, const char *const params[])
{
	vm = vm_new(2, exits);
	policy = hcp_attach(vm, file, MAX_GPA, exits, params);
	set = hcpolicy__set(policy);
}

static void tune(const char *key, const char *value)
{
	CHECK_EQ(hcpolicy__set_param(policy, key, value), 0);
}

static long call(int vcpu, uint64_t gpa, uint64_t npages, uint64_t attrs)
{
	return vcpu_call(&vm->vcpus[vcpu], gpa, npages, attrs);
}

/* --- quota */

TEST(quota_grants_exactly_up_to_its_ceiling)
{
	start("bpf/quota.bpf.o", false, HCP_PARAMS("ceiling", "10"));
	CHECK_EQ(call(0, GPA, 6, SHARE), 0);
	CHECK_EQ(call(1, GPA + 6 * PAGE, 4, SHARE), 0);
	CHECK_EQ(call(0, GPA + 10 * PAGE, 1, SHARE), REFUSED);
	CHECK_EQ(hcp_number(policy, "shared_pages"), 10 + REFUSED_PAGE);
	CHECK_EQ(hcp_number(policy, "refused_requests"), 1);
	CHECK_EQ(hcp_number(policy, "refused_pages"), 1);
	CHECK_EQ(hcp_set__count(set), 10 + REFUSED_PAGE);
	CHECK(hcp_set__complete(set));
}

TEST(quota_counts_a_page_once_and_takes_it_back)
{
	start("bpf/quota.bpf.o", false, HCP_PARAMS("ceiling", "10"));
	CHECK_EQ(call(0, GPA, 10, SHARE), 0);
	CHECK_EQ(call(1, GPA, 10, SHARE), 0);
	CHECK_EQ(call(1, GPA + 8 * PAGE, 3, SHARE), REFUSED);
	/* Whatever was refused, 9 are left. */
	CHECK_EQ(call(0, GPA, 1 + REFUSED_PAGE, HIDE), 0);
	CHECK_EQ(call(0, GPA, 1 + REFUSED_PAGE, HIDE), 0);
	CHECK_EQ(hcp_number(policy, "shared_pages"), 9);
	CHECK_EQ(call(1, GPA + 20 * PAGE, 1, SHARE), 0);
	CHECK_EQ(call(1, GPA + 21 * PAGE, 1, SHARE), REFUSED);
	tune("ceiling", "12");
	CHECK_EQ(call(1, GPA + 22 * PAGE, 1, SHARE), 0);
	CHECK_EQ(hcp_number(policy, "shared_pages"), hcp_set__count(set));
}

TEST(quota_refuses_what_is_not_in_its_window)
{
	start("bpf/quota.bpf.o", false,
	      HCP_PARAMS("window_start", "0x100000", "window_end", "0x200000"));
	CHECK_EQ(call(0, 0xff000, 1, SHARE), REFUSED);
	CHECK_EQ(call(0, 0xff000, 2, SHARE), REFUSED);
	CHECK_EQ(call(0, 0x100000, 256, SHARE), 0);
	CHECK_EQ(call(1, 0x1ff000, 2, SHARE), REFUSED);
	CHECK_EQ(call(1, 0x200000, 1, SHARE), REFUSED);
	CHECK_EQ(call(1, 0x200000, 1, HIDE), 0);
}

TEST(quota_refuses_what_it_cannot_count)
{
	start("bpf/quota.bpf.o", false, NULL);
	CHECK_EQ(call(0, MAX_GPA, 1, SHARE), REFUSED);
	CHECK_EQ(call(0, MAX_GPA - PAGE, 2, SHARE), REFUSED);
	CHECK_EQ(call(1, MAX_GPA - PAGE, 1, SHARE), 0);
	CHECK_EQ(call(1, MAX_GPA - 4 * PAGE, 4, SHARE), 0);
	CHECK_EQ(call(1, MAX_GPA, 1, HIDE), 0);
	CHECK_EQ(hcp_number(policy, "shared_pages"), 4);
	CHECK_EQ(hcp_set__beyond(set), 1 + 2 * REFUSED_PAGE);
}

TEST(quota_asks_the_VMM_where_it_has_enabled_exits)
{
	start("bpf/quota.bpf.o", true, HCP_PARAMS("ceiling", "1"));
	CHECK_EQ(call(0, GPA, 1, SHARE), 0);
	CHECK_EQ(vm->vcpus[0].exits, 0);
	CHECK_EQ(call(0, GPA + PAGE, 1, SHARE), 0);
	CHECK_EQ(vm->vcpus[0].exits, 1);
	CHECK_EQ(hcp_number(policy, "refused_requests"), 1);
}

TEST(quota_counts_anew_after_a_reset_a_restore_and_a_replace)
{
	struct hcpolicy *before;
	size_t len;
	void *buf;

	start("bpf/bitmap.bpf.o", false, NULL);
	CHECK_EQ(call(0, GPA, 100, SHARE), 0);
	CHECK_EQ(call(0, MAX_GPA - PAGE, 1, SHARE), 0);
	CHECK_EQ(hcp_set__save_mem(set, &buf, &len, NULL), 0);
	before = policy;
	policy = hcp_open("bpf/quota.bpf.o");
	tune("ceiling", "102");
	CHECK_EQ(hcpolicy__replace(before, policy, false), 0);
	hcpolicy__close(before);
	set = hcpolicy__set(policy);
	CHECK_EQ(call(0, GPA + 100 * PAGE, 1, SHARE), 0);
	CHECK_EQ(call(1, GPA + 101 * PAGE, 1, SHARE), REFUSED);
	CHECK_EQ(hcp_number(policy, "shared_pages"), 102 + REFUSED_PAGE);

	hcp_set__reset(set);
	CHECK_EQ(call(1, GPA, 102, SHARE), 0);
	CHECK_EQ(call(1, GPA + 102 * PAGE, 1, SHARE), REFUSED);
	CHECK_EQ(hcp_number(policy, "shared_pages"), 102 + REFUSED_PAGE);

	CHECK_EQ(hcp_set__restore_mem(set, buf, len, NULL), 0);
	free(buf);
	CHECK_EQ(call(1, GPA + 100 * PAGE, 1, SHARE), 0);
	CHECK_EQ(call(0, GPA + 101 * PAGE, 1, SHARE), REFUSED);
	CHECK_EQ(hcp_number(policy, "shared_pages"), 102 + REFUSED_PAGE);
}

/*
 * --- requests of two vCPUs at once
 *
 * In batches, as the two meet within a few instructions of a program only if many requests follow
 * each other closely.
 */

struct worker {
	pthread_t thread;
	int vcpu;
	unsigned int seed, n;
	struct hcg_request reqs[VM_BATCH_MAX];
};

static void *convert(void *arg)
{
	struct worker *w = arg;
	unsigned int i, first, n;

	for (i = 0; i < w->n; i++) {
		first = rand_r(&w->seed) % 300;
		n = up_to(1 + rand_r(&w->seed) % 200);
		w->reqs[i] = hc_request(GPA + first * PAGE, n, rand_r(&w->seed) & 1 ? SHARE : HIDE, 0);
	}
	vcpu_batch(&vm->vcpus[w->vcpu], w->reqs, w->n);
	return NULL;
}

/* Every other page is one vCPU's, so both are in each word, and it is known what must be. */
static bool model[2][200];

static void *convert_own(void *arg)
{
	struct worker *w = arg;
	unsigned int i, page;

	for (i = 0; i < w->n; i++) {
		page = rand_r(&w->seed) % 200;
		model[w->vcpu][page] = rand_r(&w->seed) & 1;
		w->reqs[i] = hc_request(GPA + (2 * page + w->vcpu) * PAGE, 1,
					model[w->vcpu][page] ? SHARE : HIDE, 0);
	}
	vcpu_batch(&vm->vcpus[w->vcpu], w->reqs, w->n);
	CHECK_EQ(vm->vcpus[w->vcpu].mbox->failed, 0);
	return NULL;
}

/* n requests of each vCPU, in threads of their own. */
static void at_once(void *(*fn)(void *), unsigned int n)
{
	static struct worker w[2];
	int i;

	for (i = 0; i < 2; i++) {
		w[i].vcpu = i;
		w[i].seed = i + 1;
		w[i].n = n;
		CHECK_EQ(pthread_create(&w[i].thread, NULL, fn, &w[i]), 0);
	}
	for (i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(w[i].thread, NULL), 0);
}

static void check_own_pages_at_once(unsigned int n)
{
	int i;

	at_once(convert_own, n);
	for (i = 0; i < 400; i++)
		CHECK_EQ(hcp_set__test(set, GPA / PAGE + i), model[i & 1][i / 2]);
	CHECK(hcp_set__complete(set));
}

TEST(quota_s_count_is_exact_after_two_vCPUs_at_once)
{
	/* One page at a time, half of the 300 are shared in the long run. */
	start("bpf/quota.bpf.o", false, HCP_PARAMS("ceiling", VM_REQUEST_PAGES == 1 ? "100" : "250"));
	at_once(convert, VM_BATCH_MAX);
	CHECK_EQ(hcp_number(policy, "shared_pages"), hcp_set__count(set));
	CHECK(hcp_number(policy, "refused_requests"));
	CHECK(hcp_set__complete(set));
}

/* --- hcp_refuse(), as progs/refuse.bpf.c calls it */

TEST(a_refused_request_is_in_the_set_if_the_guest_has_converted_its_page_anyway)
{
	start("selftests/refuse.bpf.o", false, HCP_PARAMS("refuse", "true"));
	CHECK_EQ(call(0, GPA, 1, SHARE), REFUSED);
	CHECK_EQ(hcp_set__count(set), REFUSED_PAGE);
	tune("refuse", "false");
	CHECK_EQ(call(0, GPA, 1, SHARE), 0);
	tune("refuse", "true");
	CHECK_EQ(call(0, GPA, 1, HIDE), REFUSED);
	CHECK_EQ(hcp_set__count(set), 1 - REFUSED_PAGE);
	CHECK(hcp_set__complete(set));
}

/* --- exit-filter */

TEST(exit_filter_exits_only_for_what_was_asked)
{
	struct vcpu *v;

	NEEDS_RANGES();
	start("bpf/exit-filter.bpf.o", true, HCP_PARAMS("on_hide", "false", "least_pages", "8"));
	v = &vm->vcpus[0];
	CHECK_EQ(call(0, GPA, 7, SHARE), 0);
	CHECK_EQ(v->exits, 0);
	CHECK_EQ(call(0, GPA, 8, SHARE), 0);
	CHECK_EQ(v->exits, 1);
	CHECK_EQ(call(0, GPA, 8, HIDE), 0);
	CHECK_EQ(v->exits, 1);
	tune("on_hide", "true");
	CHECK_EQ(call(0, GPA + 0x100000, 8, HIDE), 0);	/* changes nothing */
	CHECK_EQ(v->exits, 1);
	CHECK_EQ(call(0, GPA, 8, SHARE), 0);
	CHECK_EQ(v->exits, 2);
	CHECK_EQ(call(0, GPA, 8, HIDE), 0);
	CHECK_EQ(v->exits, 3);
	tune("window_start", "0x200000");
	CHECK_EQ(call(0, GPA, 8, SHARE), 0);
	CHECK_EQ(v->exits, 3);
	CHECK_EQ(hcp_set__count(set), 8);
	CHECK(hcp_set__complete(set));
}

TEST(exit_filter_refuses_nothing_where_the_VMM_has_enabled_no_exits)
{
	start("bpf/exit-filter.bpf.o", false, NULL);
	CHECK_EQ(call(0, GPA, 8, SHARE), 0);
	CHECK_EQ(hcp_set__count(set), 8);
}

TEST(exit_filter_exits_for_what_the_set_cannot_tell)
{
	start("bpf/exit-filter.bpf.o", true, NULL);
	CHECK_EQ(call(0, MAX_GPA, 1, SHARE), 0);
	CHECK_EQ(call(0, MAX_GPA, 1, SHARE), 0);
	CHECK_EQ(vm->vcpus[0].exits, 2);
}

TEST(exit_filter_s_set_is_right_after_two_vCPUs_at_once)
{
	start("bpf/exit-filter.bpf.o", true, NULL);
	check_own_pages_at_once(10000);
	CHECK(vm->vcpus[0].exits && vm->vcpus[1].exits);
}

/* --- throttle */

TEST(throttle_makes_who_asks_too_often_wait_and_loses_nothing)
{
	start("bpf/throttle.bpf.o", false, HCP_PARAMS("rate", "100", "burst", "2"));
	check_own_pages_at_once(400);
	CHECK(hcp_number(policy, "waited"));
	CHECK_EQ(hcp_number(policy, "over"), 0);
}

TEST(throttle_lets_a_burst_pass)
{
	start("bpf/throttle.bpf.o", false, HCP_PARAMS("rate", "1", "burst", "1000"));
	at_once(convert, 400);
	CHECK_EQ(hcp_number(policy, "waited"), 0);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* What the storm costs is counted where it does not depend on the emulator: bench/cost.c. */
TEST(throttle_answers_a_storm_of_two_vCPUs_at_its_rate)
{
	const struct hcg_request reqs[] = {
		hc_request(GPA, 1, SHARE, 0), hc_request(GPA, 1, HIDE, 0),
	};
	uint64_t took, done = 0, vain = 0;
	struct vcpu_stats stats;
	int i;

	start("bpf/throttle.bpf.o", false, HCP_PARAMS("rate", "200", "burst", "10"));
	took = now_ns();
	for (i = 0; i < 2; i++)
		vcpu_loop(&vm->vcpus[i], reqs, 2);
	usleep(3000000);
	for (i = 0; i < 2; i++)
		vcpu_stop(&vm->vcpus[i]);
	took = now_ns() - took;
	for (i = 0; i < 2; i++) {
		stats = vcpu_stats(&vm->vcpus[i]);
		done += stats.handled;
		vain += stats.retry;
	}
	tap_note("in %llu ms %llu requests were answered, and the policy was asked %llu times in vain",
		 (unsigned long long)took / 1000000, (unsigned long long)done, (unsigned long long)vain);
	CHECK_CMP(done, >, 10);
	CHECK_CMP(done, <=, 10 + took * 200 / 1000000000 + 1);
	CHECK_EQ(vain, hcp_number(policy, "waited"));
}

/* --- freeze */

static void *share_one(void *arg)
{
	return (void *)call(0, GPA, 1, SHARE);
}

TEST(freeze_holds_a_request_until_it_is_let_go)
{
	pthread_t thread;
	void *ret;

	start("bpf/freeze.bpf.o", false, NULL);
	CHECK_EQ(call(1, GPA + PAGE, 1, SHARE), 0);
	tune("frozen", "true");
	CHECK_EQ(pthread_create(&thread, NULL, share_one, NULL), 0);
	WAIT_UNTIL(hcp_number(policy, "held") > 3);
	CHECK_EQ(hcp_set__count(set), 1);
	tune("frozen", "false");
	CHECK_EQ(pthread_join(thread, &ret), 0);
	CHECK(!ret);
	CHECK_EQ(hcp_set__count(set), 2);
	CHECK_EQ(hcp_number(policy, "passed"), 0);
	CHECK(hcp_set__complete(set));
}

/* --- notify */

/* What the events say, gfn by gfn: looked up in the set when one comes. */
static bool told[1024];
static unsigned int nevents, nlost;

static void look(uint64_t gfn, uint64_t npages)
{
	for (; npages--; gfn++) {
		if (gfn < 1024)
			told[gfn] = hcp_set__test(set, gfn);
	}
}

static void on_event(void *ctx, const struct hcp_event *event)
{
	nevents++;
	nlost += !event;
	if (event)
		look(event->gfn, event->npages);
	else
		look(0, 1024);
}

static bool told_right(void)
{
	unsigned int gfn = 0;

	while (gfn < 1024 && told[gfn] == hcp_set__test(set, gfn))
		gfn++;
	return gfn == 1024;
}

TEST(notify_tells_of_each_change_and_of_nothing_else)
{
	struct hcpolicy_events *events;

	start("bpf/notify.bpf.o", false, NULL);
	events = hcpolicy__events_new(policy, on_event, NULL);
	CHECK(events && hcpolicy__events_fd(events) >= 0);
	CHECK_EQ(hcpolicy__events_consume(events), 0);
	CHECK_EQ(call(0, GPA, 4, SHARE), 0);
	CHECK_EQ(call(0, GPA, 4, SHARE), 0);
	CHECK_EQ(call(0, GPA + 4 * PAGE, 4, SHARE), 0);
	CHECK_EQ(call(1, GPA, 1, HIDE), 0);
	/* 4 pages, 4 and 1, of which a request has all or one. */
	CHECK_EQ(hcpolicy__events_consume(events), up_to(4) == 4 ? 3 : 9);
	CHECK_EQ(nevents, 2);	/* neighbours are one */
	CHECK(told_right() && told[257] && !told[256]);
	/* Beyond the set each may be one. */
	CHECK_EQ(call(1, MAX_GPA, 1, SHARE), 0);
	CHECK_EQ(call(1, MAX_GPA, 1, SHARE), 0);
	CHECK_EQ(hcpolicy__events_consume(events), 2);
	hcpolicy__events_free(events);
}

/* The positions of a ring's reader, which whoever has the map can write, and of its writer. */
static void ring_positions(unsigned long **consumer, unsigned long **producer)
{
	size_t page = sysconf(_SC_PAGESIZE);
	int fd = hcpolicy__map_fd(policy, HCP_MAP_EVENTS "0");

	*consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	*producer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, page);
	CHECK(*consumer != MAP_FAILED && *producer != MAP_FAILED);
}

TEST(who_moves_the_position_of_notify_s_reader_makes_it_tell_nothing_twice)
{
	static const unsigned long wrong[] = { 0, 4, 1UL << 40, -8UL };
	unsigned long *consumer, *producer;
	struct hcpolicy_events *events;
	size_t i;

	start("bpf/notify.bpf.o", false, NULL);
	events = hcpolicy__events_new(policy, on_event, NULL);
	CHECK(events);
	ring_positions(&consumer, &producer);
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		CHECK_EQ(call(0, GPA, 1, i & 1 ? HIDE : SHARE), 0);
		CHECK_EQ(hcpolicy__events_consume(events), 1);
		*consumer = wrong[i];
		CHECK_EQ(hcpolicy__events_consume(events), 0);
		CHECK(*consumer == *producer);
	}
	CHECK(nevents == i && !nlost);
	/* Another reader takes more than the ring has room for, and then this one is told to read it. */
	for (i = 0; i < 1500; i++) {
		CHECK_EQ(call(0, GPA, 1, i & 1 ? HIDE : SHARE), 0);
		*consumer = *producer;
	}
	*consumer = 0;
	CHECK_EQ(hcpolicy__events_consume(events), 0);
	CHECK(nevents == sizeof(wrong) / sizeof(*wrong) + 1 && nlost == 1 && told_right());
	hcpolicy__events_free(events);
}

TEST(notify_s_reader_has_the_set_after_two_vCPUs_at_once_though_events_are_lost)
{
	struct hcpolicy_events *events;
	int i;

	start("bpf/notify.bpf.o", false, NULL);
	events = hcpolicy__events_new(policy, on_event, NULL);
	CHECK(events);
	at_once(convert, 400);
	CHECK_CMP(hcpolicy__events_consume(events), >, 0);
	CHECK(told_right() && !nlost);
	/* More than there is room for. */
	for (i = 0; i < 1500; i++)
		CHECK_EQ(call(0, GPA, 1, i & 1 ? HIDE : SHARE), 0);
	CHECK_EQ(call(0, GPA + 0x80000, 7, SHARE), 0);
	CHECK(hcp_number(policy, "events_lost"));
	CHECK_CMP(hcpolicy__events_consume(events), >, 0);
	CHECK_EQ(nlost, 1);
	CHECK(told_right());
	CHECK_EQ(hcpolicy__events_consume(events), 0);
	CHECK_EQ(nlost, 1);
	CHECK(hcp_set__complete(set));
	hcpolicy__events_free(events);
}

/* By another process, for instance: the reader's object does not take part. */
TEST(a_reader_is_told_when_its_policy_is_replaced)
{
	struct hcpolicy_events *events;
	struct hcpolicy *next, *reader;
	struct hcpolicy_opts opts = { .sz = sizeof(opts), .log = hcp_log };

	start("bpf/notify.bpf.o", false, NULL);
	CHECK_EQ(hcpolicy__pin(policy), 0);
	reader = hcpolicy__open_pinned(hcpolicy__info(policy)->name, &opts);
	CHECK(reader);
	events = hcpolicy__events_new(reader, on_event, NULL);
	CHECK(events);
	CHECK_EQ(call(0, GPA, 1, SHARE), 0);
	next = hcp_open("bpf/notify.bpf.o");
	CHECK_EQ(hcpolicy__replace(policy, next, false), 0);
	CHECK_EQ(call(0, GPA + PAGE, 1, SHARE), 0);
	CHECK_EQ(hcpolicy__events_consume(events), -ESTALE);
	CHECK_EQ(nevents, 1);
	hcpolicy__events_free(events);
	hcpolicy__close(reader);

	reader = hcpolicy__open_pinned(hcpolicy__info(next)->name, &opts);
	events = hcpolicy__events_new(reader, on_event, NULL);
	CHECK(events);
	CHECK_EQ(hcpolicy__events_consume(events), 1);
	CHECK_EQ(nevents, 2);
	hcpolicy__events_free(events);
	hcpolicy__close(reader);
	CHECK_EQ(hcpolicy__detach(next), 0);
}

TEST(a_policy_without_events_says_so)
{
	start("bpf/bitmap.bpf.o", false, NULL);
	CHECK(!hcpolicy__events_new(policy, on_event, NULL));
	CHECK_EQ(errno, ENOENT);
}

/* --- hole */

TEST(hole_answers_what_is_no_RAM_and_books_what_is)
{
	NEEDS_RANGES();
	start("bpf/hole.bpf.o", false, HCP_PARAMS("low_end", "0x10000000", "high_end", "0x110000000"));
	CHECK_EQ(call(0, 0x0fffe000, 2, SHARE), 0);
	CHECK_EQ(call(0, 0x10000000, 512, SHARE), 0);
	CHECK_EQ(call(1, 0x110000000, 512, SHARE), 0);
	CHECK_EQ(hcp_number(policy, "ignored"), 2);
	CHECK_EQ(hcp_set__count(set), 2);
	CHECK_EQ(hcp_set__beyond(set), 0);
	/* What touches RAM is booked whole. */
	CHECK_EQ(call(1, 0x0ffff000, 2, SHARE), 0);
	CHECK_EQ(hcp_set__count(set), 3);
	CHECK_EQ(call(1, 0x100000000, 1, SHARE), 0);
	CHECK_EQ(hcp_set__beyond(set), 1);
	CHECK_EQ(hcp_number(policy, "ignored"), 2);
	CHECK(hcp_set__complete(set));
}

TAP_MAIN
