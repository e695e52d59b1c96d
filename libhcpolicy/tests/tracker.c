// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The migration tracker against a model of bytes a page, with a guest that converts
 * and writes between its calls.  SEED=N in the environment repeats a run.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <ucontext.h>
#include <hcpolicy/tracker.h>
#include "random.h"
#include "../../selftests/tap.h"

#define PAGES	(2ULL * HCP_CHUNK_PAGES)
#define WORDS	(PAGES / 64)
#define SLOTS	8
#define ALIAS	100	/* an alias' number is its slot's and this */
#define STEPS	15000

/* Slots on both sides of words and next to each other, with holes between. */
static const struct hcp_range places[SLOTS] = {
	{ 0, 1 }, { 1, 62 }, { 63, 2 }, { 70, 640 }, { 1024, 64 * 50 + 7 }, { 5001, 129 },
	{ HCP_CHUNK_PAGES - 3, 777 }, { PAGES - 131, 131 },
};

/* What the tracker should know, in bytes. */
static struct model {
	bool there[SLOTS], alias[SLOTS];
	unsigned char shared[PAGES];	/* what the set says */
	unsigned char dirty[PAGES], alias_dirty[PAGES];	/* the logs */
	unsigned char need[PAGES];	/* never sent, left over, or noticed */
	unsigned char sent[PAGES];	/* the status of the last send */
} m;

static struct hcp_set *set;
static struct hcp_tracker *tracker;
static uint64_t words[WORDS + 1];

static bool bit(uint64_t i)
{
	return words[i / 64] >> i % 64 & 1;
}

static void convert(uint64_t gfn, uint64_t n, bool shared)
{
	CHECK(hcp_set__update(set, gfn, n, shared) == n);
	memset(m.shared + gfn, shared, n);
}

static void check_pending(void)
{
	uint64_t n = 0;

	for (int s = 0; s < SLOTS; s++)
		for (uint64_t i = 0; m.there[s] && i < places[s].npages; i++) {
			uint64_t g = places[s].gfn + i;

			n += m.need[g] || m.sent[g] != m.shared[g];
		}
	CHECK(hcp_tracker__pending(tracker) == n);
}

/* What was written through an alias is in no log once it is gone, nor before it is there. */
static void plug_or_unplug_alias(int s)
{
	uint64_t gfn = places[s].gfn, n = places[s].npages;

	if (m.alias[s])
		CHECK(!hcp_tracker__remove_slot(tracker, s + ALIAS));
	else
		CHECK(!hcp_tracker__add_alias(tracker, s + ALIAS, s));
	m.alias[s] = !m.alias[s];
	memset(m.need + gfn, 1, n);
	memset(m.alias_dirty + gfn, 0, n);
}

static void plug_or_unplug(int s, bool alias)
{
	uint64_t gfn = places[s].gfn, n = places[s].npages;

	if (m.there[s]) {
		CHECK(!hcp_tracker__remove_slot(tracker, s));
		CHECK_ERR(hcp_tracker__take(tracker, gfn), ENOENT);
		CHECK_ERR(hcp_tracker__round(tracker, s, words), ENOENT);
		CHECK_ERR(hcp_tracker__round(tracker, s + ALIAS, words), ENOENT);
	} else {
		CHECK(!hcp_tracker__add_slot(tracker, s, gfn, n));
		if (alias)
			CHECK(!hcp_tracker__add_alias(tracker, s + ALIAS, s));
		m.alias[s] = alias;
		memset(m.need + gfn, 1, n);
		memset(m.dirty + gfn, 0, n);
		memset(m.alias_dirty + gfn, 0, n);
	}
	m.there[s] = !m.there[s];
}

/* Get and clear a log; what lies beyond the slot's end is noise. */
static void get_log(unsigned char *dirty, uint64_t n, uint64_t noise)
{
	uint64_t i;

	memset(words, 0, sizeof(words));
	for (i = 0; i < n; i++)
		words[i / 64] |= (uint64_t)dirty[i] << i % 64;
	for (; i % 64; i++)
		words[i / 64] |= (noise >> i % 64 & 1) << i % 64;
	words[i / 64] = 0xdead;
	memset(dirty, 0, n);
}

static void play_round(int s, uint64_t *state)
{
	uint64_t gfn = places[s].gfn, n = places[s].npages, end = (n + 63) / 64 * 64, want = 0;
	uint64_t budget = rnd(state) % 3 ? n : rnd(state) % n;

	if (m.alias[s]) {
		for (uint64_t g = gfn; g < gfn + n; g++)
			m.need[g] |= m.alias_dirty[g];
		get_log(m.alias_dirty + gfn, n, rnd(state));
		CHECK(hcp_tracker__round(tracker, s + ALIAS, words) == 0);
		for (uint64_t i = 0; i < end; i++)
			CHECK(!bit(i));
		CHECK(words[end / 64] == 0xdead);
	}

	for (uint64_t g = gfn; g < gfn + n; g++) {
		m.need[g] |= m.dirty[g] || m.sent[g] != m.shared[g];
		want += m.need[g];
	}
	get_log(m.dirty + gfn, n, rnd(state));
	CHECK(hcp_tracker__round(tracker, s, words) == (int64_t)want);
	for (uint64_t i = 0; i < end; i++)
		CHECK(bit(i) == (i < n && m.need[gfn + i]));
	CHECK(words[end / 64] == 0xdead);

	for (uint64_t i = 0; i < n && budget; i++) {
		if (!bit(i))
			continue;
		budget--;
		/* Conversions while pages are being sent. */
		if (rnd(state) % 16 == 0)
			convert(gfn + i, 1, !m.shared[gfn + i]);
		CHECK(hcp_tracker__take(tracker, gfn + i) == m.shared[gfn + i]);
		m.sent[gfn + i] = m.shared[gfn + i];
		m.need[gfn + i] = 0;
	}
}

