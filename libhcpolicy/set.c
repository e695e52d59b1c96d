// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The shared-page set: its words, and what makes it complete.
 *
 * Several writers, one of which may be a policy in the kernel, change the same words.  The
 * rule that keeps them right: if a request covers a part of a word, one atomic OR or AND
 * changes it.  If it covers the whole word, one store does.  A reader loads each word in
 * one piece.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "set-internal.h"

/* The arguments that a guest may not use, by KVM's checks and its ABI (KVM_MAP_GPA_RANGE_*). */
#define KVM_EINVAL	22
#define ATTR_ENCRYPTED	(1ULL << 4)
#define ATTR_RESERVED	(~0ULL << 5)

/* The set, or what else is needed, is NULL. */
static bool none(const void *arg)
{
	if (arg)
		return false;
	errno = EINVAL;
	return true;
}

static void change_bits(uint64_t *word, uint64_t bits, bool shared)
{
	if (bits == ~0ULL)
		__atomic_store_n(word, shared ? ~0ULL : 0, __ATOMIC_RELAXED);
	else if (shared)
		__atomic_fetch_or(word, bits, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(word, ~bits, __ATOMIC_RELAXED);
}

/* The words, and behind them `touched`, which has one chunk more: scans end there. */
static size_t own_size(const struct hcp_set *set)
{
	return set->npages / 8 + set->npages / HCP_CHUNK_PAGES + 1;
}

struct hcp_set *hcp_set__new(uint64_t npages)
{
	struct hcp_set *set;

	if (!npages || npages > MAX_PAGES) {
		errno = EINVAL;
		return NULL;
	}

	set = calloc(1, sizeof(*set));
	if (!set)
		return NULL;

	/* Only written pages take memory, and most of a large set is never written. */
	set->npages = (npages + HCP_CHUNK_PAGES - 1) / HCP_CHUNK_PAGES * HCP_CHUNK_PAGES;
	set->words = mmap(NULL, own_size(set), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (set->words == MAP_FAILED) {
		free(set);
		return NULL;
	}

	set->touched = (uint8_t *)(set->words + set->npages / WORD_BITS);
	set->touched[set->npages / HCP_CHUNK_PAGES] = true;
	set->info = set->rest = &set->own_info;
	set->own_info.version = HCP_INFO_VERSION;
	set->own_info.npages = set->own_info.reach = set->npages;
	return set;
}

struct hcp_set *hcp_set__new_over(uint64_t *words, struct hcp_info *info)
{
	struct hcp_set *set;
	uint64_t npages;
	bool old;

	if (!words || (uintptr_t)words % sizeof(*words) || !info ||
	    !info->version || info->version > HCP_INFO_VERSION)
		goto invalid;

	old = info->version == 1;
	npages = __atomic_load_n(old ? &((struct hcp_info_1 *)info)->npages : &info->npages,
				 __ATOMIC_RELAXED);
	if (!npages || npages > MAX_PAGES || npages % WORD_BITS)
		goto invalid;

	set = calloc(1, sizeof(*set));
	if (!set)
		return NULL;
	set->words = words;
	set->npages = set->own_info.reach = npages;
	set->info = info;
	set->rest = old ? &set->own_info : info;
	return set;
invalid:
	errno = EINVAL;
	return NULL;
}

void hcp_set__free(struct hcp_set *set)
{
	if (!set)
		return;
	if (set->info == &set->own_info)
		munmap(set->words, own_size(set));
	free(set);
}

/* Never wraps: a sum of zero would say that there were none. */
static void add_to(__u64 *counter, uint64_t npages)
{
	__u64 sum, old = __atomic_load_n(counter, __ATOMIC_RELAXED);

	do {
		if (__builtin_add_overflow(old, npages, &sum))
			sum = UINT64_MAX;
	} while (!__atomic_compare_exchange_n(counter, &old, sum, false, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
}

/* Returns how many of these pages are inside the set.  Counts the others. */
static uint64_t count_beyond(struct hcp_set *set, uint64_t gfn, uint64_t npages)
{
	uint64_t room = gfn < set->npages ? set->npages - gfn : 0;

	if (npages <= room)
		return npages;
	add_to(is_old(set) ? &set->info->missed : &set->info->beyond, npages - room);
	return room;
}

uint64_t hcp_set__update(struct hcp_set *set, uint64_t gfn, uint64_t npages, bool shared)
{
	uint64_t inside, word, last, head, tail;

	if (none(set))
		return 0;
	inside = count_beyond(set, gfn, npages);
	if (!inside)
		return 0;

	word = gfn / WORD_BITS;
	last = (gfn + inside - 1) / WORD_BITS;
	head = ~0ULL << gfn % WORD_BITS;
	tail = ~0ULL >> (WORD_BITS - 1 - (gfn + inside - 1) % WORD_BITS);

	if (shared)
		touch(set, word, last);
	if (word == last) {
		change_bits(&set->words[word], head & tail, shared);
		return inside;
	}
	change_bits(&set->words[word], head, shared);
	while (++word < last)
		change_bits(&set->words[word], ~0ULL, shared);
	change_bits(&set->words[last], tail, shared);
	return inside;
}

void hcp_set__lost(struct hcp_set *set, uint64_t gfn, uint64_t npages)
{
	uint64_t inside = none(set) ? 0 : count_beyond(set, gfn, npages);

	if (inside)
		add_to(&set->info->missed, inside);
}

int64_t hcp_set__exit(struct hcp_set *set, uint64_t gpa, uint64_t npages, uint64_t attrs)
{
	uint64_t gfn = gpa >> HCP_PAGE_SHIFT;

	if (none(set) || gpa & ((1ULL << HCP_PAGE_SHIFT) - 1) || gfn + npages <= gfn ||
	    attrs & ATTR_RESERVED)
		return -KVM_EINVAL;

	hcp_set__update(set, gfn, npages, !(attrs & ATTR_ENCRYPTED));
	return 0;
}

bool hcp_set__test(const struct hcp_set *set, uint64_t gfn)
{
	return !none(set) && gfn < set->npages &&
	       load_word(set, gfn / WORD_BITS) >> gfn % WORD_BITS & 1;
}

/* The first word from this one on that may not be zero; the end is such a word. */
static uint64_t skip_untouched(const struct hcp_set *set, uint64_t word)
{
	uint64_t chunk = word / HCP_CHUNK_WORDS;

	if (!set->touched || is_touched(set, chunk))
		return word;
	while (!is_touched(set, ++chunk))
		;
	return chunk * HCP_CHUNK_WORDS;
}

/* Where the chunk of this word ends, or the set. */
static uint64_t chunk_end(const struct hcp_set *set, uint64_t word)
{
	uint64_t end = (word / HCP_CHUNK_WORDS + 1) * HCP_CHUNK_WORDS;

	return end < set->npages / WORD_BITS ? end : set->npages / WORD_BITS;
}

/* The first page at or after gfn that is shared, or private; the set's size if there is none. */
static inline uint64_t find(const struct hcp_set *set, uint64_t gfn, bool shared)
{
	const uint64_t flip = shared ? 0 : ~0ULL;
	uint64_t bits, word = gfn / WORD_BITS, end;

	if (gfn >= set->npages)
		return set->npages;

	bits = (load_word(set, word) ^ flip) >> gfn % WORD_BITS;
	if (bits)
		return gfn + __builtin_ctzll(bits);
	end = chunk_end(set, word);
	do {
		if (++word == end) {
			if (shared)
				word = skip_untouched(set, word);
			if (word == set->npages / WORD_BITS)
				return set->npages;
			end = chunk_end(set, word);
		}
		bits = load_word(set, word) ^ flip;
	} while (!bits);
	return word * WORD_BITS + __builtin_ctzll(bits);
}

bool hcp_set__next(const struct hcp_set *set, struct hcp_range *range)
{
	uint64_t start, gfn;

	if (none(set) || none(range) || __builtin_add_overflow(range->gfn, range->npages, &gfn))
		return false;

	start = find(set, gfn, true);
	if (start == set->npages)
		return false;

	/* From start + 1: the page was shared a moment ago, and must not make an empty run now. */
	range->gfn = start;
	range->npages = find(set, start + 1, false) - start;
	return true;
}

uint64_t hcp_set__count(const struct hcp_set *set)
{
	uint64_t word, count = 0;

	if (none(set))
		return 0;
	for (word = skip_untouched(set, 0); word < set->npages / WORD_BITS;
	     word = skip_untouched(set, word + 1))
		count += __builtin_popcountll(load_word(set, word));
	return count;
}

int hcp_set__reset_if(struct hcp_set *set, bool (*still)(void *ctx), void *ctx)
{
	uint32_t keep = HCP_DETACHED | HCP_UNATTACHED | HCP_AWAITS_RESTORE;
	uint64_t word;

	if (none(set))
		return -EINVAL;
	if (is_old(set)) {
		/* The caller knows of a reset, and the set has the old guest's pages. */
		__atomic_fetch_or(&set->info->state, HCP_LATE, __ATOMIC_SEQ_CST);
		errno = EROFS;
		return -EROFS;
	}
	begin_change(set);
	/* To store zero over zero would only cost memory. */
	for (word = skip_untouched(set, 0); word < set->npages / WORD_BITS;
	     word = skip_untouched(set, word + 1)) {
		if (load_word(set, word))
			change_bits(&set->words[word], ~0ULL, false);
	}
	__atomic_store_n(&set->info->missed, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&set->info->beyond, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&set->info->reach, set->npages, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!still || still(ctx)) {
		end_change(set, keep, 0);
		return 0;
	}
	end_change(set, keep, HCP_LATE);
	errno = EBUSY;
	return -EBUSY;
}

void hcp_set__reset(struct hcp_set *set)
{
	hcp_set__reset_if(set, NULL, NULL);
}

void hcp_set__await_restore(struct hcp_set *set)
{
	if (!none(set))
		__atomic_fetch_or(&set->info->state, HCP_AWAITS_RESTORE, __ATOMIC_RELAXED);
}

void hcp_set__arrived(struct hcp_set *set)
{
	if (none(set) || !(hcp_set__state(set) & HCP_AWAITS_RESTORE))
		return;
	__atomic_fetch_or(&set->info->state, HCP_LATE, __ATOMIC_SEQ_CST);
	__atomic_fetch_and(&set->info->state, ~HCP_AWAITS_RESTORE, __ATOMIC_SEQ_CST);
}

bool hcp_set__complete(const struct hcp_set *set)
{
	return !none(set) && !hcp_set__state(set) && !hcp_set__missed(set);
}

uint32_t hcp_set__state(const struct hcp_set *set)
{
	return none(set) ? HCP_UNATTACHED : __atomic_load_n(&set->info->state, __ATOMIC_RELAXED);
}

uint64_t hcp_set__missed(const struct hcp_set *set)
{
	return none(set) ? 0 : __atomic_load_n(&set->info->missed, __ATOMIC_RELAXED);
}

uint64_t hcp_set__beyond(const struct hcp_set *set)
{
	return none(set) ? 0 : __atomic_load_n(&set->rest->beyond, __ATOMIC_RELAXED);
}

uint64_t hcp_set__reach(const struct hcp_set *set)
{
	uint64_t reach = none(set) ? 0 : __atomic_load_n(&set->rest->reach, __ATOMIC_RELAXED);

	/* Others can write to this memory. */
	return set && reach > set->npages ? set->npages : reach;
}

uint64_t hcp_set__npages(const struct hcp_set *set)
{
	return none(set) ? 0 : set->npages;
}

const uint64_t *hcp_set__words(const struct hcp_set *set)
{
	return none(set) ? NULL : set->words;
}

bool hcp_label_valid(const char *label)
{
	size_t len = strnlen(label, HCP_NAME_LEN);

	for (size_t i = 0; i < len; i++) {
		if (label[i] < ' ' || label[i] > '~')
			return false;
	}
	return len < HCP_NAME_LEN;
}

int hcp_set__set_label(struct hcp_set *set, const char *label)
{
	if (none(set) || !label || !hcp_label_valid(label)) {
		errno = EINVAL;
		return -EINVAL;
	}
	if (is_old(set)) {
		errno = EROFS;
		return -EROFS;
	}
	memset(set->info->label, 0, HCP_NAME_LEN);
	memcpy(set->info->label, label, strlen(label));
	return 0;
}

const char *hcp_set__label(const struct hcp_set *set)
{
	return none(set) ? NULL : set->rest->label;
}
