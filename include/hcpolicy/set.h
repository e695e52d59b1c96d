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
 * hcp_set__free().  Updates are atomic against each other and against a policy,
 * word by word; readers see each word whole.
 *
 * Errors: a negative errno is returned and errno is set; functions that return
 * a pointer return NULL and set errno.
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
 * info->npages frames; -EINVAL if info->version is not known.
 */
struct hcp_set *hcp_set__new_over(uint64_t *words, struct hcp_info *info);
void hcp_set__free(struct hcp_set *set);

/*
 * Book [gfn, gfn + npages) as shared or private.  Returns how many pages were
 * booked: the part inside the set.  What lies beyond is counted in missed and
 * makes the set incomplete.  Also for reset of a part, memory hot-unplug, restore.
 */
uint64_t hcp_set__update(struct hcp_set *set, uint64_t gfn, uint64_t npages, bool shared);

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
 * The VM was reset: every frame is private again.  Call it while no vCPU runs.
 * A set that had missed requests of the old guest knows all of the new one's,
 * so missed and HCP_LATE are cleared; HCP_DETACHED stays.
 */
void hcp_set__reset(struct hcp_set *set);

/* Can the set be trusted, and if not, why: enum hcp_state, and pages missed. */
bool hcp_set__complete(const struct hcp_set *set);
uint32_t hcp_set__state(const struct hcp_set *set);
uint64_t hcp_set__missed(const struct hcp_set *set);

/* The size in pages, and the words themselves for readers of their own. */
uint64_t hcp_set__npages(const struct hcp_set *set);
const uint64_t *hcp_set__words(const struct hcp_set *set);

#ifdef __cplusplus
}
#endif
#endif /* HCPOLICY_SET_H */