static void skip(uint64_t gfn, uint64_t n)
{
	int64_t want = 0;

	for (int s = 0; s < SLOTS; s++)
		for (uint64_t i = 0; m.there[s] && i < places[s].npages; i++) {
			uint64_t g = places[s].gfn + i;

			if (g < gfn || g - gfn >= n)
				continue;
			m.sent[g] = m.shared[g];
			m.need[g] = 0;
			want++;
		}
	CHECK(hcp_tracker__skip(tracker, gfn, n) == want);
}

static void begin(uint64_t npages, const struct hcp_tracker_opts *opts)
{
	memset(&m, 0, sizeof(m));
	set = hcp_set__new(npages);
	CHECK(set);
	tracker = hcp_tracker__new(set, opts);
	CHECK(tracker);
}

static void end(void)
{
	hcp_tracker__free(tracker);
	hcp_set__free(set);
}

TEST(random_rounds_match_a_model)
{
	uint64_t state = tap_seed();

	begin(PAGES, NULL);
	for (int i = 0; i < STEPS; i++) {
		uint64_t gfn = rnd(&state) % PAGES, n = rnd(&state) % 100 + 1;
		int s = rnd(&state) % SLOTS;

		if (n > PAGES - gfn)
			n = PAGES - gfn;
		/* Most of the time where slots are. */
		if (rnd(&state) % 4 && n < places[s].npages)
			gfn = places[s].gfn + rnd(&state) % (places[s].npages - n);
		switch (rnd(&state) % 32) {
		case 0:
			if (m.there[s] && rnd(&state) & 1)
				plug_or_unplug_alias(s);
			else
				plug_or_unplug(s, rnd(&state) & 1);
			break;
		case 1:
			if (rnd(&state) % 8)
				break;
			hcp_tracker__restart(tracker);
			memset(m.need, 1, PAGES);
			break;
		case 2 ... 11:
			convert(gfn, n, rnd(&state) & 1);
			break;
		case 12:
			skip(gfn, n);
			break;
		case 13 ... 16:
			memset(m.dirty + gfn, 1, n);
			break;
		case 17 ... 21:
			memset(m.alias_dirty + gfn, 1, n);
			break;
		default:
			if (m.there[s])
				play_round(s, &state);
		}
		if (i % 16 == 0)
			check_pending();
	}
	end();
}

static uint64_t *random_bits(uint64_t nwords, uint64_t *state)
{
	uint64_t *bits = malloc(nwords * sizeof(*bits));	/* no room for a word more */

	CHECK(bits);
	for (uint64_t i = 0; i < nwords; i++)
		bits[i] = rnd(state) & rnd(state);
	return bits;
}

/* A round in a bitmap where others have bits before the slot's and after them. */
static void play_round_into(uint64_t gfn, uint64_t n, uint64_t *state)
{
	uint64_t at = rnd(state) % 200, nwords = (at + n + 63) / 64;
	uint64_t *bitmap = random_bits(nwords, state), *old = random_bits(nwords, state);
	int64_t want = 0;

	/* Of the alias first: they are noted, and stay. */
	memcpy(old, bitmap, nwords * sizeof(*old));
	CHECK(hcp_tracker__round_into(tracker, ALIAS, bitmap, at) == 0);
	CHECK(!memcmp(bitmap, old, nwords * sizeof(*old)));
	for (uint64_t i = 0; i < n; i++)
		m.need[gfn + i] |= old[(at + i) / 64] >> (at + i) % 64 & 1;
	free(old);
	free(bitmap);

	bitmap = random_bits(nwords, state);
	old = memcpy(random_bits(nwords, state), bitmap, nwords * sizeof(*old));
	for (uint64_t i = 0; i < n; i++) {
		bool dirty = old[(at + i) / 64] >> (at + i) % 64 & 1;

		m.need[gfn + i] |= dirty || m.sent[gfn + i] != m.shared[gfn + i];
		want += m.need[gfn + i] && !dirty;
	}
	CHECK(hcp_tracker__round_into(tracker, 0, bitmap, at) == want);
	for (uint64_t i = 0; i < nwords * 64; i++) {
		bool was = old[i / 64] >> i % 64 & 1;

		CHECK((bitmap[i / 64] >> i % 64 & 1) ==
		      (i >= at && i < at + n ? m.need[gfn + i - at] : was));
	}
	free(old);
	free(bitmap);
}

