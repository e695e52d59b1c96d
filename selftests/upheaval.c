// SPDX-License-Identifier: GPL-2.0
/*
 * What a VMM does to its vCPUs while the guest's requests are under way: signals,
 * immediate_exit, hot-plug, reset.  The guest sees each request answered exactly
 * once, the policy sees it as often as it must, and the set says what the guest
 * said.  Chance picks the moments: HCP_SEED repeats them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../guest/random.h"
#include "pol.h"
#include "tap.h"
#include "vm.h"

#define GPA		0x100000ULL
#define TIB		(1ULL << 40)
#define GIB		(1ULL << 30)
#define PIECES(n)	(((n) + KVM_HCPOLICY_MAX_PAGES - 1) / KVM_HCPOLICY_MAX_PAGES)

static struct vm *vm;
static struct vcpu *v;
static struct pol *p;
static uint64_t npages;		/* of the set */
static struct hcp_set *model;	/* and what should be in it */
static uint64_t seed;

static uint64_t roll(uint64_t below)
{
	return hcg_random(&seed) % below;
}

/*
 * A vCPU thread that signals interrupt.  The handler sets immediate_exit, so that
 * a signal that comes just before KVM_RUN is not lost: each of them ends exactly
 * one KVM_RUN, with EINTR.
 */
static volatile uint64_t served;	/* signals, by an EINTR */
static volatile uint64_t served_at;	/* calls of the policy until then */
static uint64_t sent;
static volatile bool leave;		/* ... KVM_RUN alone after the next one */

static void on_signal(int sig)
{
	v->run->immediate_exit = 1;
}

/* KVM_RUN, told not to, does not. */
static void run_for_nothing(void)
{
	uint64_t calls = p->state->calls;

	v->run->immediate_exit = 1;
	CHECK(!vcpu_run(v));
	CHECK_EQ(p->state->calls, calls);
}

static void *run_interrupted(void *arg)
{
	while (!vcpu_run(v)) {
		served_at = p->state->calls;
		if (served % 4 == 0)
			run_for_nothing();
		v->run->immediate_exit = 0;
		__atomic_store_n(&served, served + 1, __ATOMIC_RELEASE);
		if (leave)
			break;
	}
	v->running = false;
	return NULL;
}

static void start_interrupted(enum hcg_command command, const struct hcg_request *reqs, size_t n)
{
	vcpu_put(v, command, reqs, n);
	v->running = true;
	CHECK_EQ(pthread_create(&v->thread, NULL, run_interrupted, NULL), 0);
}

/* Send a signal, and see it served; false if the guest was done before. */
static bool interrupt(void)
{
	CHECK_EQ(pthread_kill(v->thread, SIGUSR1), 0);
	sent++;
	SPIN_UNTIL(served == sent || !v->running);
	return served == sent;
}

/* The guest is done.  A signal that came too late must not end a later KVM_RUN. */
static void finish(void)
{
	vcpu_join(v);
	v->run->immediate_exit = 0;
	sent = served;
}

static void set_up_interrupted(bool exits, uint64_t max_gpa)
{
	struct sigaction sa = { .sa_handler = on_signal };

	seed = tap_seed();
	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	vm = vm_new(1, exits);
	v = &vm->vcpus[0];
	npages = max_gpa / PAGE;
	model = hcp_set__new(npages);
	CHECK(model);
	p = pol_keeper(vm->fd, max_gpa);
	CHECK_EQ(pol_try_attach(p), 0);
	v->stop_on_eintr = true;
}

/* The set says what the guest said, as the library's own writer would have it. */
static void check_set(void)
{
	CHECK_EQ(memcmp(hcp_set__words(p->set), hcp_set__words(model), npages / 8), 0);
	CHECK(hcp_set__missed(p->set) == 0);
}

/* Anywhere in the set; and the model knows of it. */
static struct hcg_request random_request(uint64_t max_pages)
{
	uint64_t n = up_to(1 + roll(max_pages)), gfn = roll(npages - n + 1);
	bool shared = roll(2);

	hcp_set__update(model, gfn, n, shared);
	return hc_request(gfn * PAGE, n, shared ? SHARE : HIDE, 0);
}

#define LARGE_BATCH	4

