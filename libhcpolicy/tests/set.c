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
#include "../../selftests/tap.h"

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

TEST(random_updates_match_a_model)
{
	static unsigned char model[PAGES];
	struct hcp_set *set = hcp_set__new(PAGES);
	uint64_t state = tap_seed(), beyond = 0;

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
		beyond += n - in;

		CHECK(!gfn || gfn > PAGES || hcp_set__test(set, gfn - 1) == model[gfn - 1]);
		CHECK(gfn + n >= PAGES || hcp_set__test(set, gfn + n) == model[gfn + n]);
		if (i % 2500 == 0)
			check_model(set, model);
	}
	check_model(set, model);
	CHECK(beyond && hcp_set__beyond(set) == beyond && hcp_set__complete(set));
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

TEST(two_threads_share_words)
{
	static unsigned char model[PAGES];
	struct hcp_set *set = hcp_set__new(PAGES);
	pthread_barrier_t start;
	struct writer w[2] = {
		{ set, model, tap_seed(), 0, 0, &start },
		{ set, model, ~tap_seed(), 1, 0, &start },
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

TEST(edges_of_the_set)
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
	CHECK(hcp_set__beyond(set) == 3 && hcp_set__complete(set));
	CHECK(hcp_set__update(set, HCP_CHUNK_PAGES - 2, 5, true) == 2);
	CHECK(hcp_set__beyond(set) == 6 && hcp_set__count(set) == 3);
	CHECK(!hcp_set__test(set, HCP_CHUNK_PAGES) && !hcp_set__test(set, UINT64_MAX));

	CHECK(hcp_set__update(set, 1, UINT64_MAX, true) == HCP_CHUNK_PAGES - 1);
	CHECK(hcp_set__count(set) == HCP_CHUNK_PAGES);
	CHECK(hcp_set__update(set, UINT64_MAX, UINT64_MAX, false) == 0);
	CHECK(hcp_set__update(set, 0, UINT64_MAX, false) == HCP_CHUNK_PAGES);
	CHECK(hcp_set__count(set) == 0);
	hcp_set__free(set);
	hcp_set__free(NULL);
}

TEST(no_count_wraps_to_none)
{
	static uint64_t words[HCP_CHUNK_WORDS];
	struct hcp_info info = {
		.version = HCP_INFO_VERSION, .npages = HCP_CHUNK_PAGES, .reach = HCP_CHUNK_PAGES,
		.missed = UINT64_MAX - 1, .beyond = UINT64_MAX - 1,
	};
	struct hcp_set *set = hcp_set__new_over(words, &info);

	CHECK(set);
	hcp_set__lost(set, 0, 2);
	hcp_set__update(set, HCP_CHUNK_PAGES, 2, true);
	CHECK(hcp_set__missed(set) == UINT64_MAX && hcp_set__beyond(set) == UINT64_MAX);
	hcp_set__free(set);
}

/* A guest may ask for frames that are no memory: what is inside can be trusted all the same. */
TEST(what_lies_beyond_is_counted_apart)
{
	struct hcp_set *set = hcp_set__new(PAGES);

	CHECK(set && hcp_set__reach(set) == PAGES);
	CHECK(hcp_set__update(set, PAGES - 2, 5, true) == 2);
	CHECK(hcp_set__beyond(set) == 3 && !hcp_set__missed(set) && hcp_set__complete(set));
	hcp_set__lost(set, PAGES, 4);
	CHECK(hcp_set__beyond(set) == 7 && hcp_set__complete(set));

	/* What is lost inside ends the trust; of a request that is partly inside, that part. */
	hcp_set__lost(set, PAGES - 1, 10);
	CHECK(hcp_set__beyond(set) == 16 && hcp_set__missed(set) == 1 && !hcp_set__complete(set));
	hcp_set__lost(set, 5, 0);
	CHECK(hcp_set__missed(set) == 1);
	hcp_set__reset(set);
	CHECK(!hcp_set__beyond(set) && !hcp_set__missed(set) && hcp_set__complete(set));
	hcp_set__free(set);
}

/* hcp_info of hcpolicy 0.1: there what lies beyond is missed, and nothing else has a place. */
TEST(an_info_of_version_1_is_read)
{
	static uint64_t words[HCP_CHUNK_WORDS];
	struct {
		uint32_t version, state;
		uint64_t missed, npages, rest[19];
	} old = { .version = 1, .npages = HCP_CHUNK_PAGES, .rest = { ~0ULL, ~0ULL } };
	struct hcp_set *set = hcp_set__new_over(words, (struct hcp_info *)&old);

	CHECK(set && hcp_set__npages(set) == HCP_CHUNK_PAGES && hcp_set__reach(set) == HCP_CHUNK_PAGES);
	CHECK(hcp_set__complete(set) && !hcp_set__beyond(set) && !*hcp_set__label(set));
	CHECK(hcp_set__update(set, HCP_CHUNK_PAGES - 1, 3, true) == 1 && hcp_set__count(set) == 1);
	CHECK(old.missed == 2 && hcp_set__missed(set) == 2 && !hcp_set__beyond(set));
	CHECK_ERR(hcp_set__set_label(set, "web"), EROFS);
	old.missed = 0;
	CHECK_ERR(hcp_set__reset_if(set, NULL, NULL), EROFS);
	CHECK(hcp_set__count(set) == 1 && old.state == HCP_LATE && !hcp_set__complete(set));
	hcp_set__free(set);
	old.version = HCP_INFO_VERSION + 1;
	CHECK_NULL(hcp_set__new_over(words, (struct hcp_info *)&old), EINVAL);
}

static bool why_is(const struct hcp_set *set, uint32_t more, unsigned int n, uint32_t state,
		   const char *why)
{
	struct hcp_reason reason;

	return hcp_set__why(set, more, n, &reason) && reason.state == state &&
	       !strcmp(reason.why, why) && reason.help[0];
}

TEST(each_reason_is_told_in_words)
{
	static uint64_t words[HCP_CHUNK_WORDS];
	struct hcp_info info = {
		.version = HCP_INFO_VERSION, .npages = HCP_CHUNK_PAGES, .reach = HCP_CHUNK_PAGES,
	};
	struct hcp_set *set = hcp_set__new_over(words, &info);
	struct hcp_reason reason;

	CHECK(set && !hcp_set__why(set, 0, 0, &reason));
	CHECK(why_is(set, HCP_DETACHED, 0, HCP_DETACHED, "detached"));
	/* Its help is enough for both. */
	CHECK(why_is(set, HCP_DETACHED | HCP_LATE, 0, HCP_DETACHED, "detached"));
	hcp_set__lost(set, 7, 1);
	CHECK(why_is(set, 0, 0, 0, "1 page missed") && !hcp_set__why(set, 0, 1, &reason));
	hcp_set__lost(set, 7, 1);
	info.state = ~0U;
	CHECK(why_is(set, 0, 0, HCP_UNATTACHED, "not attached yet"));
	CHECK(why_is(set, 0, 1, HCP_AWAITS_RESTORE, "awaits a restore"));
	CHECK(why_is(set, 0, 2, HCP_LATE, "attached or restored late"));
	CHECK(why_is(set, 0, 3, HCP_CHANGING, "a reset or restore of it is at work, or was cut short"));
	CHECK(why_is(set, 0, 4, HCP_FOREIGN, "another VM's policy kept it too"));
	CHECK(why_is(set, 0, 5, HCP_RUNNING, "saved while the guest may have been running"));
	CHECK(why_is(set, 0, 6, ~127U, "a reason that this version does not know"));
	CHECK(why_is(set, 0, 7, 0, "2 pages missed"));
	CHECK(!hcp_set__why(set, 0, 8, &reason));

	/* Each bit has one, or a set would be not complete without a word. */
	info.missed = 0;
	for (int bit = 0; bit < 32; bit++) {
		info.state = 1U << bit;
		CHECK(!hcp_set__complete(set) && hcp_set__why(set, 0, 0, &reason));
		CHECK(reason.state == 1U << bit && !hcp_set__why(set, 0, 1, &reason));
	}
	hcp_set__free(set);
}

TEST(a_guest_that_is_to_arrive_is_awaited)
{
	struct hcp_set *set = hcp_set__new(PAGES);

	CHECK(set);
	hcp_set__await_restore(set);
	CHECK(hcp_set__state(set) == HCP_AWAITS_RESTORE && !hcp_set__complete(set));
	hcp_set__update(set, 5, 1, true);
	CHECK(!hcp_set__complete(set));
	/* A VMM resets its machine also before the guest comes. */
	hcp_set__reset(set);
	CHECK(hcp_set__state(set) == HCP_AWAITS_RESTORE && !hcp_set__count(set));
	hcp_set__arrived(set);
	CHECK(hcp_set__state(set) == HCP_LATE);
	hcp_set__reset(set);
	CHECK(hcp_set__complete(set));
	hcp_set__arrived(set);
	CHECK(hcp_set__complete(set));
	hcp_set__free(set);
}

static bool stood_still;

/* All is private by then, and it is not called complete. */
static bool still(void *ctx)
{
	struct hcp_set *set = ctx;

	CHECK(!hcp_set__count(set) && hcp_set__state(set) & HCP_CHANGING);
	return stood_still;
}

TEST(a_reset_is_complete_only_if_the_VM_stood_still)
{
	struct hcp_set *set = hcp_set__new(PAGES);

	CHECK(set);
	for (int i = 0; i < 2; i++) {
		hcp_set__update(set, 5, 1, true);
		stood_still = false;
		CHECK_ERR(hcp_set__reset_if(set, still, set), EBUSY);
		CHECK(hcp_set__state(set) == HCP_LATE);
		stood_still = true;
		CHECK(!hcp_set__reset_if(set, still, set) && hcp_set__complete(set));
	}
	CHECK_ERR(hcp_set__reset_if(NULL, still, set), EINVAL);
	hcp_set__free(set);
}

TEST(labels)
{
	static const char *const bad[] = { "a\nb", "\033[2J", "\x7f", "\xc3\xa4" };
	char longest[HCP_NAME_LEN + 1] = "";
	struct hcp_set *set = hcp_set__new(1);

	CHECK(set && !strcmp(hcp_set__label(set), ""));
	memset(longest, 'x', HCP_NAME_LEN);
	CHECK_ERR(hcp_set__set_label(set, longest), EINVAL);
	longest[HCP_NAME_LEN - 1] = '\0';
	CHECK(!hcp_set__set_label(set, longest) && !strcmp(hcp_set__label(set), longest));
	CHECK(!hcp_set__set_label(set, "web 1") && !strcmp(hcp_set__label(set), "web 1"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		CHECK_ERR(hcp_set__set_label(set, bad[i]), EINVAL);
	CHECK_ERR(hcp_set__set_label(set, NULL), EINVAL);
	CHECK(!strcmp(hcp_set__label(set), "web 1"));
	CHECK(!hcp_set__set_label(set, "") && !strcmp(hcp_set__label(set), ""));
	hcp_set__free(set);
}

static bool said_einval(void)
{
	bool yes = errno == EINVAL;

	errno = 0;
	return yes;
}

TEST(no_set_is_EINVAL)
{
	struct hcp_reason reason;
	struct hcp_range r = {};

	errno = 0;
	CHECK(!hcp_set__update(NULL, 0, 1, true) && said_einval());
	CHECK(hcp_set__exit(NULL, 0, 1, 0) == -22);
	errno = 0;
	CHECK(!hcp_set__test(NULL, 0) && said_einval());
	CHECK(!hcp_set__next(NULL, &r) && said_einval());
	CHECK(!hcp_set__next(NULL, NULL) && said_einval());
	CHECK(!hcp_set__count(NULL) && said_einval());
	CHECK(!hcp_set__complete(NULL) && said_einval());
	CHECK(hcp_set__state(NULL) && said_einval());
	CHECK(!hcp_set__missed(NULL) && said_einval());
	CHECK(!hcp_set__beyond(NULL) && said_einval());
	CHECK(!hcp_set__reach(NULL) && said_einval());
	CHECK(!hcp_set__npages(NULL) && said_einval());
	CHECK(!hcp_set__words(NULL) && said_einval());
	CHECK(!hcp_set__label(NULL) && said_einval());
	CHECK(!hcp_set__why(NULL, 0, 0, &reason) && said_einval());
	CHECK_ERR(hcp_set__set_label(NULL, ""), EINVAL);
	hcp_set__lost(NULL, 0, 1);
	CHECK(said_einval());
	hcp_set__reset(NULL);
	CHECK(said_einval());
	hcp_set__await_restore(NULL);
	CHECK(said_einval());
}

TEST(runs_are_sorted_and_merged)
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

TEST(reset_forgets_the_old_guest)
{
	static uint64_t words[HCP_CHUNK_WORDS];
	struct hcp_info info = {
		.version = HCP_INFO_VERSION,
		.npages = HCP_CHUNK_PAGES,
		.reach = 64,
		.state = ~0U,
	};
	struct hcp_set *set = hcp_set__new_over(words, &info);

	CHECK(set && hcp_set__reach(set) == 64);
	hcp_set__update(set, 0, UINT64_MAX, true);
	hcp_set__lost(set, 0, UINT64_MAX);
	hcp_set__reset(set);
	CHECK(!hcp_set__count(set) && !hcp_set__missed(set) && !hcp_set__beyond(set));
	CHECK(hcp_set__reach(set) == HCP_CHUNK_PAGES);
	CHECK(hcp_set__state(set) == (HCP_DETACHED | HCP_UNATTACHED | HCP_AWAITS_RESTORE));
	info.state = HCP_DETACHED | HCP_RUNNING | HCP_CHANGING | HCP_LATE;
	hcp_set__reset(set);
	CHECK(hcp_set__state(set) == HCP_DETACHED && !hcp_set__complete(set));

	info.state = 0;
	CHECK(hcp_set__complete(set));
	info.missed = 1;
	CHECK(!hcp_set__complete(set));
	hcp_set__free(set);
}

TEST(exits_are_answered_as_kvm_does)
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
	CHECK(hcp_set__test(set, PAGES - 1) && hcp_set__beyond(set) == 3);
	CHECK(hcp_set__exit(set, 0xfffffffffffff000, 1, 0) == 0);
	CHECK(hcp_set__beyond(set) == 4);
	CHECK(hcp_set__exit(set, 0, UINT64_MAX, ENC) == 0);
	CHECK(hcp_set__count(set) == 0);
	hcp_set__free(set);
}

/* A fresh set has chunks that scans skip, and each of these ranges ends that for some. */
TEST(nothing_shared_is_skipped)
{
	static const struct hcp_range ranges[] = {
		{ 0, 1 }, { HCP_CHUNK_PAGES - 1, 2 }, { HCP_CHUNK_PAGES, 1 }, { PAGES - 1, 1 },
		{ HCP_CHUNK_PAGES, HCP_CHUNK_PAGES }, { 64, PAGES - 65 }, { 0, PAGES },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		struct hcp_set *set = hcp_set__new(PAGES);
		struct hcp_range r = {};

		CHECK(set && !hcp_set__next(set, &r) && !hcp_set__count(set));
		hcp_set__update(set, ranges[i].gfn, ranges[i].npages, true);
		CHECK(hcp_set__next(set, &r) && !memcmp(&r, &ranges[i], sizeof(r)));
		CHECK(!hcp_set__next(set, &r) && hcp_set__count(set) == ranges[i].npages);
		hcp_set__reset(set);
		CHECK(!hcp_set__count(set) && !hcp_set__test(set, ranges[i].gfn));
		hcp_set__free(set);
	}
}

TEST(what_cannot_be_a_set)
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

TEST(the_largest_set_costs_what_is_written)
{
	void *room = mmap(NULL, 1ULL << 37, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct hcp_set *set;

	if (room == MAP_FAILED)
		tap_skip("no 128 GiB of address space (ulimit -v, or overcommit is off)");
	munmap(room, 1ULL << 37);
	set = hcp_set__new(1ULL << 40);
	CHECK(set);
	CHECK(hcp_set__update(set, (1ULL << 40) - 1, 1, true) == 1);
	CHECK(hcp_set__test(set, (1ULL << 40) - 1) && !hcp_set__test(set, (1ULL << 40) - 2));
	hcp_set__free(set);
}

TAP_MAIN