TEST(rounds_into_one_bitmap_match_a_model)
{
	uint64_t state = tap_seed();

	for (int i = 0; i < 400; i++) {
		uint64_t n = 1 + rnd(&state) % (i % 2 ? 70 : 700), gfn = rnd(&state) % (PAGES - n);

		/* Both kinds of loops. */
		if (i % 3 == 0)
			gfn &= ~63ULL;
		begin(PAGES, NULL);
		CHECK(!hcp_tracker__add_slot(tracker, 0, gfn, n));
		CHECK(!hcp_tracker__add_alias(tracker, ALIAS, 0));
		memset(m.need + gfn, 1, n);
		for (int round = 0; round < 8; round++) {
			play_round_into(gfn, n, &state);
			for (uint64_t g = gfn; g < gfn + n; g++) {
				if (rnd(&state) % 8 == 0)
					convert(g, 1, !m.shared[g]);
				if (!m.need[g] || rnd(&state) % 4 == 0)
					continue;
				CHECK(hcp_tracker__take(tracker, g) == m.shared[g]);
				m.sent[g] = m.shared[g];
				m.need[g] = 0;
			}
		}
		end();
	}
}

/* Pages in the middle of a word of which others have the rest. */
#define OURS	(~0ULL >> 40 << 30)

static struct {
	uint64_t word;
	bool started, end;
} together;

static void *change_the_rest(void *arg)
{
	bool ok = true;

	while (!__atomic_load_n(&together.end, __ATOMIC_RELAXED)) {
		__atomic_fetch_or(&together.word, ~OURS, __ATOMIC_RELAXED);
		ok &= (__atomic_load_n(&together.word, __ATOMIC_RELAXED) | OURS) == ~0ULL;
		__atomic_fetch_and(&together.word, OURS, __ATOMIC_RELAXED);
		ok &= !(__atomic_load_n(&together.word, __ATOMIC_RELAXED) & ~OURS);
		__atomic_store_n(&together.started, true, __ATOMIC_RELAXED);
	}
	return ok ? NULL : arg;
}