TEST_LONG(signals_and_immediate_exit_in_the_middle_of_large_requests, 300)
{
	uint64_t rounds = tap_storm(25), round, calls, pages, end[LARGE_BATCH], seen, requests = 0;
	struct hcg_request reqs[LARGE_BATCH];
	unsigned int i;

	NEEDS_RANGES();
	set_up_interrupted(false, TIB);
	for (round = 0; round < rounds; round++) {
		calls = p->state->calls;
		pages = p->state->pages;
		for (i = 0; i < LARGE_BATCH; i++) {
			reqs[i] = random_request(npages);
			calls += PIECES(reqs[i].a1);
			pages += reqs[i].a1;
			end[i] = calls;
		}
		seen = p->state->calls;
		start_interrupted(HCG_CMD_RUN, reqs, LARGE_BATCH);
		while (v->running) {
			/* At a piece that nobody knows before. */
			seen += 1 + roll(3000);
			SPIN_UNTIL(p->state->calls >= seen || !v->running);
			if (!v->running || !interrupt())
				break;
			seen = served_at;
			/* Served between two requests: neither twice nor half. */
			for (i = 0; i < LARGE_BATCH && end[i] < seen; i++)
				;
			CHECK_EQ(seen, end[i]);
		}
		finish();
		requests += LARGE_BATCH;
		CHECK_EQ(v->mbox->failed, 0);
		CHECK_EQ(p->state->calls, calls);
		CHECK_EQ(p->state->pages, pages);
		CHECK_STATS(v, .handled = requests);
		check_set();
	}
	tap_note("%llu requests, %llu calls, %llu KVM_RUN ended by a signal",
		 (unsigned long long)requests, (unsigned long long)p->state->calls,
		 (unsigned long long)served);
	CHECK_CMP(served, >, rounds / 2);
}

/* A request whose pieces are handled up to one that says RETRY, until it is let go. */
TEST_LONG(signals_and_immediate_exit_in_the_middle_of_RETRY, 300)
{
	uint64_t rounds = tap_storm(100), round, calls, pieces, before, retries = 0;
	struct hcg_request req;
	unsigned int signals;

	set_up_interrupted(false, 16 * GIB);
	p->state->then = KVM_HCPOLICY_RETRY;
	for (round = 0; round < rounds; round++) {
		req = random_request(16 * KVM_HCPOLICY_MAX_PAGES);
		pieces = PIECES(req.a1);
		before = roll(pieces);
		calls = p->state->calls;
		p->state->change_at = calls + before + 1;
		start_interrupted(HCG_CMD_RUN, &req, 1);
		/* In the first, quick ones, or when they sleep; one has been answered. */
		SPIN_UNTIL(p->state->calls > calls + before + 1 + roll(24));
		for (signals = roll(4); signals; signals--)
			CHECK(interrupt());
		CHECK(v->running);
		p->state->change_at = 0;
		finish();

		/* Once for the guest; and each call belongs to a try. */
		CHECK_EQ(v->mbox->failed, 0);
		retries = vcpu_stats(v).retry - retries;
		CHECK_EQ(p->state->calls - calls, before + retries + pieces);
		retries = vcpu_stats(v).retry;
		CHECK_STATS(v, .handled = round + 1, .retry = retries);
		check_set();
	}
	tap_note("%llu requests, %llu retries, %llu KVM_RUN ended by a signal",
		 (unsigned long long)rounds, (unsigned long long)retries,
		 (unsigned long long)served);
	CHECK_CMP(served, >=, rounds / 2);
}

/* Hot-plug */

#define PLUG_BATCH	200

static struct pol *turns[2];	/* which replace each other */

static uint64_t seen_of(const struct vcpu *vcpu)
{
	return turns[0]->state->by_vcpu[vcpu->index] + turns[1]->state->by_vcpu[vcpu->index];
}

/* One more vCPU, whose first requests come while one policy replaces the other. */
static void plug_one(const struct hcg_request *reqs)
{
	struct vcpu *new = vm_add_vcpu(vm);
	uint64_t n = 1 + roll(PLUG_BATCH);
	struct pol *old = turns[0];

	CHECK_STATS(new, 0);
	vcpu_start(new, reqs, n);
	pol_replace(old, turns[1]);
	turns[0] = turns[1];
	turns[1] = old;
	vcpu_join(new);
	CHECK_EQ(new->mbox->failed, 0);
	CHECK_EQ(seen_of(new), n);
	CHECK_STATS(new, .handled = n);
	vcpu_loop(new, reqs, 1);
}

TEST_LONG(vCPUs_are_plugged_in_while_others_convert, 300)
{
	uint64_t rounds = tap_storm(5), round, handled, requests = 0;
	struct hcg_request reqs[PLUG_BATCH];
	unsigned int i;

	seed = tap_seed();
	for (i = 0; i < PLUG_BATCH; i++)
		reqs[i] = hc_request(roll(TIB / PAGE) * PAGE, 1, SHARE, 0);
	for (round = 0; round < rounds; round++) {
		vm = vm_new(1, false);
		turns[0] = pol_handler(-1);
		turns[1] = pol_handler(-1);
		p = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);
		pol_replace(p, turns[0]);
		vcpu_loop(&vm->vcpus[0], reqs, 1);
		while (vm->nvcpus < VM_MAX_VCPUS)
			plug_one(reqs);
		for (i = 0; i < vm->nvcpus; i++) {
			vcpu_stop(&vm->vcpus[i]);
			CHECK_EQ(vm->vcpus[i].mbox->failed, 0);
			handled = vcpu_stats(&vm->vcpus[i]).handled;
			CHECK_CMP(handled, >, 0);
			CHECK_EQ(seen_of(&vm->vcpus[i]), handled);
			requests += handled;
		}
		pol_free(p);
		pol_free(turns[0]);
		pol_free(turns[1]);
		vm_free(vm);
	}
	tap_note("%llu VMs grew to %u vCPUs, which made %llu requests",
		 (unsigned long long)rounds, VM_MAX_VCPUS, (unsigned long long)requests);
}

