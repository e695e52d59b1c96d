/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * The shared-page set: the pages (gfn, units of 4 KiB) that the guest has requested to share.
 * It needs no BPF.  Layout: hcpolicy/abi.h.
 *
 * A VMM without the kernel hook enables KVM_CAP_EXIT_HYPERCALL and passes its
 * KVM_EXIT_HYPERCALL exits to hcp_set__exit().  With the hook a policy in the
 * kernel writes the set, and the same object reads it.
 *
 * Threads: any thread may call any function at any time, except hcp_set__free() and
 * hcp_set__set_label().  Only one reset or restore may run at a time.  Updates of a word are
 * atomic against each other and against a policy.  Readers load each word in one piece.
 *
 * Errors: functions return a negative errno and set errno.  Functions that return a pointer
 * return NULL and set errno.  If a set is NULL, that is -EINVAL.  Functions that cannot return
 * an error then return 0, false or NULL, and set errno to EINVAL.
 */
#ifndef HCPOLICY_SET_H
#define HCPOLICY_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <hcpolicy/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hcp_set;

/* A run of shared pages: [gfn, gfn + npages). */
struct hcp_range {
	uint64_t gfn;
	uint64_t npages;
};

/*
 * Make a set in memory of its own.  It is complete, and all pages are private.  npages is the
 * highest guest address / 4 KiB, not the size of RAM; it is rounded up to HCP_CHUNK_PAGES.
 * -EINVAL: no pages, or more than 2^40.
 */
struct hcp_set *hcp_set__new(uint64_t npages);

/*
 * Make a set over words and info that the caller owns, such as the maps of a policy.  Both must
 * outlive the set.  words is 8-byte aligned and has info->npages pages; pages below
 * info->reach are known.  -EINVAL: info->version is unknown.
 *
 * Version 1, that of hcpolicy 0.1, is known.  Such a set counts pages beyond as missed, has no label,
 * and cannot be reset (it is then HCP_LATE), restored or labelled: -EROFS.
 */
struct hcp_set *hcp_set__new_over(uint64_t *words, struct hcp_info *info);
void hcp_set__free(struct hcp_set *set);

/*
 * Record [gfn, gfn + npages) as shared or private.  Returns the number of pages inside the
 * set, which were recorded.  hcp_set__beyond() counts the others.  A VMM may also use this to
 * reset a part of memory, for memory hot-unplug, or to restore.
 */
uint64_t hcp_set__update(struct hcp_set *set, uint64_t gfn, uint64_t npages, bool shared);

/*
 * Report that a request could not be recorded.  Its pages inside the set are missed, so the set is
 * not complete.
 */
void hcp_set__lost(struct hcp_set *set, uint64_t gfn, uint64_t npages);

/*
 * Answer one KVM_EXIT_HYPERCALL.  Its nr is KVM_HC_MAP_GPA_RANGE, and gpa, npages and attrs are
 * its args[0..2].  Returns what the VMM stores in run->hypercall.ret: 0, or -KVM_EINVAL for
 * invalid arguments, which are not recorded.
 */
int64_t hcp_set__exit(struct hcp_set *set, uint64_t gpa, uint64_t npages, uint64_t attrs);

/* Is gfn shared?  Beyond the set: false. */
bool hcp_set__test(const struct hcp_set *set, uint64_t gfn);

/*
 * Get the first run of shared pages at or after range->gfn + range->npages.  False: there is
 * none.  Runs come sorted and merged:
 *
 *	struct hcp_range r = {};
 *	while (hcp_set__next(set, &r))
 *		printf("%lx +%lx\n", r.gfn, r.npages);
 */
bool hcp_set__next(const struct hcp_set *set, struct hcp_range *range);

/* The number of shared pages. */
uint64_t hcp_set__count(const struct hcp_set *set);

/*
 * Report that the VM was reset.  Call this before its vCPUs run again; one reset or restore
 * at a time.  Neither this object nor the hook can see a reset, because KVM only gets new
 * register values.
 *
 * All pages become private.  The set becomes complete, because what was unknown about the old
 * guest does not matter for the new one.  Three states stay: HCP_DETACHED, HCP_UNATTACHED, and
 * HCP_AWAITS_RESTORE, because VMMs also reset a machine before a guest arrives in it.
 */
void hcp_set__reset(struct hcp_set *set);

/*
 * Report that the VM was reset, if its vCPUs may run.  As hcp_set__reset(), for a caller that
 * cannot keep them from running: it calls still(ctx) when all pages are private and before the
 * set becomes complete.  -EBUSY: still() returned false, and the set is HCP_LATE.
 */
int hcp_set__reset_if(struct hcp_set *set, bool (*still)(void *ctx), void *ctx);

/*
 * Report that a guest will arrive that has run elsewhere.  It comes by migration or from a
 * snapshot, and has shared pages there.  The set is not complete (HCP_AWAITS_RESTORE) until
 * hcp_set__restore().  For a policy use hcpolicy_attach_opts.incoming.
 */
void hcp_set__await_restore(struct hcp_set *set);

/*
 * Report that this guest has arrived without its set.  HCP_AWAITS_RESTORE becomes HCP_LATE,
 * which a reset of the guest ends.
 */
void hcp_set__arrived(struct hcp_set *set);

/*
 * Is the set complete, and if not, why: enum hcp_state, and the number of missed pages.
 * hcpolicy/abi.h has the rules.  The set does not know that a policy's link has ended, so of a
 * policy call hcpolicy__complete().
 */
bool hcp_set__complete(const struct hcp_set *set);
uint32_t hcp_set__state(const struct hcp_set *set);
uint64_t hcp_set__missed(const struct hcp_set *set);

/* One reason why a set is not complete, in words. */
struct hcp_reason {
	uint32_t state;		/* the bit of enum hcp_state; 0: pages were missed */
	char why[60];		/* "attached or restored late" */
	char help[192];		/* what makes it complete again, in a sentence */
};

/*
 * Get the n-th reason why the set is not complete, from 0 on.  False: there are no more.  In more
 * the caller passes states that the set does not know, such as HCP_DETACHED for a policy whose
 * link has ended.
 */
bool hcp_set__why(const struct hcp_set *set, uint32_t more, unsigned int n,
		  struct hcp_reason *reason);

/*
 * The number of pages of requests beyond the set, and the page from which on nothing is known:
 * hcpolicy/abi.h.
 */
uint64_t hcp_set__beyond(const struct hcp_set *set);
uint64_t hcp_set__reach(const struct hcp_set *set);

/*
 * The owner's name for the guest, for streams (hcpolicy/stream.h).  Names and process numbers are
 * used again, so only a label can say that this is the same guest.  Printable ASCII, at most
 * HCP_NAME_LEN - 1 characters; "" is none.  -EINVAL: not a label.
 */
int hcp_set__set_label(struct hcp_set *set, const char *label);
const char *hcp_set__label(const struct hcp_set *set);

/* The size in pages, and the words, for callers that read them directly. */
uint64_t hcp_set__npages(const struct hcp_set *set);
const uint64_t *hcp_set__words(const struct hcp_set *set);

#ifdef __cplusplus
}
#endif
#endif /* HCPOLICY_SET_H */