TEST(no_change_of_a_neighbour_is_lost)
{
	pthread_t thread;
	void *wrong;

	begin(PAGES, NULL);
	CHECK(!hcp_tracker__add_slot(tracker, 0, 5, 24));
	CHECK(!pthread_create(&thread, NULL, change_the_rest, &together));
	WAIT_UNTIL(__atomic_load_n(&together.started, __ATOMIC_RELAXED));
	for (int i = 0; i < 1000000; i++) {
		CHECK(hcp_tracker__round_into(tracker, 0, &together.word, 30) == 24);
		__atomic_fetch_and(&together.word, ~OURS, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&together.end, true, __ATOMIC_RELAXED);
	CHECK(!pthread_join(thread, &wrong) && !wrong);
	end();
}

TEST(a_flip_without_a_write_is_sent_again)
{
	begin(PAGES, NULL);
	CHECK(!hcp_tracker__add_slot(tracker, 0, 0, 64));
	CHECK(hcp_tracker__round(tracker, 0, memset(words, 0, sizeof(words))) == 64);
	for (int i = 0; i < 64; i++)
		CHECK(hcp_tracker__take(tracker, i) == 0);
	CHECK(hcp_tracker__pending(tracker) == 0);

	convert(7, 1, true);
	CHECK(hcp_tracker__pending(tracker) == 1);
	CHECK(hcp_tracker__round(tracker, 0, memset(words, 0, sizeof(words))) == 1);
	CHECK(words[0] == 1 << 7);
	/* Back again before it is sent: it is sent all the same, and as private. */
	convert(7, 1, false);
	CHECK(hcp_tracker__take(tracker, 7) == 0);
	CHECK(hcp_tracker__round(tracker, 0, memset(words, 0, sizeof(words))) == 0);
	end();
}

TEST(a_skipped_page_comes_when_it_is_written_or_converted)
{
	begin(PAGES, NULL);
	CHECK(!hcp_tracker__add_slot(tracker, 0, 10, 100));
	CHECK(!hcp_tracker__add_slot(tracker, 1, 110, 70));
	CHECK(!hcp_tracker__add_slot(tracker, 2, 300, 10));
	convert(60, 100, true);
	/* Over three slots, a hole, and what is before and behind them. */
	CHECK(hcp_tracker__skip(tracker, 5, 300) == 175);
	CHECK(hcp_tracker__pending(tracker) == 5);
	CHECK(hcp_tracker__skip(tracker, 305, UINT64_MAX) == 5);
	CHECK(hcp_tracker__skip(tracker, 0, UINT64_MAX) == 180);
	CHECK(hcp_tracker__skip(tracker, 10, 0) == 0 && hcp_tracker__skip(tracker, 400, 9) == 0);
	CHECK(hcp_tracker__pending(tracker) == 0);

	convert(61, 1, false);
	memset(words, 0, sizeof(words));
	words[1] = 2;
	CHECK(hcp_tracker__round(tracker, 0, words) == 2);
	CHECK(words[0] == 1ULL << 51 && words[1] == 2);
	end();
}

TEST(what_was_not_asked_for_is_left_over)
{
	begin(PAGES, NULL);
	CHECK(!hcp_tracker__add_slot(tracker, 3, 100, 100));
	CHECK(hcp_tracker__round(tracker, 3, memset(words, 0, sizeof(words))) == 100);
	for (int i = 0; i < 99; i++)
		CHECK(hcp_tracker__take(tracker, 100 + i) == 0);
	CHECK(hcp_tracker__pending(tracker) == 1);
	CHECK(hcp_tracker__round(tracker, 3, memset(words, 0, sizeof(words))) == 1);
	CHECK(!words[0] && words[1] == 1ULL << 35);
	CHECK(hcp_tracker__take(tracker, 199) == 0);
	CHECK(hcp_tracker__round(tracker, 3, memset(words, 0, sizeof(words))) == 0);
	end();
}

TEST(a_slot_that_comes_back_was_never_sent)
{
	begin(PAGES, NULL);
	for (int i = 0; i < 2; i++) {
		CHECK(!hcp_tracker__add_slot(tracker, 3, 100, 100));
		CHECK(hcp_tracker__round(tracker, 3, memset(words, 0, sizeof(words))) == 100);
		for (int gfn = 100; gfn < 200; gfn++)
			CHECK(hcp_tracker__take(tracker, gfn) == 0);
		CHECK(!hcp_tracker__remove_slot(tracker, 3));
		CHECK(hcp_tracker__pending(tracker) == 0);
	}
	end();
}

TEST(an_alias_is_dirty_in_its_slot)
{
	begin(PAGES, NULL);
	CHECK(!hcp_tracker__add_slot(tracker, 0, 0, 128));
	CHECK(!hcp_tracker__add_alias(tracker, 9, 0));
	CHECK(!hcp_tracker__add_alias(tracker, 8, 0));
	CHECK(hcp_tracker__round(tracker, 0, words) == 128);
	for (int i = 0; i < 128; i++)
		CHECK(hcp_tracker__take(tracker, i) == 0);

	memset(words, 0, sizeof(words));
	words[1] = 4;
	CHECK(hcp_tracker__round(tracker, 9, words) == 0 && !words[1]);
	words[0] = 2;
	CHECK(hcp_tracker__round(tracker, 8, words) == 0 && !words[0]);
	CHECK(hcp_tracker__round(tracker, 0, words) == 2);
	CHECK(words[0] == 2 && words[1] == 4);

	/* It goes with its slot. */
	CHECK(!hcp_tracker__remove_slot(tracker, 0));
	CHECK_ERR(hcp_tracker__round(tracker, 9, words), ENOENT);
	CHECK(!hcp_tracker__add_slot(tracker, 9, 0, 128));
	end();
}

static void send_all(uint64_t gfn, uint64_t npages)
{
	while (npages--)
		CHECK(hcp_tracker__take(tracker, gfn++) == 0);
}

/* KVM drops its dirty log with it, so any page may have been written through it. */
TEST(an_alias_that_goes_takes_its_slot_back_to_the_start)
{
	begin(PAGES, NULL);
	CHECK(!hcp_tracker__add_slot(tracker, 0, 0, 128));
	CHECK(!hcp_tracker__add_slot(tracker, 1, 128, 10));
	CHECK(!hcp_tracker__add_alias(tracker, 8, 0));
	CHECK(!hcp_tracker__add_alias(tracker, 9, 0));
	send_all(0, 138);
	CHECK(hcp_tracker__pending(tracker) == 0);

	CHECK(!hcp_tracker__remove_slot(tracker, 8));
	CHECK_ERR(hcp_tracker__round(tracker, 8, words), ENOENT);
	CHECK(hcp_tracker__pending(tracker) == 128);
	CHECK(hcp_tracker__round(tracker, 0, memset(words, 0, sizeof(words))) == 128);
	CHECK(hcp_tracker__round(tracker, 1, memset(words, 0, sizeof(words))) == 0);
	/* The other alias is still one. */
	send_all(0, 128);
	words[0] = 2;
	CHECK(hcp_tracker__round(tracker, 9, words) == 0);
	CHECK(hcp_tracker__pending(tracker) == 1);
	end();
}

/* Nor is what was written through it before its log began in any. */
TEST(so_does_an_alias_that_comes)
{
	begin(PAGES, NULL);
	CHECK(!hcp_tracker__add_slot(tracker, 0, 0, 128));
	CHECK(!hcp_tracker__add_slot(tracker, 1, 128, 10));
	send_all(0, 138);
	CHECK_ERR(hcp_tracker__add_alias(tracker, 1, 0), EEXIST);
	CHECK_ERR(hcp_tracker__add_alias(tracker, 8, 2), ENOENT);
	CHECK(hcp_tracker__pending(tracker) == 0);
	CHECK(!hcp_tracker__add_alias(tracker, 8, 0));
	CHECK(hcp_tracker__pending(tracker) == 128);
	end();
}

/* A set that stops being right at the nth look, by one way or the other. */
static int looks, last_good;
static bool lose_a_request;

static bool kept(void *ctx)
{
	CHECK(ctx == &looks);
	if (looks++ < last_good)
		return true;
	if (lose_a_request)
		hcp_set__lost(set, 0, 1);
	return lose_a_request;
}

static const struct hcp_tracker_opts watched = {
	.sz = sizeof(watched), .kept = kept, .ctx = &looks,
};

static int64_t any_round(bool into, uint32_t slot)
{
	return into ? hcp_tracker__round_into(tracker, slot, words, 0) :
		      hcp_tracker__round(tracker, slot, words);
}

TEST(a_set_that_fails_loses_nothing)
{
	for (int way = 0; way < 4; way++) {
		/* The look of new() is the first; the rounds below look twice each. */
		for (int at = 3; at < 5; at++) {
			int error = way & 1 ? EUCLEAN : ENOLINK;

			looks = 0;
			last_good = at;
			lose_a_request = way & 1;
			begin(PAGES, &watched);
			CHECK(!hcp_tracker__add_slot(tracker, 0, 5, 200));
			CHECK(!hcp_tracker__add_alias(tracker, 1, 0));
			memset(words, 0, sizeof(words));
			CHECK(hcp_tracker__round(tracker, 0, words) == 200);
			for (int i = 0; i < 200; i++)
				CHECK(hcp_tracker__take(tracker, 5 + i) == 0);
			CHECK(hcp_tracker__pending(tracker) == 0);

			words[0] = 0x10, words[1] = 0, words[2] = 1, words[3] = 0xff << 8;
			CHECK_ERR(any_round(way & 2, 0), error);
			CHECK(words[0] == 0x10 && !words[1] && words[2] == 1 && words[3] == 0xff00);
			CHECK(hcp_tracker__pending(tracker) == 2);
			words[0] = 0x20, words[2] = 0;
			CHECK_ERR(any_round(way & 2, 1), error);
			CHECK(words[0] == 0x20 && hcp_tracker__pending(tracker) == 3);

			/* The set is right again: a reset, or its policy was wrong to doubt. */
			hcp_set__reset(set);
			last_good = 1000;
			CHECK(hcp_tracker__round(tracker, 0, memset(words, 0, sizeof(words))) == 3);
			CHECK(words[0] == 0x30 && words[2] == 1);
			end();
		}
	}
}

TEST(only_a_right_set_is_tracked)
{
	struct hcp_tracker_opts force = { .sz = sizeof(force), .force = true };

	set = hcp_set__new(PAGES);
	looks = last_good = lose_a_request = 0;
	CHECK_NULL(hcp_tracker__new(set, &watched), ENOLINK);
	hcp_set__lost(set, 0, 1);
	CHECK_NULL(hcp_tracker__new(set, NULL), EUCLEAN);

	tracker = hcp_tracker__new(set, &force);
	CHECK(tracker);
	CHECK(!hcp_tracker__add_slot(tracker, 0, 0, 10));
	CHECK(hcp_tracker__round(tracker, 0, memset(words, 0, sizeof(words))) == 10);
	hcp_tracker__free(tracker);
	hcp_tracker__free(NULL);

	hcp_set__free(set);
}

static char said[512];

static void say(void *ctx, const char *line)
{
	CHECK(ctx == said && !strchr(line, '\n'));
	snprintf(said, sizeof(said), "%s", line);
}

/* The call fails so, with these words. */
#define CHECK_SAYS(call, error, words)	do {					\
	said[0] = '\0';								\
	CHECK_ERR(call, error);							\
	CHECK(strstr(said, words));						\
} while (0)