/* Reset */

#define RESET_BATCH	256
#define NEW_REQUESTS	16	/* of the guest that started over */

/*
 * The guest runs again from its start, and the policy that stayed sees what it
 * asks.  Its set is the old guest's and the new one's, until the VMM says so.
 */
static void check_reset(void)
{
	struct hcg_request reqs[NEW_REQUESTS];
	uint64_t calls = p->state->calls, i;

	vm_reset(vm);
	v->stop_on_eintr = false;
	check_set();
	if (roll(2)) {
		hcp_set__reset(p->set);
		hcp_set__reset(model);
		check_set();
	}
	for (i = 0; i < NEW_REQUESTS; i++)
		reqs[i] = random_request(KVM_HCPOLICY_MAX_PAGES);
	vcpu_batch(v, reqs, NEW_REQUESTS);
	CHECK_EQ(v->mbox->failed, 0);
	CHECK_EQ(p->state->calls, calls + NEW_REQUESTS);
	check_set();
	CHECK(!pol_hung_up(p, 0));
	v->stop_on_eintr = true;
}

/* The vCPU is in the middle of something, and comes out of KVM_RUN for good. */
static void stop_for_good(void)
{
	leave = true;
	CHECK(interrupt());
	finish();
	leave = false;
}

TEST_LONG(a_reset_among_requests_leaves_the_policy_and_its_set, 300)
{
	uint64_t rounds = tap_storm(20), round, calls;
	struct hcg_request reqs[RESET_BATCH];
	unsigned int i;

	set_up_interrupted(false, 16 * GIB);
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < RESET_BATCH; i++)
			reqs[i] = random_request(4096);
		/* Whole batches, then a part of one, which the set has already. */
		for (i = 0; i < RESET_BATCH; i++)
			hcp_set__update(model, reqs[i].a0 / PAGE, reqs[i].a1, true);
		for (i = 0; i < RESET_BATCH; i++)
			reqs[i].a2 = SHARE;
		calls = p->state->calls;
		start_interrupted(HCG_CMD_LOOP, reqs, RESET_BATCH);
		SPIN_UNTIL(p->state->calls > calls + RESET_BATCH + roll(1000));
		stop_for_good();
		CHECK_STATS(v, .handled = p->state->calls);
		check_reset();
	}
}

TEST_LONG(a_request_that_is_retried_ends_with_a_reset, 300)
{
	uint64_t rounds = tap_storm(30), round, calls;
	struct hcg_request req;

	set_up_interrupted(false, 16 * GIB);
	p->state->then = KVM_HCPOLICY_RETRY;
	for (round = 0; round < rounds; round++) {
		/* A policy that says RETRY does not touch the set. */
		p->state->book = 0;
		calls = p->state->calls;
		p->state->change_at = calls + 1;
		req = hc_request(GPA, up_to(1 + roll(4096)), SHARE, 0);
		start_interrupted(HCG_CMD_RUN, &req, 1);
		SPIN_UNTIL(p->state->calls > calls + roll(24));
		stop_for_good();
		p->state->change_at = 0;
		p->state->book = 1;
		check_reset();
		CHECK_STATS(v, .handled = (round + 1) * NEW_REQUESTS, .retry = vcpu_stats(v).retry);
	}
}

/* As KVM wants it: what an exit leaves to be done is done before the registers change. */
TEST_LONG(a_request_whose_exit_is_pending_ends_with_a_reset, 300)
{
	uint64_t rounds = tap_storm(20), round;
	struct hcg_request req;

	set_up_interrupted(true, 16 * GIB);
	p->state->answer = KVM_HCPOLICY_DEFAULT;
	for (round = 0; round < rounds; round++) {
		req = random_request(KVM_HCPOLICY_MAX_PAGES);
		vcpu_put(v, HCG_CMD_RUN, &req, 1);
		CHECK_EQ(ioctl(v->fd, KVM_RUN, NULL), 0);
		CHECK_EQ(v->run->exit_reason, KVM_EXIT_HYPERCALL);
		CHECK_EQ(hcguest_take_exit(v->fd, v->run, 0, &v->exit), 0);
		run_for_nothing();
		v->run->immediate_exit = 0;
		check_reset();
		CHECK_EQ(v->exits, (round + 1) * NEW_REQUESTS);
		CHECK_STATS(v, .dflt = (round + 1) * (NEW_REQUESTS + 1));
	}
}

TAP_MAIN
