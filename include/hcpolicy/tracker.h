/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Which pages a migrating VMM has to send, and under which status, so that no
 * page ever arrives under a wrong one.  The rule and why it is enough:
 * docs/migration.md.
 *
 * A VMM's loop, in each round and, with the VM stopped for good, in the last one:
 *
 *	for each memslot:
 *		get and clear KVM's dirty log	-> words
 *		hcp_tracker__round(tracker, slot, words)
 *		for each bit that is set in words now:
 *			shared = hcp_tracker__status(tracker, gfn)
 *			send gfn, shared, contents
 *
 * The status is read before the contents, once, and noted.  A page that was to be
 * sent and whose status nobody asked for is left over: the next round has it.  After
 * the last one hcp_tracker__pending() is 0, or something was forgotten.
 *
 * Units: gfn and npages are 4 KiB frames of guest physical address space; words
 * are KVM's dirty log, bit n % 64 of word n / 64 is page n of the slot.
 *
 * Threads: hcp_tracker__status() from any number of sender threads at once, but for one
 * page from one of them at a time: two could send it under different statuses, and what
 * is noted need not be what arrives last.  No round of the same slot and none of add,
 * remove, restart is in progress meanwhile.  Everything else from one thread.
 *
 * Errors: a negative errno is returned and errno is set, and the reason in words goes to
 * opts->log; hcp_tracker__new() returns NULL and sets errno.  After an error the tracker
 * is as it was, but for what a round says.  NULL where a tracker or a set is wanted is
 * -EINVAL (hcp_tracker__pending(): 0).
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
	 * Is the set still kept?  For a policy: hcpolicy__attached() of ctx.  NULL: it
	 * is, as for a VMM that keeps the set by its own exits.
	 */
	bool (*kept)(void *ctx);
	void *ctx;
	bool force;		/* track an incomplete set too: the guest may break */
	uint8_t reserved[7];	/* 0 */
	/* One line without newline: what went wrong, and what helps.  NULL: silence. */
	void (*log)(void *ctx, const char *line);
	void *log_ctx;
};

/*
 * A tracker without slots over a set, which must outlive it.  -EUCLEAN: the set is
 * not complete; -ENOLINK: it is not kept any more; -EINVAL: opts->sz is not set; -E2BIG: an
 * option that this library does not know.  What a shorter opts lacks is 0.
 */
struct hcp_tracker *hcp_tracker__new(const struct hcp_set *set, const struct hcp_tracker_opts *opts);
void hcp_tracker__free(struct hcp_tracker *tracker);

/*
 * A memslot, by KVM's number, at [gfn, gfn + npages): nothing of it has been sent.
 * A slot that moves or is recreated is removed and added.  -EEXIST: the number
 * is taken, or another slot has some of these frames; -ERANGE: not below
 * hcp_set__reach(), so that nobody knows their status (the guard that lets a set stay
 * complete while its guest asks for frames beyond it); -EINVAL: no pages; -ENOMEM.
 */
int hcp_tracker__add_slot(struct hcp_tracker *tracker, uint32_t slot, uint64_t gfn, uint64_t npages);

/*
 * A second memslot on the memory of the slot `of`, of the same size (for instance at
 * the addresses that have the C-bit).  What is dirty in it is dirty there: its round
 * comes before that one's.  Add it once KVM logs it: what was written through it before
 * is in no log, so nothing of the slot `of` counts as sent any more.  -ENOENT: no slot
 * `of`, or it is an alias itself; -EEXIST; -ENOMEM.
 */
int hcp_tracker__add_alias(struct hcp_tracker *tracker, uint32_t slot, uint32_t of);

/*
 * After KVM has removed it.  The aliases of a slot go with it.  With an alias KVM drops its
 * dirty log, so nothing of the slot that it was one of counts as sent any more.  -ENOENT.
 */
int hcp_tracker__remove_slot(struct hcp_tracker *tracker, uint32_t slot);

/*
 * One slot's part of a round.  words holds the dirty log that was just got and
 * cleared, and receives what is to be sent: never sent, left over, dirty, or sent
 * under another status than the set has now.  Returns how many pages these are (an
 * alias: 0, and its words are cleared).  Allocates nothing.
 *
 * Before and after its scan it looks whether the set can be trusted.  -EUCLEAN: it
 * has missed a request; -ENOLINK: it is not kept any more; -ERANGE: a restore has moved
 * its reach below a slot's end; then words are as they
 * were, the tracker has noted what was dirty, and the VM must not be stopped for good:
 * resume it.  -ENOENT: no such slot, words are as they were.
 */
int64_t hcp_tracker__round(struct hcp_tracker *tracker, uint32_t slot, uint64_t *words);

/*
 * The status under which this page is to be sent now: 1 shared, 0 private; and the
 * tracker notes that it was sent so.  -ENOENT: no slot has it.
 */
int hcp_tracker__status(struct hcp_tracker *tracker, uint64_t gfn);

/*
 * How many pages of all slots are still to be sent: what rounds would have now if
 * nothing were dirty.  Reads two bits a page and the set, as a round does.
 */
uint64_t hcp_tracker__pending(const struct hcp_tracker *tracker);

/* The migration was cancelled, or begins again: nothing has been sent. */
void hcp_tracker__restart(struct hcp_tracker *tracker);

#ifdef __cplusplus
}
#endif
#endif /* HCPOLICY_TRACKER_H */