TEST(errors_come_with_words)
{
	struct hcp_tracker_opts opts = {
		.sz = sizeof(opts), .kept = kept, .ctx = &looks, .log = say, .log_ctx = said,
	};

	set = hcp_set__new(PAGES);
	looks = lose_a_request = 0;
	last_good = 1000;
	hcp_set__lost(set, 0, 3);
	CHECK_SAYS(hcp_tracker__new(set, &opts) ? 0 : -errno, EUCLEAN, "3 pages missed");
	hcp_set__reset(set);
	hcp_set__await_restore(set);
	CHECK_SAYS(hcp_tracker__new(set, &opts) ? 0 : -errno, EUCLEAN, "awaits a restore");
	hcp_set__arrived(set);
	hcp_set__reset(set);
	last_good = 0;
	CHECK_SAYS(hcp_tracker__new(set, &opts) ? 0 : -errno, ENOLINK, "not attached any more");

	last_good = 1000;
	tracker = hcp_tracker__new(set, &opts);
	CHECK(tracker && !hcp_tracker__add_slot(tracker, 7, 0, 10));
	CHECK_SAYS(hcp_tracker__add_slot(tracker, 8, 100, 0), EINVAL, "slot 8 has no pages");
	CHECK_SAYS(hcp_tracker__add_slot(tracker, 8, PAGES, 1), ERANGE, "slot 8");
	CHECK_SAYS(hcp_tracker__add_slot(tracker, 7, 100, 1), EEXIST, "slot 7");
	CHECK_SAYS(hcp_tracker__add_slot(tracker, 8, 5, 1), EEXIST, "another slot");
	CHECK_SAYS(hcp_tracker__add_alias(tracker, 8, 9), ENOENT, "slot 9");
	CHECK_SAYS(hcp_tracker__add_alias(tracker, 7, 7), EEXIST, "slot 7");
	CHECK_SAYS(hcp_tracker__remove_slot(tracker, 9), ENOENT, "slot 9");
	CHECK_SAYS(hcp_tracker__round(tracker, 9, words), ENOENT, "slot 9");
	CHECK_SAYS(hcp_tracker__take(tracker, 0x5000), ENOENT, "0x5000");
	hcp_set__lost(set, 0, 1);
	CHECK_SAYS(hcp_tracker__round(tracker, 7, words), EUCLEAN, "1 page missed");
	hcp_tracker__free(tracker);
	hcp_set__free(set);
}

