/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * The shared-page set, with no BPF anywhere: which guest frames (gfn, units of
 * 4 KiB) the guest has told the host that it shares.  Layout: hcpolicy/abi.h.
 *
 * A VMM without the kernel hook enables KVM_CAP_EXIT_HYPERCALL and feeds its
 * KVM_EXIT_HYPERCALL exits to hcp_set__exit().  With the hook a policy in the
 * kernel is the writer and the same object reads what it wrote.
 *
 * Threads: every function may be called from any thread at any time, but
 * hcp_set__free() and hcp_set__set_label(), and one reset or restore at a time.  Updates are atomic against each other and against a policy,
 * word by word; readers see each word whole.
 *
 * Errors: a negative errno is returned and errno is set; functions that return
 * a pointer return NULL and set errno.  NULL where a set is wanted is -EINVAL; where
 * no error can be returned the answer is 0, false or NULL, and errno is EINVAL.
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

/* A run of shared frames: [gfn, gfn + npages). */
struct hcp_range {
	uint64_t gfn;
	uint64_t npages;
};

/*
 * A set of npages frames (highest guest address / 4 KiB, not the size of RAM),
 * rounded up to HCP_CHUNK_PAGES, all private, complete, in memory of its own.
 * -EINVAL: no pages, or more than 2^40.
 */
struct hcp_set *hcp_set__new(uint64_t npages);

/*
 * The same over words and info that somebody else owns, such as the maps of a
 * policy: both must outlive the set.  words is 8-byte aligned and covers
 * info->npages frames, of which those below info->reach are known; -EINVAL if info->version is not known.
 */
struct hcp_set *hcp_set__new_over(uint64_t *words, struct hcp_info *info);
void hcp_set__free(struct hcp_set *set);

/*
 * Book [gfn, gfn + npages) as shared or private.  Returns how many pages were
 * booked: the part inside the set.  What lies beyond is counted in
 * hcp_set__beyond().  Also for reset of a part, memory hot-unplug, restore.
 */
uint64_t hcp_set__update(struct hcp_set *set, uint64_t gfn, uint64_t npages, bool shared);

/* A request that could not be booked: the set is not complete any more. */
void hcp_set__lost(struct hcp_set *set, uint64_t gfn, uint64_t npages);

/*
 * Answer one KVM_EXIT_HYPERCALL with nr KVM_HC_MAP_GPA_RANGE: args[0..2].
 * Returns what the VMM stores in run->hypercall.ret: 0, or -KVM_EINVAL for
 * arguments that no guest may use (nothing is booked then).
 */
int64_t hcp_set__exit(struct hcp_set *set, uint64_t gpa, uint64_t npages, uint64_t attrs);

/* Is gfn shared?  Beyond the set: false. */
bool hcp_set__test(const struct hcp_set *set, uint64_t gfn);

/*
 * The first run of shared frames at or after range->gfn + range->npages goes to
 * *range; false at the end.  Runs come sorted and merged:
 *
 *	struct hcp_range r = {};
 *	while (hcp_set__next(set, &r))
 *		printf("%lx +%lx\n", r.gfn, r.npages);
 */
bool hcp_set__next(const struct hcp_set *set, struct hcp_range *range);

/* How many frames are shared. */
uint64_t hcp_set__count(const struct hcp_set *set);

/*
 * The VM was reset, and its vCPUs have not run since: every frame is private again.
 * Whatever was unknown of the guest before is of no meaning for the one that begins
 * now: the set is complete.  But HCP_DETACHED and HCP_UNATTACHED stay, and so does
 * HCP_AWAITS_RESTORE: VMMs reset a machine also before a guest arrives in it.
 *
 * Neither this object nor the hook can see a reset: KVM is told new registers, as
 * by a debugger.  Whoever resets a VM calls this before its vCPUs run again; one
 * reset or restore at a time.
 */
void hcp_set__reset(struct hcp_set *set);

/*
 * The same for who cannot keep the vCPUs from running: still(ctx) is asked when all is
 * private and before the set is called complete.  -EBUSY: it said false, and the set is
 * HCP_LATE.
 */
int hcp_set__reset_if(struct hcp_set *set, bool (*still)(void *ctx), void *ctx);

/*
 * A guest will come that has run elsewhere, by migration or from a snapshot, and
 * shares pages since then.  Not complete (HCP_AWAITS_RESTORE) until hcp_set__restore().
 * (A policy: hcpolicy_attach_opts.incoming.)
 */
void hcp_set__await_restore(struct hcp_set *set);

/*
 * It has come, and no set with it: HCP_AWAITS_RESTORE becomes HCP_LATE, which a reset of that
 * guest ends.
 */
void hcp_set__arrived(struct hcp_set *set);

/*
 * Can the set be trusted, and if not, why: enum hcp_state, and pages missed.  Rules:
 * hcpolicy/abi.h.  Nobody notes in a set that a policy's link has ended: ask
 * hcpolicy__attached() too.
 */
bool hcp_set__complete(const struct hcp_set *set);
uint32_t hcp_set__state(const struct hcp_set *set);
uint64_t hcp_set__missed(const struct hcp_set *set);

/* One reason why a set is not complete, in words. */
struct hcp_reason {
	uint32_t state;		/* the bit of enum hcp_state; 0: pages were missed */
	char why[60];		/* "attached or restored late" */
	char help[192];		/* a sentence: what makes it complete again */
};

/*
 * The n-th reason, from 0 on; false: there are no more.  more: what the caller knows and
 * the set does not, as HCP_DETACHED of a policy whose link has ended.
 */
bool hcp_set__why(const struct hcp_set *set, uint32_t more, unsigned int n,
		  struct hcp_reason *reason);

/*
 * Pages of requests that lay beyond the set, and the frame from which on nothing is
 * known: hcpolicy/abi.h.
 */
uint64_t hcp_set__beyond(const struct hcp_set *set);
uint64_t hcp_set__reach(const struct hcp_set *set);

/*
 * What its owner calls the guest, for streams (hcpolicy/stream.h).  Names and process
 * numbers are used again; a label is the owner's word that this is the same guest.
 * Printable ASCII, at most HCP_NAME_LEN - 1; "" is none.  -EINVAL: it cannot be one.
 */
int hcp_set__set_label(struct hcp_set *set, const char *label);
const char *hcp_set__label(const struct hcp_set *set);

/* The size in pages, and the words themselves for readers of their own. */
uint64_t hcp_set__npages(const struct hcp_set *set);
const uint64_t *hcp_set__words(const struct hcp_set *set);

#ifdef __cplusplus
}
#endif
#endif /* HCPOLICY_SET_H */
