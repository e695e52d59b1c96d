/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * The tracker tells a migrating VMM which pages to send, and under which status, so that no
 * page arrives under the wrong one.  The rule, and why it is enough: docs/migration.md.
 *
 * Each round is this loop.  The last round is the same, with the VM stopped for good:
 *
 *	for each memslot:
 *		get and clear KVM's dirty log	-> words
 *		hcp_tracker__round(tracker, slot, words)
 *		for each bit that is set in words now:
 *			shared = hcp_tracker__take(tracker, gfn)
 *			send gfn, shared, contents
 *
 * hcp_tracker__take() takes one page off what is to be sent: it reads the status once, notes it, and
 * returns it.  So call it before you read the contents.  A page that you do not take is in the next
 * round again.  After the last round hcp_tracker__pending() must be 0.
 *
 * Units: gfn and npages are 4 KiB pages of guest physical address space.  words have the
 * form of KVM's dirty log: bit n % 64 of word n / 64 is page n of the slot.
 *
 * Threads: have one lock, and hold it around add, remove, restart, round and round_into.  Call
 * hcp_tracker__take() and __skip() under it too, or where none of these can run.  The library has no
 * lock of its own.  The finer rule: any number of sender threads may take and skip at once, but only
 * one of them the same page.  (Two could send it under different statuses, and the last one to
 * arrive need not be the one that was noted.)  During these calls there must be no round of the same
 * slot, and no add, remove or restart.  hcp_tracker__pending() needs what take() needs.  The writer
 * of the set needs no lock.
 *
 * Errors: functions return a negative errno and set errno, and opts->log gets the reason in
 * words.  hcp_tracker__new() returns NULL and sets errno.  After an error the tracker is as it
 * was, except as hcp_tracker__round() says.  If a tracker or a set is NULL, that is -EINVAL;
 * hcp_tracker__pending() then returns 0.
 */
#ifndef HCPOLICY_TRACKER_H
#define HCPOLICY_TRACKER_H

#include <hcpolicy/set.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hcp_tracker;

struct hcp_tracker_opts {
	size_t sz;		/* sizeof(struct hcp_tracker_opts) */
	/*
	 * Is the set still kept?  For a policy call hcpolicy__attached().  NULL: it is kept, as
	 * by a VMM that records requests in its own exits.
	 */
	bool (*kept)(void *ctx);
	void *ctx;
	bool force;		/* accept a set that is not complete: the guest may break */
	uint8_t reserved[7];	/* 0 */
	/* One line without newline: what went wrong, and the remedy.  NULL: silence. */
	void (*log)(void *ctx, const char *line);
	void *log_ctx;
};

/*
 * Make a tracker over a set.  It has no slots yet, and the set must outlive it.  -EUCLEAN: the set
 * is not complete; -ENOLINK: it is no longer kept; -EINVAL: opts->sz is not set; -E2BIG: opts
 * sets an option that this library does not know.  If opts is shorter than the library's struct,
 * the missing options are 0.
 */
struct hcp_tracker *hcp_tracker__new(const struct hcp_set *set, const struct hcp_tracker_opts *opts);
void hcp_tracker__free(struct hcp_tracker *tracker);

/*
 * Add a memslot at [gfn, gfn + npages).  slot is KVM's number, or any other that is unique in this
 * tracker: it is only a name for the calls below.  None of its pages have been sent.  If a slot moves
 * or is recreated, remove it and add it again.  -EEXIST: the number is taken, or another slot has some
 * of these pages; -ERANGE: some pages are not below hcp_set__reach(), so their status is unknown;
 * -EINVAL: no pages; -ENOMEM.
 *
 * A set stays complete after requests beyond it.  -ERANGE makes that safe: no such page is migrated.
 */
int hcp_tracker__add_slot(struct hcp_tracker *tracker, uint32_t slot, uint64_t gfn, uint64_t npages);

/*
 * Add a second memslot on the memory of the slot `of`.  It has the same size, and is for instance
 * at the addresses with the C-bit.  A page that is dirty in the alias is dirty in `of`, so do the
 * alias' round before that of `of`.  Add the alias when KVM logs it.  Earlier writes through it are
 * in no log, so all pages of `of` count as never sent.  -ENOENT: no slot `of`, or it is an alias
 * itself; -EEXIST; -ENOMEM.
 */