/* A guest asks for frames beyond the set, which may be no memory: of memory there nobody knows. */
TEST(memory_beyond_the_set_cannot_be_tracked)
{
	struct hcp_info info = {
		.version = HCP_INFO_VERSION, .npages = PAGES, .reach = PAGES,
	};
	static uint64_t set_words[PAGES / 64];

	set = hcp_set__new_over(set_words, &info);
	hcp_set__update(set, PAGES - 1, 2, true);
	CHECK(hcp_set__beyond(set) == 1);
	tracker = hcp_tracker__new(set, NULL);
	CHECK(tracker && !hcp_tracker__add_slot(tracker, 0, 0, 64));
	CHECK(!hcp_tracker__add_slot(tracker, 1, PAGES - 64, 64));
	CHECK(hcp_tracker__round(tracker, 0, memset(words, 0, sizeof(words))) == 64);
	CHECK_ERR(hcp_tracker__add_slot(tracker, 2, PAGES, 1), ERANGE);
	CHECK(!hcp_tracker__remove_slot(tracker, 1));

	/* Restored from a smaller one, of which some requests lay beyond. */
	info.reach = PAGES - 64;
	CHECK_ERR(hcp_tracker__add_slot(tracker, 1, PAGES - 64, 64), ERANGE);
	CHECK_ERR(hcp_tracker__add_slot(tracker, 1, PAGES - 65, 2), ERANGE);
	CHECK(!hcp_tracker__add_slot(tracker, 1, PAGES - 65, 1));
	info.reach = PAGES - 65;
	words[0] = 2;
	CHECK_ERR(hcp_tracker__round(tracker, 0, words), ERANGE);
	CHECK_ERR(hcp_tracker__round_into(tracker, 0, words, 1), ERANGE);
	CHECK(words[0] == 2);
	hcp_tracker__free(tracker);
	tracker = hcp_tracker__new(set, NULL);
	CHECK(tracker);
	end();
}

TEST(no_tracker_is_EINVAL)
{
	CHECK_NULL(hcp_tracker__new(NULL, NULL), EINVAL);
	CHECK_ERR(hcp_tracker__add_slot(NULL, 0, 0, 1), EINVAL);
	CHECK_ERR(hcp_tracker__add_alias(NULL, 0, 0), EINVAL);
	CHECK_ERR(hcp_tracker__remove_slot(NULL, 0), EINVAL);
	CHECK_ERR(hcp_tracker__round(NULL, 0, words), EINVAL);
	CHECK_ERR(hcp_tracker__round_into(NULL, 0, words, 0), EINVAL);
	CHECK_ERR(hcp_tracker__take(NULL, 0), EINVAL);
	CHECK_ERR(hcp_tracker__skip(NULL, 0, 1), EINVAL);
	errno = 0;
	CHECK(!hcp_tracker__pending(NULL) && errno == EINVAL);
	hcp_tracker__restart(NULL);
	begin(PAGES, NULL);
	CHECK_ERR(hcp_tracker__round(tracker, 0, NULL), EINVAL);
	CHECK_ERR(hcp_tracker__round_into(tracker, 0, NULL, 0), EINVAL);
	end();
}

static bool is_new(const struct hcp_tracker_opts *opts)
{
	struct hcp_tracker *new = hcp_tracker__new(set, opts);

	hcp_tracker__free(new);
	return new;
}

/* No byte that an initialiser leaves as it was. */
_Static_assert(sizeof(struct hcp_tracker_opts) == offsetof(struct hcp_tracker_opts, log_ctx) +
	       sizeof(((struct hcp_tracker_opts *)0)->log_ctx), "padding");

TEST(options_of_another_version)
{
	struct {
		struct hcp_tracker_opts opts;
		uint64_t more;
	} o = { { .sz = sizeof(o), .kept = kept, .ctx = &looks, .force = true }, 0 };
	uint8_t *last = &o.opts.reserved[sizeof(o.opts.reserved) - 1];

	set = hcp_set__new(PAGES);
	last_good = 1000;
	hcp_set__lost(set, 0, 1);
	CHECK(is_new(&o.opts));
	o.more = 1;
	CHECK_NULL(hcp_tracker__new(set, &o.opts), E2BIG);
	o.opts.sz = sizeof(o.opts);
	CHECK(is_new(&o.opts));
	/* Where a later version may have an option. */
	*last = 1;
	CHECK_NULL(hcp_tracker__new(set, &o.opts), E2BIG);

	/* What an earlier one does not have is 0, whatever lies there. */
	*last = 0;
	o.opts.sz = offsetof(struct hcp_tracker_opts, force) + 1;
	CHECK(is_new(&o.opts));
	o.opts.sz = offsetof(struct hcp_tracker_opts, force);
	CHECK_NULL(hcp_tracker__new(set, &o.opts), EUCLEAN);
	hcp_set__reset(set);
	last_good = 0;
	CHECK_NULL(hcp_tracker__new(set, &o.opts), ENOLINK);
	for (o.opts.sz = offsetof(struct hcp_tracker_opts, ctx) - 1; o.opts.sz >= sizeof(o.opts.sz);
	     o.opts.sz--)
		CHECK(is_new(&o.opts));
	CHECK_NULL(hcp_tracker__new(set, &o.opts), EINVAL);
	o.opts.sz = 0;
	CHECK_NULL(hcp_tracker__new(set, &o.opts), EINVAL);
	hcp_set__free(set);
}

