// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Which pages a migration still has to send, and under which status.
 *
 * Two bits a page.  `done`: its status was asked for, and nothing has happened to it since.
 * 0 means "to be sent", so the bits of a slot that is mostly untouched are never written.
 * `sent`: the status under which it was last sent; valid if it is done.
 *
 * A round clears `done` for dirty pages and for pages whose status has changed.  Then it
 * checks that the set could be trusted.  Only then it returns the pages.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <hcpolicy/tracker.h>
#include "opts.h"
#include "set-internal.h"

struct slot {
	uint64_t gfn, npages, nwords;
	uint64_t *done, *sent;		/* one mapping: done, then sent */
};

/* A number that the VMM uses for a slot: the slot's own, or an alias'. */
struct number {
	uint32_t number;
	bool alias;
	struct slot *slot;
};

struct hcp_tracker {
	const struct hcp_set *set;
	bool (*kept)(void *ctx);
	void *ctx;
	void (*log)(void *ctx, const char *line);
	void *log_ctx;
	bool force;

	struct slot **slots;		/* sorted by gfn */
	size_t nslots;
	struct number *numbers;		/* sorted */
	size_t nnumbers;
};

__attribute__((format(printf, 3, 4)))
static int fail(const struct hcp_tracker *tracker, int err, const char *fmt, ...)
{
	char line[384];
	va_list args;

	if (tracker->log) {
		va_start(args, fmt);
		vsnprintf(line, sizeof(line), fmt, args);
		va_end(args);
		tracker->log(tracker->log_ctx, line);
	}
	errno = err;
	return -err;
}

static int no_slot(const struct hcp_tracker *tracker, uint32_t number)
{
	return fail(tracker, ENOENT, "slot %" PRIu32 " was not added", number);
}

/* Every page of every slot must be known, or its status would be a guess. */
static bool slots_within_reach(const struct hcp_tracker *tracker)
{
	const struct slot *last = tracker->nslots ? tracker->slots[tracker->nslots - 1] : NULL;

	return !last || last->gfn + last->npages <= hcp_set__reach(tracker->set);
}

/* Condition 9 of the rule. */
static int check_trust(const struct hcp_tracker *tracker)
{
	if (tracker->kept && !tracker->kept(tracker->ctx))
		return -ENOLINK;
	if (!tracker->force && !hcp_set__complete(tracker->set))
		return -EUCLEAN;
	return slots_within_reach(tracker) ? 0 : -ERANGE;
}

/* Log the result of check_trust(). */
static int distrust(const struct hcp_tracker *tracker, int err)
{
	char why[192];

	switch (err) {
	case -ENOLINK:
		return fail(tracker, ENOLINK, "the policy is not attached any more, so nothing keeps the "
			    "shared-page set: attach again and reset the VM");
	case -ERANGE:
		return fail(tracker, ERANGE, "the shared-page set was restored, and is known below "
			    "%" PRIu64 " MiB of guest addresses only", hcp_set__reach(tracker->set) >> 8);
	}
	hcp_state_text(hcp_set__state(tracker->set), hcp_set__missed(tracker->set), why, sizeof(why));
	return fail(tracker, EUCLEAN, "the shared-page set is not complete (%s): the guest would not "
		    "survive", why);
}

struct hcp_tracker *hcp_tracker__new(const struct hcp_set *set, const struct hcp_tracker_opts *opts)
{
	struct hcp_tracker *tracker;
	int err = set ? opts_check(opts, log_ctx) : -EINVAL;

	if (!err)
		err = opts_unused(opts, reserved);
	if (err) {
		errno = -err;
		return NULL;
	}
	tracker = calloc(1, sizeof(*tracker));
	if (!tracker)
		return NULL;
	tracker->set = set;
	tracker->kept = opts_get(opts, kept);
	tracker->ctx = opts_get(opts, ctx);
	tracker->log = opts_get(opts, log);
	tracker->log_ctx = opts_get(opts, log_ctx);
	tracker->force = opts_get(opts, force);

	err = check_trust(tracker);
	if (err) {
		distrust(tracker, err);
		free(tracker);
		errno = -err;
		return NULL;
	}
	return tracker;
}

