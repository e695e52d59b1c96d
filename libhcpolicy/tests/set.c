// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The shared-page set against a model of a byte a page, and at its edges.
 * SEED=N in the environment repeats a run.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <hcpolicy/set.h>
#include "random.h"
#include "tap.h"

#define UPDATES	150000
#define PAGES	(3ULL * HCP_CHUNK_PAGES)
#define ENC	(1 << 4)

/* Every reader of the set agrees with the model. */
static void check_model(const struct hcp_set *set, const unsigned char *model)
{
	const uint64_t *words = hcp_set__words(set);
	struct hcp_range r = {};
	uint64_t gfn = 0, count = 0;

	for (uint64_t i = 0; i < PAGES; i++) {
		CHECK(hcp_set__test(set, i) == model[i]);
		CHECK((words[i / 64] >> i % 64 & 1) == model[i]);
		count += model[i];
	}
	CHECK(hcp_set__count(set) == count);

	while (hcp_set__next(set, &r)) {
		CHECK(r.npages && r.gfn >= gfn && r.gfn + r.npages <= PAGES);
		CHECK(!gfn || r.gfn > gfn);	/* merged: a gap between two runs */
		CHECK(!memchr(model + gfn, 1, r.gfn - gfn));
		CHECK(!memchr(model + r.gfn, 0, r.npages));
		gfn = r.gfn + r.npages;
	}
	CHECK(!memchr(model + gfn, 1, PAGES - gfn));
}

static void random_updates_match_a_model(void)
{
	static unsigned char model[PAGES];
	struct hcp_set *set = hcp_set__new(PAGES);
	uint64_t state = seed_once(), missed = 0;

	CHECK(set && hcp_set__npages(set) == PAGES);
	for (int i = 0; i < UPDATES; i++) {
		static const uint64_t limit[] = { 1, 3, 64, 130, 600, 40000 };
		uint64_t gfn = rnd(&state) % (PAGES + 200);
		uint64_t n = rnd(&state) % (limit[rnd(&state) % 6] + 1);
		uint64_t room = gfn < PAGES ? PAGES - gfn : 0, in = n < room ? n : room;
		bool shared = rnd(&state) & 1;

		if (rnd(&state) % 4 == 0)
			gfn &= ~63ULL, room = gfn < PAGES ? PAGES - gfn : 0, in = n < room ? n : room;
		CHECK(hcp_set__update(set, gfn, n, shared) == in);
		if (in)
			memset(model + gfn, shared, in);
		missed += n - in;

		CHECK(!gfn || gfn > PAGES || hcp_set__test(set, gfn - 1) == model[gfn - 1]);
		CHECK(gfn + n >= PAGES || hcp_set__test(set, gfn + n) == model[gfn + n]);
		if (i % 2500 == 0)
			check_model(set, model);
	}
	check_model(set, model);
	CHECK(missed && hcp_set__missed(set) == missed);
	hcp_set__free(set);
}

/* Eight stripes of 37 pages, every other one a writer's: nearly every word is both's. */
struct writer {
	struct hcp_set *set;
	unsigned char *model;
	uint64_t state, odd, lost;
	pthread_barrier_t *start;
};

static void *write_stripes(void *arg)
{
	struct writer *w = arg;

	pthread_barrier_wait(w->start);
	for (int i = 0; i < 10 * UPDATES; i++) {
		uint64_t first = rnd(&w->state) % 37, n = rnd(&w->state) % (37 - first) + 1;
		uint64_t stripe = rnd(&w->state) % 4 * 2 + w->odd;
		bool shared = rnd(&w->state) & 1;

		/* Now, as a later update would cover up for a lost one. */
		for (uint64_t gfn = stripe * 37; gfn < stripe * 37 + 37; gfn++)
			w->lost += hcp_set__test(w->set, gfn) != w->model[gfn];
		hcp_set__update(w->set, stripe * 37 + first, n, shared);
		memset(w->model + stripe * 37 + first, shared, n);
	}
	return NULL;
}

static void two_threads_share_words(void)
{
	static unsigned char model[PAGES];
	struct hcp_set *set = hcp_set__new(PAGES);
	pthread_barrier_t start;
	struct writer w[2] = {
		{ set, model, seed_once(), 0, 0, &start },
		{ set, model, ~seed_once(), 1, 0, &start },
	};
	pthread_t thread[2];

	CHECK(set && !pthread_barrier_init(&start, NULL, 2));
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_create(&thread[i], NULL, write_stripes, &w[i]));
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_join(thread[i], NULL));
	CHECK(!w[0].lost && !w[1].lost);
	check_model(set, model);
	CHECK(hcp_set__complete(set));
	hcp_set__free(set);
}