TEST(what_cannot_be_a_slot)
{
	begin(PAGES, NULL);
	CHECK_ERR(hcp_tracker__add_slot(tracker, 1, 10, 0), EINVAL);
	CHECK_ERR(hcp_tracker__add_slot(tracker, 1, PAGES, 1), ERANGE);
	CHECK_ERR(hcp_tracker__add_slot(tracker, 1, PAGES + 1, 1), ERANGE);
	CHECK_ERR(hcp_tracker__add_slot(tracker, 1, PAGES - 1, 2), ERANGE);
	CHECK_ERR(hcp_tracker__add_slot(tracker, 1, 5, UINT64_MAX), ERANGE);
	CHECK_ERR(hcp_tracker__add_slot(tracker, 1, UINT64_MAX, UINT64_MAX), ERANGE);
	CHECK(!hcp_tracker__add_slot(tracker, 1, 10, 10));
	CHECK(!hcp_tracker__add_slot(tracker, UINT32_MAX, PAGES - 1, 1));
	CHECK_ERR(hcp_tracker__add_slot(tracker, 1, 50, 1), EEXIST);
	CHECK_ERR(hcp_tracker__add_slot(tracker, 2, 10, 10), EEXIST);
	CHECK_ERR(hcp_tracker__add_slot(tracker, 2, 0, 11), EEXIST);
	CHECK_ERR(hcp_tracker__add_slot(tracker, 2, 19, 1), EEXIST);
	CHECK_ERR(hcp_tracker__add_slot(tracker, 2, 0, PAGES), EEXIST);
	CHECK(!hcp_tracker__add_slot(tracker, 2, 0, 10));
	CHECK(!hcp_tracker__add_slot(tracker, 3, 20, 1));

	CHECK_ERR(hcp_tracker__add_alias(tracker, 9, 8), ENOENT);
	CHECK_ERR(hcp_tracker__add_alias(tracker, 2, 1), EEXIST);
	CHECK(!hcp_tracker__add_alias(tracker, 9, 1));
	CHECK_ERR(hcp_tracker__add_alias(tracker, 9, 1), EEXIST);
	CHECK_ERR(hcp_tracker__add_alias(tracker, 10, 9), ENOENT);
	CHECK_ERR(hcp_tracker__add_slot(tracker, 9, 50, 1), EEXIST);

	CHECK_ERR(hcp_tracker__remove_slot(tracker, 8), ENOENT);
	words[0] = 1;
	CHECK_ERR(hcp_tracker__round(tracker, 8, words), ENOENT);
	CHECK_ERR(hcp_tracker__round_into(tracker, 8, words, 0), ENOENT);
	CHECK(words[0] == 1);
	CHECK_ERR(hcp_tracker__take(tracker, 21), ENOENT);
	CHECK_ERR(hcp_tracker__take(tracker, PAGES), ENOENT);
	CHECK_ERR(hcp_tracker__take(tracker, UINT64_MAX), ENOENT);
	CHECK(hcp_tracker__take(tracker, PAGES - 1) == 0);
	end();
}

/* Four senders, each every fourth page of every word, while the guest converts. */
#define SENDERS	4
#define ROUNDS	300
#define SHARED_PAGES	(64 * 200 + 11)

static struct {
	pthread_barrier_t start;
	unsigned char sent[SHARED_PAGES];
	int wrong;
} senders;

static void *send_pages(void *arg)
{
	uint64_t first = (uintptr_t)arg;

	pthread_barrier_wait(&senders.start);
	for (uint64_t i = first; i < SHARED_PAGES; i += SENDERS) {
		int shared = hcp_tracker__take(tracker, 37 + i);

		if (shared < 0)
			__atomic_fetch_add(&senders.wrong, 1, __ATOMIC_RELAXED);
		senders.sent[i] = shared;
	}
	return NULL;
}

static void *convert_pages(void *arg)
{
	uint64_t state = ~tap_seed();

	pthread_barrier_wait(&senders.start);
	for (int i = 0; i < 40000; i++) {
		uint64_t first = rnd(&state) % SHARED_PAGES;

		hcp_set__update(set, 37 + first, 1, rnd(&state) & 1);
	}
	return NULL;
}

TEST(senders_share_words)
{
	pthread_t thread[SENDERS + 1];

	begin(PAGES, NULL);
	memset(&senders, 0, sizeof(senders));
	CHECK(!pthread_barrier_init(&senders.start, NULL, SENDERS + 1));
	CHECK(!hcp_tracker__add_slot(tracker, 0, 37, SHARED_PAGES));
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t differ = 0;

		/* Everything again, and the other way round: it is all dirty. */
		CHECK(hcp_set__update(set, 37, SHARED_PAGES, round & 1) == SHARED_PAGES);
		memset(words, 0xff, sizeof(words));
		CHECK(hcp_tracker__round(tracker, 0, words) == SHARED_PAGES);
		for (uintptr_t i = 0; i < SENDERS; i++)
			CHECK(!pthread_create(&thread[i], NULL, send_pages, (void *)i));
		CHECK(!pthread_create(&thread[SENDERS], NULL, convert_pages, NULL));
		for (int i = 0; i <= SENDERS; i++)
			CHECK(!pthread_join(thread[i], NULL));
		CHECK(!senders.wrong);

		/* Nothing was lost: what differs from what was sent is to be sent, and no more. */
		memset(words, 0, sizeof(words));
		for (uint64_t i = 0; i < SHARED_PAGES; i++)
			differ += senders.sent[i] != hcp_set__test(set, 37 + i);
		CHECK(hcp_tracker__pending(tracker) == differ);
		CHECK(hcp_tracker__round(tracker, 0, words) == (int64_t)differ);
		for (uint64_t i = 0; i < SHARED_PAGES; i++)
			CHECK(bit(i) == (senders.sent[i] != hcp_set__test(set, 37 + i)));
	}
	pthread_barrier_destroy(&senders.start);
	end();
}