static void free_slot(struct slot *slot)
{
	munmap(slot->done, slot->nwords * 2 * sizeof(*slot->done));
	free(slot);
}

void hcp_tracker__free(struct hcp_tracker *tracker)
{
	if (!tracker)
		return;
	for (size_t i = 0; i < tracker->nslots; i++)
		free_slot(tracker->slots[i]);
	free(tracker->slots);
	free(tracker->numbers);
	free(tracker);
}

/* The first entry that is not below this number: where it is, or belongs. */
static size_t find_number(const struct hcp_tracker *tracker, uint32_t number)
{
	size_t low = 0, high = tracker->nnumbers;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (tracker->numbers[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct number *get_number(const struct hcp_tracker *tracker, uint32_t number)
{
	size_t i = find_number(tracker, number);

	return i < tracker->nnumbers && tracker->numbers[i].number == number ?
	       &tracker->numbers[i] : NULL;
}

/* The first slot that ends above gfn: the one that has gfn, or the next. */
static size_t find_slot(const struct hcp_tracker *tracker, uint64_t gfn)
{
	size_t low = 0, high = tracker->nslots;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (tracker->slots[mid]->gfn + tracker->slots[mid]->npages <= gfn)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int add_number(struct hcp_tracker *tracker, uint32_t number, bool alias, struct slot *slot)
{
	size_t at = find_number(tracker, number);
	struct number *numbers = reallocarray(tracker->numbers, tracker->nnumbers + 1,
					      sizeof(*numbers));

	if (!numbers)
		return -ENOMEM;
	tracker->numbers = numbers;
	memmove(&tracker->numbers[at + 1], &tracker->numbers[at],
		(tracker->nnumbers++ - at) * sizeof(*tracker->numbers));
	tracker->numbers[at] = (struct number) { number, alias, slot };
	return 0;
}

static struct slot *new_slot(uint64_t gfn, uint64_t npages)
{
	struct slot *slot = calloc(1, sizeof(*slot));

	if (!slot)
		return NULL;
	slot->gfn = gfn;
	slot->npages = npages;
	slot->nwords = (npages + WORD_BITS - 1) / WORD_BITS;
	slot->done = mmap(NULL, slot->nwords * 2 * sizeof(*slot->done), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (slot->done == MAP_FAILED) {
		free(slot);
		return NULL;
	}
	slot->sent = slot->done + slot->nwords;
	return slot;
}

/* All its pages count as never sent. */
static void restart_slot(struct slot *slot)
{
	size_t size = slot->nwords * 2 * sizeof(*slot->done);

	/* madvise() fails on locked memory. */
	if (madvise(slot->done, size, MADV_DONTNEED))
		memset(slot->done, 0, size);
}

static int no_memory(const struct hcp_tracker *tracker, uint32_t number)
{
	return fail(tracker, ENOMEM, "slot %" PRIu32 ": no memory to track it", number);
}

static int invalid(void)
{
	errno = EINVAL;
	return -EINVAL;
}

int hcp_tracker__add_slot(struct hcp_tracker *tracker, uint32_t number, uint64_t gfn,
			  uint64_t npages)
{
	struct slot *slot, **slots;
	uint64_t reach;
	size_t at;

	if (!tracker)
		return invalid();
	if (!npages)
		return fail(tracker, EINVAL, "slot %" PRIu32 " has no pages", number);
	reach = hcp_set__reach(tracker->set);
	if (gfn >= reach || npages > reach - gfn)
		return fail(tracker, ERANGE, "slot %" PRIu32 " (gfn 0x%" PRIx64 ", %" PRIu64 " pages) does "
			    "not end below gfn 0x%" PRIx64 ", the reach of the shared-page set: start the VM "
			    "again with a larger set", number, gfn, npages, reach);
	if (get_number(tracker, number))
		return fail(tracker, EEXIST, "slot %" PRIu32 " was added already", number);
	at = find_slot(tracker, gfn);
	if (at < tracker->nslots && tracker->slots[at]->gfn < gfn + npages)
		return fail(tracker, EEXIST, "slot %" PRIu32 " has pages that another slot has", number);

	slots = reallocarray(tracker->slots, tracker->nslots + 1, sizeof(*slots));
	if (!slots)
		return no_memory(tracker, number);
	tracker->slots = slots;
	slot = new_slot(gfn, npages);
	if (!slot)
		return no_memory(tracker, number);
	if (add_number(tracker, number, false, slot)) {
		free_slot(slot);
		return no_memory(tracker, number);
	}
	memmove(&tracker->slots[at + 1], &tracker->slots[at],
		(tracker->nslots++ - at) * sizeof(*tracker->slots));
	tracker->slots[at] = slot;
	return 0;
}

int hcp_tracker__add_alias(struct hcp_tracker *tracker, uint32_t number, uint32_t of)
{
	struct number *primary;
	struct slot *slot;

	if (!tracker)
		return invalid();
	primary = get_number(tracker, of);
	if (!primary || primary->alias)
		return fail(tracker, ENOENT, "slot %" PRIu32 ", an alias of slot %" PRIu32 ": that was not "
			    "added, or is an alias itself", number, of);
	if (get_number(tracker, number))
		return fail(tracker, EEXIST, "slot %" PRIu32 " was added already", number);
	slot = primary->slot;
	if (add_number(tracker, number, true, slot))
		return no_memory(tracker, number);
	/* Writes through it before its log began are in no log. */
	restart_slot(slot);
	return 0;
}

int hcp_tracker__remove_slot(struct hcp_tracker *tracker, uint32_t number)
{
	struct number *gone;
	struct slot *slot;
	size_t i, left = 0;
	bool alias;

	if (!tracker)
		return invalid();
	gone = get_number(tracker, number);
	if (!gone)
		return no_slot(tracker, number);
	slot = gone->slot;
	alias = gone->alias;
	for (i = 0; i < tracker->nnumbers; i++) {
		const struct number *n = &tracker->numbers[i];

		if (n->number != number && (alias || n->slot != slot))
			tracker->numbers[left++] = *n;
	}
	tracker->nnumbers = left;
	if (alias) {
		/* KVM has dropped its log, with all writes through it since the last round. */
		restart_slot(slot);
		return 0;
	}

	i = find_slot(tracker, slot->gfn);
	memmove(&tracker->slots[i], &tracker->slots[i + 1],
		(--tracker->nslots - i) * sizeof(*tracker->slots));
	free_slot(slot);
	return 0;
}

/* The bits of a word that are pages of the slot. */
static uint64_t word_mask(const struct slot *slot, uint64_t word)
{
	return word == slot->nwords - 1 ? ~0ULL >> -slot->npages % WORD_BITS : ~0ULL;
}

/*
 * A reader of the set along a slot.  A slot may begin inside a word of the set.  The rest of
 * that word is stored here, so that each word is loaded once.
 */
struct cursor {
	const struct hcp_set *set;
	uint64_t next, rest;
	unsigned int shift;
};

static struct cursor cursor_at(const struct hcp_set *set, uint64_t gfn)
{
	struct cursor c = { set, gfn / WORD_BITS, 0, gfn % WORD_BITS };

	if (c.shift)
		c.rest = load_word(set, c.next++) >> c.shift;
	return c;
}

/* The status of the next 64 pages. */
static uint64_t cursor_next(struct cursor *c)
{
	uint64_t word = 0, status;

	/* At the end of an unaligned slot, the rest may already be of the set's last word. */
	if (c->next < c->set->npages / WORD_BITS)
		word = load_word(c->set, c->next++);
	if (!c->shift)
		return word;
	status = c->rest | word << (WORD_BITS - c->shift);
	c->rest = word >> c->shift;
	return status;
}

static uint64_t get(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* Clear `done` for pages that are dirty, or were sent under another status than now. */
static inline void undo_word(uint64_t *done, const uint64_t *sent, uint64_t dirty, uint64_t status)
{
	uint64_t old = get(done), resend = dirty | (get(sent) ^ status);

	/* If nothing was sent yet, a store would only cost memory. */
	if (old & resend)
		__atomic_store_n(done, old & ~resend, __ATOMIC_RELAXED);
}

/* The n bits of a bitmap from `at` on, or 64 if n is more.  Reads no word that has none of them. */
static uint64_t bits_at(const uint64_t *bitmap, uint64_t at, uint64_t n)
{
	const uint64_t *word = &bitmap[at / WORD_BITS];
	unsigned int shift = at % WORD_BITS;
	uint64_t bits = get(word) >> shift;

	return shift && n > WORD_BITS - shift ? bits | get(word + 1) << (WORD_BITS - shift) : bits;
}

/* Page n of the slot is dirty if bit + n of bitmap is set.  Bits after its last page do not matter. */
static void undo(const struct hcp_tracker *tracker, const struct slot *slot, const uint64_t *bitmap,
		 uint64_t bit)
{
	const uint64_t *sent = slot->sent, nwords = slot->nwords;
	uint64_t *done = slot->done;

	if (slot->gfn % WORD_BITS || bit % WORD_BITS) {
		struct cursor c = cursor_at(tracker->set, slot->gfn);

		for (uint64_t i = 0, n = 0; i < nwords; i++, n += WORD_BITS)
			undo_word(&done[i], &sent[i], bits_at(bitmap, bit + n, slot->npages - n),
				  cursor_next(&c));
	} else {
		/* Nearly all slots, so this loop is short. */
		const uint64_t *status = &tracker->set->words[slot->gfn / WORD_BITS];
		const uint64_t *dirty = &bitmap[bit / WORD_BITS];

		for (uint64_t i = 0; i < nwords; i++)
			undo_word(&done[i], &sent[i], dirty[i], get(&status[i]));
	}
}

/* How many bits are set: in most words all or none, and for the others that can be a call. */
static inline unsigned int weight(uint64_t word)
{
	return word + 1 <= 1 ? word & WORD_BITS : __builtin_popcountll(word);
}

/* Set words to what is to be sent, and return how many pages that is. */
static int64_t what_to_send(const struct slot *slot, uint64_t *words)
{
	const uint64_t *done = slot->done, last = slot->nwords - 1;
	int64_t count = 0;

	for (uint64_t i = 0; i < last; i++)
		count += weight(words[i] = ~get(&done[i]));
	words[last] = ~get(&done[last]) & word_mask(slot, last);
	return count + weight(words[last]);
}

/* Add bits to a word.  Others may change the rest of the word.  Returns how many are new. */
static unsigned int add_bits(uint64_t *word, uint64_t bits)
{
	bits &= ~get(word);
	if (bits)
		__atomic_fetch_or(word, bits, __ATOMIC_RELAXED);
	return weight(bits);
}

/* Add what is to be sent to a bitmap, and return how many bits are new. */
static int64_t add_what_to_send(const struct slot *slot, uint64_t *bitmap, uint64_t bit)
{
	uint64_t *word = &bitmap[bit / WORD_BITS];
	unsigned int shift = bit % WORD_BITS;
	int64_t count = 0;

	for (uint64_t i = 0; i < slot->nwords; i++, word++) {
		uint64_t send = ~get(&slot->done[i]) & word_mask(slot, i);

		if (send << shift)
			count += add_bits(word, send << shift);
		if (shift && send >> (WORD_BITS - shift))
			count += add_bits(word + 1, send >> (WORD_BITS - shift));
	}
	return count;
}

/* What both kinds of rounds do: clear `done`, between two looks at whether the set can be trusted. */
static int scan(const struct hcp_tracker *tracker, const struct number *n, const uint64_t *bitmap,
		uint64_t bit)
{
	int err = check_trust(tracker);

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	undo(tracker, n->slot, bitmap, bit);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!err)
		err = check_trust(tracker);
	return err ? distrust(tracker, err) : 0;
}

int64_t hcp_tracker__round(struct hcp_tracker *tracker, uint32_t number, uint64_t *words)
{
	const struct number *n;
	int err;

	if (!tracker || !words)
		return invalid();
	n = get_number(tracker, number);
	if (!n)
		return no_slot(tracker, number);
	err = scan(tracker, n, words, 0);
	if (err)
		return err;
	if (n->alias) {
		memset(words, 0, n->slot->nwords * sizeof(*words));
		return 0;
	}
	return what_to_send(n->slot, words);
}

int64_t hcp_tracker__round_into(struct hcp_tracker *tracker, uint32_t number, uint64_t *bitmap,
				uint64_t bit)
{
	const struct number *n;
	int err;

	if (!tracker || !bitmap)
		return invalid();
	n = get_number(tracker, number);
	if (!n)
		return no_slot(tracker, number);
	err = scan(tracker, n, bitmap, bit);
	return err || n->alias ? err : add_what_to_send(n->slot, bitmap, bit);
}

/* Sender threads share words, so this is atomic, and only done if a bit has to change. */
static void set_bits(uint64_t *word, uint64_t bits)
{
	if (~get(word) & bits)
		__atomic_fetch_or(word, bits, __ATOMIC_RELAXED);
}

static void clear_bits(uint64_t *word, uint64_t bits)
{
	if (get(word) & bits)
		__atomic_fetch_and(word, ~bits, __ATOMIC_RELAXED);
}

int hcp_tracker__take(struct hcp_tracker *tracker, uint64_t gfn)
{
	const struct slot *slot;
	uint64_t page, bit;
	bool shared;
	size_t i;

	if (!tracker)
		return invalid();
	i = find_slot(tracker, gfn);
	if (i == tracker->nslots || tracker->slots[i]->gfn > gfn)
		return fail(tracker, ENOENT, "no slot has gfn 0x%" PRIx64, gfn);
	slot = tracker->slots[i];
	page = gfn - slot->gfn;
	bit = 1ULL << page % WORD_BITS;
	page /= WORD_BITS;

	/* Condition 3: this one read decides what is sent and what is noted. */
	shared = hcp_set__test(tracker->set, gfn);
	if (shared)
		set_bits(&slot->sent[page], bit);
	else
		clear_bits(&slot->sent[page], bit);
	set_bits(&slot->done[page], bit);
	return shared;
}

int64_t hcp_tracker__skip(struct hcp_tracker *tracker, uint64_t gfn, uint64_t npages)
{
	uint64_t end, n, mask, status, count = 0;

	if (!tracker)
		return invalid();
	if (__builtin_add_overflow(gfn, npages, &end))
		end = UINT64_MAX;
	for (size_t i = find_slot(tracker, gfn); i < tracker->nslots; i++) {
		const struct slot *slot = tracker->slots[i];
		uint64_t page = gfn > slot->gfn ? gfn - slot->gfn : 0;

		for (; page < slot->npages && slot->gfn + page < end; page += n, count += n) {
			n = WORD_BITS - page % WORD_BITS;
			if (n > slot->npages - page)
				n = slot->npages - page;
			if (n > end - slot->gfn - page)
				n = end - slot->gfn - page;
			mask = ~0ULL >> (WORD_BITS - n) << page % WORD_BITS;
			status = bits_at(tracker->set->words, slot->gfn + page, n) << page % WORD_BITS;
			set_bits(&slot->sent[page / WORD_BITS], mask & status);
			clear_bits(&slot->sent[page / WORD_BITS], mask & ~status);
			set_bits(&slot->done[page / WORD_BITS], mask);
		}
	}
	return count;
}

uint64_t hcp_tracker__pending(const struct hcp_tracker *tracker)
{
	uint64_t count = 0;

	if (!tracker) {
		invalid();
		return 0;
	}
	for (size_t s = 0; s < tracker->nslots; s++) {
		const struct slot *slot = tracker->slots[s];
		struct cursor c = cursor_at(tracker->set, slot->gfn);

		for (uint64_t i = 0; i < slot->nwords; i++) {
			uint64_t send = ~get(&slot->done[i]) |
					(get(&slot->sent[i]) ^ cursor_next(&c));

			count += __builtin_popcountll(send & word_mask(slot, i));
		}
	}
	return count;
}

void hcp_tracker__restart(struct hcp_tracker *tracker)
{
	for (size_t s = 0; tracker && s < tracker->nslots; s++)
		restart_slot(tracker->slots[s]);
}