static void edges_of_the_set(void)
{
	struct hcp_set *set = hcp_set__new(1);

	CHECK(set && hcp_set__npages(set) == HCP_CHUNK_PAGES);
	CHECK(hcp_set__update(set, 0, 1, true) == 1);
	CHECK(hcp_set__update(set, HCP_CHUNK_PAGES - 1, 1, true) == 1);
	CHECK(hcp_set__test(set, 0) && hcp_set__test(set, HCP_CHUNK_PAGES - 1));
	CHECK(hcp_set__count(set) == 2);

	CHECK(hcp_set__update(set, 5, 0, true) == 0);
	CHECK(hcp_set__update(set, UINT64_MAX, 0, true) == 0);
	CHECK(hcp_set__complete(set));

	CHECK(hcp_set__update(set, HCP_CHUNK_PAGES, 3, true) == 0);
	CHECK(hcp_set__missed(set) == 3 && !hcp_set__complete(set));
	CHECK(hcp_set__update(set, HCP_CHUNK_PAGES - 2, 5, true) == 2);
	CHECK(hcp_set__missed(set) == 6 && hcp_set__count(set) == 3);
	CHECK(!hcp_set__test(set, HCP_CHUNK_PAGES) && !hcp_set__test(set, UINT64_MAX));

	CHECK(hcp_set__update(set, 1, UINT64_MAX, true) == HCP_CHUNK_PAGES - 1);
	CHECK(hcp_set__count(set) == HCP_CHUNK_PAGES);
	CHECK(hcp_set__update(set, UINT64_MAX, UINT64_MAX, false) == 0);
	CHECK(hcp_set__update(set, 0, UINT64_MAX, false) == HCP_CHUNK_PAGES);
	CHECK(hcp_set__count(set) == 0);
	hcp_set__free(set);
	hcp_set__free(NULL);
}

static void missed_does_not_wrap_to_complete(void)
{
	struct hcp_set *set = hcp_set__new(1);

	CHECK(set);
	CHECK(hcp_set__update(set, 1ULL << 40, 1ULL << 63, true) == 0);
	CHECK(hcp_set__update(set, 1ULL << 40, 1ULL << 63, true) == 0);
	CHECK(hcp_set__missed(set) == UINT64_MAX && !hcp_set__complete(set));
	hcp_set__free(set);
}

static void runs_are_sorted_and_merged(void)
{
	struct hcp_set *set = hcp_set__new(PAGES);
	struct hcp_range r = {};

	CHECK(set && !hcp_set__next(set, &r));

	/* Across words and across a chunk, in three bookings; then the very last page. */
	hcp_set__update(set, HCP_CHUNK_PAGES - 70, 60, true);
	hcp_set__update(set, HCP_CHUNK_PAGES - 10, 10, true);
	hcp_set__update(set, HCP_CHUNK_PAGES, 64, true);
	hcp_set__update(set, PAGES - 1, 1, true);

	CHECK(hcp_set__next(set, &r));
	CHECK(r.gfn == HCP_CHUNK_PAGES - 70 && r.npages == 134);
	CHECK(hcp_set__next(set, &r));
	CHECK(r.gfn == PAGES - 1 && r.npages == 1);
	CHECK(!hcp_set__next(set, &r));
	CHECK(r.gfn == PAGES - 1 && r.npages == 1);

	r = (struct hcp_range){ .gfn = HCP_CHUNK_PAGES };
	CHECK(hcp_set__next(set, &r));
	CHECK(r.gfn == HCP_CHUNK_PAGES && r.npages == 64);

	r = (struct hcp_range){ .gfn = UINT64_MAX, .npages = 2 };
	CHECK(!hcp_set__next(set, &r));
	r = (struct hcp_range){ .gfn = UINT64_MAX };
	CHECK(!hcp_set__next(set, &r));
	hcp_set__free(set);
}

static void reset_forgets_the_old_guest(void)
{
	static uint64_t words[HCP_CHUNK_WORDS];
	struct hcp_info info = {
		.version = HCP_INFO_VERSION,
		.npages = HCP_CHUNK_PAGES,
		.state = HCP_LATE | HCP_DETACHED,
	};
	struct hcp_set *set = hcp_set__new_over(words, &info);

	CHECK(set);
	hcp_set__update(set, 0, UINT64_MAX, true);
	CHECK(hcp_set__state(set) == (HCP_LATE | HCP_DETACHED));
	hcp_set__reset(set);
	CHECK(!hcp_set__count(set) && !hcp_set__missed(set));
	CHECK(hcp_set__state(set) == HCP_DETACHED && !hcp_set__complete(set));

	info.state = 0;
	CHECK(hcp_set__complete(set));
	info.missed = 1;
	CHECK(!hcp_set__complete(set));
	hcp_set__free(set);
}