TEST(a_tebibyte_costs_what_is_sent)
{
	const uint64_t npages = 1ULL << 28, first = 3;
	uint64_t *log = mmap(NULL, npages / 8, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct rusage before, after;

	CHECK(log != MAP_FAILED);
	CHECK(!prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	begin(npages + 64, NULL);
	getrusage(RUSAGE_SELF, &before);
	CHECK(!hcp_tracker__add_slot(tracker, 0, first, npages));
	CHECK(!hcp_tracker__add_slot(tracker, 1, first + npages, 1));
	CHECK(hcp_set__update(set, first + npages - 1, 1, true) == 1);
	for (uint64_t gfn = first; gfn < first + npages; gfn += npages / 64)
		CHECK(hcp_tracker__take(tracker, gfn) == 0);
	CHECK(hcp_tracker__take(tracker, first + npages - 1) == 1);
	getrusage(RUSAGE_SELF, &after);
	/* In KiB: two pages of ours for each that was sent, and some for everything else. */
	CHECK(after.ru_maxrss - before.ru_maxrss < 66 * 2 * 4 + 1024);

	CHECK(hcp_tracker__pending(tracker) == npages - 64);
	CHECK(hcp_tracker__round(tracker, 0, log) == (int64_t)npages - 65);
	CHECK(!(log[0] & 1) && log[0] >> 1 & 1 && !(log[npages / 64 - 1] >> 63));
	getrusage(RUSAGE_SELF, &before);
	/* The log itself is 32 MiB. */
	CHECK(before.ru_maxrss - after.ru_maxrss < (32 << 10) + 1024);
	hcp_tracker__restart(tracker);
	CHECK(hcp_tracker__round(tracker, 0, log) == (int64_t)npages);
	munmap(log, npages / 8);
	end();
	prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
}

#ifdef __x86_64__
/* The processor runs a reader of `trap` for one instruction, and then the guest converts. */
static struct {
	uint64_t *words;
	size_t size;
	int reads;
} trap;

static void on_read(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	if ((uint64_t *)info->si_addr != trap.words)
		abort();
	mprotect(trap.words, trap.size, PROT_READ | PROT_WRITE);
	uc->uc_mcontext.gregs[REG_EFL] |= 0x100;
	trap.reads++;
}

static void after_read(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	trap.words[0] ^= ~0ULL;
	mprotect(trap.words, trap.size, PROT_NONE);
	uc->uc_mcontext.gregs[REG_EFL] &= ~0x100;
}

TEST(a_send_reads_the_status_once)
{
	struct hcp_info info = { .version = HCP_INFO_VERSION, .npages = HCP_CHUNK_PAGES,
				 .reach = HCP_CHUNK_PAGES };
	struct sigaction segv = { .sa_sigaction = on_read, .sa_flags = SA_SIGINFO }, old_segv;
	struct sigaction step = { .sa_sigaction = after_read, .sa_flags = SA_SIGINFO }, old_step;
	int first, second;

	trap.size = HCP_CHUNK_WORDS * 8;
	trap.words = mmap(NULL, trap.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	CHECK(trap.words != MAP_FAILED);
	set = hcp_set__new_over(trap.words, &info);
	tracker = hcp_tracker__new(set, NULL);
	CHECK(set && tracker && !hcp_tracker__add_slot(tracker, 0, 0, 64));

	CHECK(!sigaction(SIGSEGV, &segv, &old_segv) && !sigaction(SIGTRAP, &step, &old_step));
	trap.reads = 0;
	mprotect(trap.words, trap.size, PROT_NONE);
	first = hcp_tracker__take(tracker, 3);
	second = hcp_tracker__take(tracker, 4);
	mprotect(trap.words, trap.size, PROT_READ | PROT_WRITE);
	sigaction(SIGSEGV, &old_segv, NULL);
	sigaction(SIGTRAP, &old_step, NULL);

	/* Private is what was told and noted, and then it is shared; the other the other way. */
	CHECK(trap.reads == 2 && first == 0 && second == 1 && trap.words[0] == 0);
	CHECK(hcp_tracker__round(tracker, 0, memset(words, 0, sizeof(words))) == 63);
	CHECK(words[0] == ~(1ULL << 3));
	end();
	munmap(trap.words, trap.size);
}
#else
TEST(a_send_reads_the_status_once)
{
	tap_skip("counts reads by x86's single steps");
}
#endif

TAP_MAIN
