// SPDX-License-Identifier: GPL-2.0
/*
 * What a migration's tracker costs: rounds over 1 TiB of memslots, and the status of each
 * page that is sent.
 *
 *	track		instructions per GiB, under icount
 *	track ratio	the processor's time over that of memcpy() of as many bitmaps as a
 *			round reads (the dirty log, two of its own, the set), the best of three
 */
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <hcpolicy/tracker.h>

#include "bench.h"

#define NPAGES	(1ULL << 25)	/* 128 GiB a slot */
#define GIB	(1ULL << 18)
#define WORDS	(NPAGES / 64)

static uint64_t *log_words;
static bool ratio;
static unsigned int slots;

/* Instructions; or ns of this thread, which others on the machine do not make longer. */
static uint64_t now(void)
{
	struct timespec t;

	if (!ratio)
		return insns();
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void check(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "track: %s\n", what);
		exit(1);
	}
}

/* Every hundredth page, or none. */
static void dirty(bool some)
{
	size_t i;

	memset(log_words, 0, WORDS * 8);
	for (i = 0; some && i < NPAGES; i += 100)
		log_words[i / 64] |= 1ULL << i % 64;
}

static uint64_t rounds(struct hcp_tracker *tracker, bool some)
{
	uint64_t start, all = 0;
	unsigned int slot;

	for (slot = 0; slot < slots; slot++) {
		dirty(some);
		start = now();
		check(hcp_tracker__round(tracker, slot, log_words) >= 0, "a round failed");
		all += now() - start;
	}
	return all;
}

/* All that the round asks for is sent: as if one asked for the status of each page. */
static void send_all(struct hcp_tracker *tracker, unsigned int slot)
{
	uint64_t i;

	for (i = 0; i < NPAGES; i++)
		check(hcp_tracker__take(tracker, slot * NPAGES + i) >= 0, "no status");
}

/* As many bitmaps as rounds of all slots read, none of which is in a cache by then. */
static uint64_t copies(void)
{
	size_t size = slots * 4 * WORDS * 8;
	uint64_t start, took, least = -1, i;
	char *bitmaps = malloc(size);
	unsigned int again;

	check(bitmaps, "no memory");
	memset(bitmaps, 1, size);
	for (again = 0; again < 3; again++) {
		start = now();
		for (i = 0; i < size; i += WORDS * 8) {
			memcpy(log_words, bitmaps + i, WORDS * 8);
			asm volatile("" ::: "memory");
		}
		took = now() - start;
		least = took < least ? took : least;
	}
	free(bitmaps);
	return least;
}

/* What so many pages cost; copied is for all slots. */
static void row(const char *name, uint64_t cost, uint64_t npages, uint64_t copied)
{
	double page = (double)cost / npages;

	if (ratio)
		record("track-time", name, "time over memcpy", page / copied * slots * NPAGES);
	else
		record("track", name, "instructions per GiB", (long)(page * GIB));
}

static void measure(const struct hcp_set *set)
{
	struct hcp_tracker_opts opts = { .sz = sizeof(opts) };
	struct hcp_tracker *tracker = hcp_tracker__new(set, &opts);
	uint64_t start, copied = ratio ? copies() : 0, i;
	unsigned int slot;

	check(tracker, "no tracker");
	for (slot = 0; slot < slots; slot++)
		check(!hcp_tracker__add_slot(tracker, slot, slot * NPAGES, NPAGES), "no slot");

	row("a round, nothing sent yet", rounds(tracker, false), slots * NPAGES, copied);
	if (!ratio) {
		start = now();
		for (i = 0; i < GIB; i++)
			check(hcp_tracker__take(tracker, i) >= 0, "no status");
		row("the status of each page", now() - start, GIB, copied);
	}
	for (slot = 0; slot < slots; slot++)
		send_all(tracker, slot);
	row("a round, nothing dirty", rounds(tracker, false), slots * NPAGES, copied);
	row("a round, 1 % dirty", rounds(tracker, true), slots * NPAGES, copied);
	hcp_tracker__free(tracker);
}

int main(int argc, char **argv)
{
	struct hcp_set *set;
	uint64_t i;

	ratio = argc > 1;
	slots = ratio ? 8 : 1;	/* an emulated processor is slow */
	set = hcp_set__new(slots * NPAGES);
	log_words = malloc(WORDS * 8);
	check(set && log_words, "no memory");
	for (i = 0; i < NPAGES; i += 50)
		hcp_set__update(set, i, 1, true);
	for (i = 0; i < (ratio ? 5 : 1); i++)
		measure(set);
	return 0;
}
