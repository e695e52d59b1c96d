// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * What may be called from any thread is, all at once, under ThreadSanitizer: it ends the
 * program at the first access of two threads that nothing orders.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>
#include <hcpolicy/tracker.h>
#include "policy.h"

#define NPAGES		(2 * HCP_CHUNK_PAGES)
#define TURNS		2000
#define SENDERS		2

static bool go_on;

static bool going(void)
{
	return __atomic_load_n(&go_on, __ATOMIC_RELAXED);
}

struct crew {
	pthread_t thread[8];
	int n;
};

static void hire(struct crew *crew, void *(*work)(void *), void *arg)
{
	__atomic_store_n(&go_on, true, __ATOMIC_RELAXED);
	CHECK(!pthread_create(&crew->thread[crew->n++], NULL, work, arg));
}

static void dismiss(struct crew *crew)
{
	__atomic_store_n(&go_on, false, __ATOMIC_RELAXED);
	while (crew->n)
		CHECK(!pthread_join(crew->thread[--crew->n], NULL));
}

static void *write_set(void *arg)
{
	uint64_t gfn = 0;

	while (going()) {
		gfn = (gfn + 4099) % NPAGES;
		hcp_set__update(arg, gfn, 100, gfn & 1);
		hcp_set__exit(arg, gfn << 12, 1, gfn & 16);
	}
	return NULL;
}

/* Of what the caller says that it is not complete. */
static void *spoil_set(void *arg)
{
	while (going()) {
		hcp_set__lost(arg, 5, 2);
		hcp_set__update(arg, NPAGES, 3, true);
		hcp_set__set_label(arg, "a label");
		hcp_set__await_restore(arg);
		hcp_set__reset(arg);
		usleep(1000);
	}
	return NULL;
}

static void *read_set(void *arg)
{
	struct hcp_reason reason;

	while (going()) {
		struct hcp_range range = {};

		while (hcp_set__next(arg, &range))
			hcp_set__test(arg, range.gfn);
		hcp_set__count(arg);
		hcp_set__complete(arg);
		hcp_set__why(arg, 0, 0, &reason);
		hcp_set__missed(arg);
		hcp_set__beyond(arg);
		hcp_set__reach(arg);
	}
	return NULL;
}

TEST(a_set_is_for_all_threads)
{
	struct hcp_set *set = hcp_set__new(NPAGES);
	struct crew crew = {};

	CHECK(set);
	hire(&crew, write_set, set);
	hire(&crew, write_set, set);
	hire(&crew, read_set, set);
	hire(&crew, read_set, set);
	hire(&crew, spoil_set, set);
	usleep(500000);
	dismiss(&crew);
	hcp_set__free(set);
}

/* Between two rounds each sender has pages of its own. */
static struct migration {
	struct hcp_tracker *tracker;
	uint64_t words[NPAGES / 64];
	pthread_barrier_t round;
	bool last;
} migration;

static void *send_pages(void *arg)
{
	struct migration *m = &migration;
	uint64_t gfn;

	for (;;) {
		pthread_barrier_wait(&m->round);
		if (m->last)
			return NULL;
		for (gfn = (uintptr_t)arg; gfn < NPAGES; gfn += SENDERS) {
			if (m->words[gfn / 64] >> gfn % 64 & 1)
				hcp_tracker__take(m->tracker, gfn);
		}
		pthread_barrier_wait(&m->round);
	}
}

TEST(senders_and_converting_guests_do_not_meet)
{
	struct hcp_set *set = hcp_set__new(NPAGES);
	struct migration *m = &migration;
	struct crew guest = {}, senders = {};
	uintptr_t i;

	CHECK(set);
	m->tracker = hcp_tracker__new(set, NULL);
	CHECK(m->tracker && !hcp_tracker__add_slot(m->tracker, 0, 0, NPAGES));
	CHECK(!pthread_barrier_init(&m->round, NULL, SENDERS + 1));
	for (i = 0; i < SENDERS; i++)
		hire(&senders, send_pages, (void *)i);
	hire(&guest, write_set, set);
	for (i = 0; i < 10; i++) {
		memset(m->words, 0x11, sizeof(m->words));
		CHECK(hcp_tracker__round(m->tracker, 0, m->words) > 0);
		pthread_barrier_wait(&m->round);
		pthread_barrier_wait(&m->round);
		hcp_tracker__pending(m->tracker);
	}
	dismiss(&guest);
	m->last = true;
	pthread_barrier_wait(&m->round);
	dismiss(&senders);
	pthread_barrier_destroy(&m->round);
	hcp_tracker__free(m->tracker);
	hcp_set__free(set);
}

/* As a VMM's migration thread does. */
static void *ask_policy(void *arg)
{
	unsigned long seen = 0;

	while (going()) {
		seen += hcpolicy__attached(arg);
		seen += hcpolicy__link_fd(arg) >= 0;
		seen += hcpolicy__map_fd(arg, HCP_MAP_SHARED) >= 0;
		seen += hcpolicy__complete(arg);
		hcpolicy__set(arg);
		hcpolicy__info(arg);
	}
	return (void *)seen;
}

/* A pipe is no link, but can be alive and dead: its reader polls POLLHUP without a writer. */
TEST(whether_it_is_attached_is_for_all_threads)
{
	struct hcpolicy *policy = policy_new(NULL), *next = policy_new(NULL);
	struct crew crew = {};
	int pipes[2], i;

	CHECK(policy && next && !pipe(pipes));
	hire(&crew, ask_policy, policy);
	hire(&crew, ask_policy, next);
	CHECK(!hcpolicy__attached(policy));
	for (i = 0; i < TURNS; i++) {
		link_give(policy, pipes[0]);
		CHECK(hcpolicy__attached(policy) && !hcpolicy__attached(next));
		link_give(next, link_take(policy));
		CHECK(!hcpolicy__attached(policy) && hcpolicy__attached(next));
		CHECK(link_take(next) == pipes[0]);
	}
	link_give(policy, pipes[0]);
	close(pipes[1]);
	CHECK(!hcpolicy__attached(policy));
	dismiss(&crew);
	hcpolicy__close(policy);
	hcpolicy__close(next);
}

TAP_MAIN