static void exits_are_answered_as_kvm_does(void)
{
	static const struct {
		uint64_t gpa, npages, attrs;
	} bad[] = {
		{ 1, 1, 0 }, { 4095, 1, 0 }, { 0x800, 1, ENC },
		{ 4096, 0, 0 }, { 4096, UINT64_MAX, 0 }, { 0xfffffffffffff000, UINT64_MAX, 0 },
		{ 0xfffffffffffff000, UINT64_MAX - 0xffffffffffffe, 0 },
		{ 4096, 1, 1 << 5 }, { 4096, 1, 1ULL << 63 }, { 4096, 1, ~0ULL },
	};
	struct hcp_set *set = hcp_set__new(PAGES);

	CHECK(set);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		CHECK(hcp_set__exit(set, bad[i].gpa, bad[i].npages, bad[i].attrs) == -22);
	CHECK(!hcp_set__count(set) && hcp_set__complete(set));

	CHECK(hcp_set__exit(set, 0x5000, 3, 0) == 0);
	CHECK(hcp_set__test(set, 5) && hcp_set__test(set, 7) && hcp_set__count(set) == 3);
	CHECK(hcp_set__exit(set, 0x6000, 1, ENC | 2) == 0);
	CHECK(!hcp_set__test(set, 6) && hcp_set__count(set) == 2 && hcp_set__complete(set));

	CHECK(hcp_set__exit(set, (PAGES - 1) << 12, 4, 1) == 0);
	CHECK(hcp_set__test(set, PAGES - 1) && hcp_set__missed(set) == 3);
	CHECK(hcp_set__exit(set, 0xfffffffffffff000, 1, 0) == 0);
	CHECK(hcp_set__missed(set) == 4);
	CHECK(hcp_set__exit(set, 0, UINT64_MAX, ENC) == 0);
	CHECK(hcp_set__count(set) == 0);
	hcp_set__free(set);
}

static void what_cannot_be_a_set(void)
{
	static uint64_t words[HCP_CHUNK_WORDS];
	struct hcp_info info = { .version = HCP_INFO_VERSION, .npages = 64 };
	struct hcp_set *set;

	CHECK_NULL(hcp_set__new(0), EINVAL);
	CHECK_NULL(hcp_set__new((1ULL << 40) + 1), EINVAL);
	CHECK_NULL(hcp_set__new(UINT64_MAX), EINVAL);
	CHECK_NULL(hcp_set__new_over(NULL, &info), EINVAL);
	CHECK_NULL(hcp_set__new_over(words, NULL), EINVAL);
	CHECK_NULL(hcp_set__new_over((void *)((char *)words + 4), &info), EINVAL);
	info.version++;
	CHECK_NULL(hcp_set__new_over(words, &info), EINVAL);
	info.version--;
	info.npages = 0;
	CHECK_NULL(hcp_set__new_over(words, &info), EINVAL);
	info.npages = 65;
	CHECK_NULL(hcp_set__new_over(words, &info), EINVAL);

	/* The size is taken once: info is in memory that others write. */
	info.npages = 64;
	set = hcp_set__new_over(words, &info);
	CHECK(set);
	info.npages = UINT64_MAX;
	CHECK(hcp_set__update(set, 0, 100, true) == 64 && words[0] == ~0ULL && !words[1]);
	hcp_set__free(set);
}

static void the_largest_set_costs_what_is_written(void)
{
	void *room = mmap(NULL, 1ULL << 37, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct hcp_set *set;

	if (room == MAP_FAILED)
		SKIP("no 128 GiB of address space (ulimit -v, or overcommit is off)");
	munmap(room, 1ULL << 37);
	set = hcp_set__new(1ULL << 40);
	CHECK(set);
	CHECK(hcp_set__update(set, (1ULL << 40) - 1, 1, true) == 1);
	CHECK(hcp_set__test(set, (1ULL << 40) - 1) && !hcp_set__test(set, (1ULL << 40) - 2));
	hcp_set__free(set);
}

TAP_MAIN(
	T(random_updates_match_a_model),
	T(two_threads_share_words),
	T(edges_of_the_set),
	T(missed_does_not_wrap_to_complete),
	T(runs_are_sorted_and_merged),
	T(reset_forgets_the_old_guest),
	T(exits_are_answered_as_kvm_does),
	T(what_cannot_be_a_set),
	T(the_largest_set_costs_what_is_written),
)
