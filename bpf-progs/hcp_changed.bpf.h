/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hcp_book_changed(): hcp_book(), for a policy that has to know what it changed.  It is a header
 * of its own, as it costs more and brings functions that most policies do not call.
 */
#ifndef HCP_CHANGED_BPF_H
#define HCP_CHANGED_BPF_H

#include "hcpolicy.bpf.h"

static __always_inline int hcp_popcount(__u64 bits)
{
	return __builtin_popcountll(bits);
}

/* hcp_book_bits(); returns how many pages changed their status, by this vCPU and no other. */
static __always_inline int hcp_change_bits(__u64 *word, __u64 bits, _Bool shared)
{
	__u64 before;

	if (shared)
		return hcp_popcount(bits & ~__sync_fetch_and_or(word, bits));
	before = __sync_fetch_and_and(word, ~bits);
	return hcp_popcount(bits & before);
}

/* hcp_book_words(), the same way.  Global, as that one is: the verifier looks at it once. */
__weak __noinline int hcp_change_words(struct hcp_chunk *chunk __arg_nonnull,
				       __u64 word, __u64 end, __u64 value)
{
	int changed = 0;

	while (word < end && hcp_can_loop && hcp_word_in_chunk(word, 1)) {
		__u64 *w = &chunk->words[word++];

		changed += hcp_popcount(value ^ __atomic_exchange_n(w, value, __ATOMIC_RELAXED));
	}
	return changed;
}

/* Pages [first, last] of a chunk. */
__weak __noinline int hcp_change_chunk(struct hcp_chunk *chunk __arg_nonnull, __u64 first,
				       __u64 last, int shared)
{
	__u64 word = first / 64 % HCP_CHUNK_WORDS;
	__u64 end = last / 64 % HCP_CHUNK_WORDS;
	__u64 head = ~0ULL << first % 64;
	__u64 tail = ~0ULL >> (63 - last % 64);
	int changed;

	if (word == end)
		return hcp_change_bits(&chunk->words[word], head & tail, shared);

	changed = hcp_change_bits(&chunk->words[word], head, shared);
	if (word + 1 < end)
		changed += hcp_change_words(chunk, word + 1, end, shared ? ~0ULL : 0);
	return changed + hcp_change_bits(&chunk->words[end], tail, shared);
}

/*
 * Book the request in the set.  Returns how many pages changed their status; of two vCPUs that
 * share the same page at once, one is told.
 */
static __always_inline __u64 hcp_book_changed(const struct kvm_hcpolicy_ctx *ctx)
{
	__u64 gfn = ctx->gpa >> HCP_PAGE_SHIFT;
	__u64 left = ctx->npages, changed = 0;
	int i;

	for (i = 0; i < KVM_HCPOLICY_MAX_PAGES / HCP_CHUNK_PAGES + 1 && left; i++) {
		__u64 first = gfn % HCP_CHUNK_PAGES;
		__u64 n = HCP_CHUNK_PAGES - first;
		struct hcp_chunk *chunk = hcp_chunk_of(gfn << HCP_PAGE_SHIFT);

		if (!chunk)
			break;
		if (n > left)
			n = left;
		changed += hcp_change_chunk(chunk, first, first + n - 1, ctx->shared);
		gfn += n;
		left -= n;
	}

	if (left)
		hcp_count_unbooked(gfn, left);
	return changed;
}

/*
 * Has the set a place for each page of the request?  Pages beyond it are not among those that
 * hcp_book_changed() returns: nobody knows whether they changed.
 */
static __always_inline _Bool hcp_in_set(const struct kvm_hcpolicy_ctx *ctx)
{
	return hcp_chunk_of(ctx->gpa + (ctx->npages << HCP_PAGE_SHIFT) - 1);
}

#endif /* HCP_CHANGED_BPF_H */
