/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A reproducible stream of KVM_HC_MAP_GPA_RANGE requests, the same in the guest
 * (script command `random`) and in whoever checks what became of them.
 */
#ifndef HCP_GUEST_RANDOM_H
#define HCP_GUEST_RANDOM_H

#include <stdint.h>

struct hcg_random_range {
	uint64_t gfn;
	uint64_t npages;
	int shared;
};

/* splitmix64 */
static inline uint64_t hcg_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/*
 * The next request within [0, max_gfn), max_gfn > 0.  Half are single pages, the
 * others up to 64, 4,096 and 65,536 pages: edges within a word, across words,
 * across chunks.  Requests overlap each other.
 */
static inline struct hcg_random_range hcg_random_range(uint64_t *state, uint64_t max_gfn)
{
	static const uint64_t limit[8] = { 1, 1, 1, 1, 64, 64, 4096, 65536 };
	uint64_t kind = hcg_random(state);
	struct hcg_random_range r;

	r.gfn = hcg_random(state) % max_gfn;
	r.npages = 1 + hcg_random(state) % limit[kind % 8];
	if (r.npages > max_gfn - r.gfn)
		r.npages = max_gfn - r.gfn;
	r.shared = kind >> 63;
	return r;
}

#endif /* HCP_GUEST_RANDOM_H */