int hcp_tracker__add_alias(struct hcp_tracker *tracker, uint32_t slot, uint32_t of);

/*
 * Remove a slot and its aliases.  Call this after KVM has removed it.  With an alias KVM drops the
 * alias' dirty log, so all pages of the slot that it belongs to count as never sent.  -ENOENT.
 */
int hcp_tracker__remove_slot(struct hcp_tracker *tracker, uint32_t slot);

/*
 * Do one slot's part of a round.  words has the dirty log that KVM just returned and cleared.  It
 * receives the pages to send: those never sent, left over, dirty, or sent under another status
 * than the set has now.  Returns their number; for an alias 0, and its words are cleared.
 * Allocates no memory.
 *
 * It checks before and after its scan that the set can be trusted.  -EUCLEAN: the set is not
 * complete; -ENOLINK: it is no longer kept; -ERANGE: a restore has moved its reach below the
 * end of a slot.  After these errors words are unchanged, and the tracker has noted what was
 * dirty.  Do not stop the VM for good; if it is stopped, resume it.  -ENOENT: no such slot, and
 * words are unchanged.
 */
int64_t hcp_tracker__round(struct hcp_tracker *tracker, uint32_t slot, uint64_t *words);

/*
 * Do one slot's part of a round, in a bitmap that has more than this slot.  As hcp_tracker__round(),
 * for a VMM with one dirty bitmap for several slots.  Bit n % 64 of word n / 64 is bit n of bitmap,
 * and page n of the slot is bit `bit` + n, at any offset.  A bit that is set is a dirty page.  The
 * pages to send are added, and no bit is cleared: the VMM clears a page's bit when it takes the page.
 * Returns how many bits are new, which were 0 and are 1 now.
 *
 * Other bits do not count and stay as they are.  Bits are added atomically, so other threads may
 * change other bits of the same words, if they do it atomically too.
 *
 * For an alias it returns 0, and the bitmap is unchanged: a VMM that has one bitmap for the memory has
 * the alias' dirty pages in the same bits as those of `of`, whose round comes next.
 *
 * The errors are those of hcp_tracker__round(), and bitmap is unchanged after each of them.  Allocates
 * no memory.
 */
int64_t hcp_tracker__round_into(struct hcp_tracker *tracker, uint32_t slot, uint64_t *bitmap,
				uint64_t bit);

/*
 * Take a page, to send it now.  Returns the status to send it under: 1 shared, 0 private.  The
 * tracker notes that the page was sent under this status.  -ENOENT: no slot has this page.
 */
int hcp_tracker__take(struct hcp_tracker *tracker, uint64_t gfn);

/*
 * Skip pages that need not be sent now, such as those of a free-page hint or unplugged memory.  They
 * are taken as by hcp_tracker__take(), and the VMM does not send them.  A round returns them again
 * when they are dirty, or have another status than now.  Returns how many of the pages [gfn, gfn +
 * npages) some slot has; the others do not matter.
 *
 * This is safe if the guest does not care what such a page holds until it writes it again, and if no
 * dirty log had that write when it was last cleared:
 *
 * - Skip a page only if it was free at some time after KVM's last get and clear of its slot.  A hint
 *   that is older is stale: the guest may have written the page before that log, and its round would
 *   be undone.
 * - Do not skip pages that the guest takes for zero or poisoned while they are free (Linux:
 *   init_on_free, page_poisoning).  On the target they hold anything, and a private page that was
 *   never sent is not zero there.
 * - Do not skip a page because it could not be sent.  Leave it, and the next round has it again.
 *
 * Threads: as hcp_tracker__take(), for each of the pages.
 */
int64_t hcp_tracker__skip(struct hcp_tracker *tracker, uint64_t gfn, uint64_t npages);

/*
 * The number of pages of all slots that are still to be sent.  It is what rounds would return now
 * if nothing were dirty.  It takes as long as a round's scan.
 */
uint64_t hcp_tracker__pending(const struct hcp_tracker *tracker);

/* Count all pages as never sent.  For a migration that was cancelled, or starts again. */
void hcp_tracker__restart(struct hcp_tracker *tracker);

#ifdef __cplusplus
}
#endif
#endif /* HCPOLICY_TRACKER_H */
