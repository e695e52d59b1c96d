/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one header that a policy includes.  It has the maps, the functions that write the
 * shared-page set, and HCPOLICY(), which declares a policy:
 *
 *	#include "hcpolicy.bpf.h"
 *
 *	HCPOLICY(mine, req)
 *	{
 *		hcp_book(req);
 *		return KVM_HCPOLICY_DEFAULT;
 *	}
 *
 *	char LICENSE[] SEC("license") = "GPL";
 *
 * The rule that keeps the set right: for each request a policy does exactly one thing.  It
 * calls hcp_book() or hcp_book_changed() (hcp_changed.bpf.h), or hcp_refuse(), or hcp_lost(), or
 * hcp_ignore(); or it returns KVM_HCPOLICY_RETRY and calls none of them.
 *
 * It needs clang 19 (`pkg-config --cflags hcpolicy-bpf` has the flags), libbpf's headers since
 * 1.1, and of the kernel's headers only <linux/bpf.h> and <linux/errno.h>.  A program that wants
 * more types of the kernel includes a vmlinux.h before this.
 */
#ifndef HCPOLICY_BPF_H
#define HCPOLICY_BPF_H

#if __clang_major__ < 19
#error "hcpolicy.bpf.h needs clang 19 or later; the makefile of hcpolicy new takes CLANG=clang-19"
#endif

#ifdef __VMLINUX_H__
#include "hcp_vmlinux.bpf.h"
#else
#include <linux/bpf.h>
#include <stddef.h>
#endif
#include <linux/errno.h>
#include <bpf/bpf_helpers.h>
#include <hcpolicy/abi.h>

#ifndef __arg_nonnull	/* libbpf before 1.4 */
#define __arg_nonnull	__attribute__((btf_decl_tag("arg:nonnull")))
#endif

/* libbpf matches this with the kernel's type by names.  The loader sets vm_fd and flags. */
struct kvm_hcpolicy_ops {
	__s32 vm_fd;
	__u32 flags;
	int (*map_gpa_range)(struct kvm_hcpolicy_ctx *ctx);
	char name[KVM_HCPOLICY_NAME_LEN];
} __attribute__((preserve_access_index));

#define HCP_WORD_BYTES	(64ULL << HCP_PAGE_SHIFT)	/* of guest memory that a word is of */

struct hcp_chunk {
	__u64 words[HCP_CHUNK_WORDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);		/* the loader resizes it */
	__type(key, __u32);
	__type(value, struct hcp_chunk);
} hcp_shared SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hcp_info);
} hcp_info SEC(".maps");

/* May the loop go on?  A loop that asks this needs no bound that the verifier can see. */
#define hcp_can_loop							\
	({								\
		__label__ stop, done;					\
		_Bool go = 1;						\
		asm volatile goto("may_goto %l[stop]" :::: stop);	\
		goto done;						\
	stop:								\
		go = 0;							\
	done:								\
		go;							\
	})

/* 1 << n % 64, of which BPF's shift does the second half: compilers would write it out. */
static __always_inline __u64 hcp_bit(__u64 n)
{
	__u64 bit = 1;

	asm("%0 <<= %1" : "+r"(bit) : "r"(n));
	return bit;
}

/* What is read after it is read anew: cheaper than a register that a helper leaves alone. */
#define hcp_forget()	asm volatile("" ::: "memory")

/* Atomic, as other vCPUs may change the other bits.  The result is unused, so it is one insn. */
static __always_inline void hcp_book_bits(__u64 *word, __u64 bits, _Bool shared)
{
	if (shared)
		__sync_fetch_and_or(word, bits);
	else
		__sync_fetch_and_and(word, ~bits);
}

/*
 * Is there room for so many words?  The asm hides from the compiler how the index was computed.
 * Otherwise it could check one value and index by another, and the verifier would see no bound.
 */
#define hcp_word_in_chunk(word, room)					\
	({								\
		asm volatile("" : "+r"(word));				\
		(word) <= HCP_CHUNK_WORDS - (room);			\
	})

/* n words from w on; n is a constant. */
static __always_inline void hcp_fill(__u64 *w, int n, __u64 value)
{
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < n; i++)
		w[i] = value;
}

/* Whole words [word, end) of a chunk.  A global function, so that it is verified once. */
__weak __noinline int hcp_book_words(struct hcp_chunk *chunk __arg_nonnull,
				     __u64 word, __u64 end, __u64 value)
{
	for (; word + 128 <= end && hcp_can_loop && hcp_word_in_chunk(word, 128); word += 128)
		hcp_fill(&chunk->words[word], 128, value);
	for (; word + 8 <= end && hcp_can_loop && hcp_word_in_chunk(word, 8); word += 8)
		hcp_fill(&chunk->words[word], 8, value);
	for (; word < end && hcp_can_loop && hcp_word_in_chunk(word, 1); word++)
		chunk->words[word] = value;
	return 0;
}

/* Pages [first, last] of a chunk. */
static __always_inline void hcp_book_chunk(struct hcp_chunk *chunk, __u64 first,
					   __u64 last, _Bool shared)
{
	__u64 word = first / 64 % HCP_CHUNK_WORDS;
	__u64 end = last / 64 % HCP_CHUNK_WORDS;
	__u64 head = ~0ULL << first % 64;
	__u64 tail = ~0ULL >> (63 - last % 64);

	if (word == end) {
		hcp_book_bits(&chunk->words[word], head & tail, shared);
		return;
	}

	/* Only a word that others have pages in takes a locked instruction. */
	if (first % 64)
		hcp_book_bits(&chunk->words[word++], head, shared);
	if (last % 64 != 63)
		hcp_book_bits(&chunk->words[end], tail, shared);
	else
		end++;
	if (word < end)
		hcp_book_words(chunk, word, end, shared ? ~0ULL : 0);
}

static __always_inline struct hcp_chunk *hcp_chunk_of(__u64 gpa)
{
	__u32 key = gpa / (HCP_CHUNK_WORDS * HCP_WORD_BYTES);

	return bpf_map_lookup_elem(&hcp_shared, &key);
}

static __always_inline struct hcp_info *hcp_info_value(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&hcp_info, &key);
}

/* Count pages of a request that are not recorded.  Inside the set they are missed. */
static __always_inline void hcp_count_unbooked(__u64 gfn, __u64 npages)
{
	struct hcp_info *info = hcp_info_value();
	__u64 inside = 0;

	if (!info)
		return;
	if (gfn < info->npages)
		inside = info->npages - gfn;
	if (inside > npages)
		inside = npages;
	if (inside)
		__sync_fetch_and_add(&info->missed, inside);
	if (inside < npages)
		__sync_fetch_and_add(&info->beyond, npages - inside);
}

/* hcp_book() of any request.  Apart, so that the usual ones have no more registers to save. */
static __noinline __attribute__((unused))
__u64 hcp_book_range(const struct kvm_hcpolicy_ctx *ctx)
{
	__u64 gfn = ctx->gpa >> HCP_PAGE_SHIFT;
	__u64 left = ctx->npages;
	int i;

	/* KVM_HCPOLICY_MAX_PAGES are two chunks, so a request lies in three chunks at most. */
	for (i = 0; i < KVM_HCPOLICY_MAX_PAGES / HCP_CHUNK_PAGES + 1 && left; i++) {
		__u64 first = gfn % HCP_CHUNK_PAGES;
		__u64 n = HCP_CHUNK_PAGES - first;
		struct hcp_chunk *chunk;

		chunk = hcp_chunk_of(gfn << HCP_PAGE_SHIFT);
		if (!chunk)
			break;
		if (n > left)
			n = left;
		hcp_book_chunk(chunk, first, first + n - 1, ctx->shared);
		gfn += n;
		left -= n;
	}

	if (left)
		hcp_count_unbooked(gfn, left);
	return ctx->npages - left;
}

/*
 * Record the request in the set.  Returns the number of recorded pages.  Pages beyond the set
 * may not be memory: they are only counted, and the set stays complete.
 *
 * Linux asks for single pages most of the time, and for 2 MiB at a time at boot.
 */
static __always_inline __u64 hcp_book(const struct kvm_hcpolicy_ctx *ctx)
{
	__u64 npages = ctx->npages;
	struct hcp_chunk *chunk;

	if (npages == 1) {
		chunk = hcp_chunk_of(ctx->gpa);
		if (chunk) {
			hcp_forget();
			hcp_book_bits(&chunk->words[ctx->gpa / HCP_WORD_BYTES % HCP_CHUNK_WORDS],
				      hcp_bit(ctx->gpa >> HCP_PAGE_SHIFT), ctx->shared);
			return 1;
		}
	} else if (npages == 512 && ctx->gpa % (8 * HCP_WORD_BYTES) == 0) {
		chunk = hcp_chunk_of(ctx->gpa);
		if (chunk) {
			hcp_forget();
			hcp_fill(&chunk->words[ctx->gpa / HCP_WORD_BYTES % HCP_CHUNK_WORDS & ~7], 8,
				 0 - (__u64)ctx->shared);
			return 512;
		}
	}
	return hcp_book_range(ctx);
}

/* Is that frame shared, as the set has it?  Beyond the set: no. */
static __always_inline _Bool hcp_test(__u64 gfn)
{
	struct hcp_chunk *chunk = hcp_chunk_of(gfn << HCP_PAGE_SHIFT);

	return chunk && chunk->words[gfn / 64 % HCP_CHUNK_WORDS] >> gfn % 64 & 1;
}

/*
 * For a range that the policy has been told is no memory: it is neither booked nor lost, and the
 * set stays complete, as nobody migrates it.
 */
static __always_inline void hcp_ignore(const struct kvm_hcpolicy_ctx *ctx)
{
}

/*
 * Does a guest that asks so obey a refusal?  On arm64 it does: Linux shares or hides a page once
 * the call has succeeded.  Linux under plain SEV has converted the pages when it asks, and
 * ignores the answer.  (A guest of SEV-SNP or TDX obeys, or ends itself, but what it shares is the
 * VMM's to grant, and KVM's memory attributes tell: in the set it is as one of plain SEV.)
 */
static __always_inline _Bool hcp_obeys(const struct kvm_hcpolicy_ctx *ctx)
{
	return ctx->source == KVM_HCPOLICY_SRC_SMCCC;
}

/*
 * Refuse the request:
 *
 *	return hcp_refuse(req, -EPERM);
 *
 * The set gets what is true afterwards: what the guest has converted anyway is booked, and what a
 * guest that obeys has not converted is not.  So one policy is right for both.
 */
static __always_inline int hcp_refuse(const struct kvm_hcpolicy_ctx *ctx, int error)
{
	if (!hcp_obeys(ctx))
		hcp_book(ctx);
	return error;
}

/* Give the request up.  Its pages inside the set are missed: the set is not complete. */
static __always_inline void hcp_lost(const struct kvm_hcpolicy_ctx *ctx)
{
	hcp_count_unbooked(ctx->gpa >> HCP_PAGE_SHIFT, ctx->npages);
}

/*
 * What a policy tells of itself, in its BTF: `hcpolicy policies` lists it, and --param and tune
 * are checked by it.  HCP_PARAM is fixed once the policy is loaded, as the verifier counts with
 * it; HCP_SETTING may change at any time.  Numbers are literals.
 *
 *	HCPOLICY_ABOUT(mine, "refuses what lies above a limit");
 *	HCP_PARAM(__u64, limit, 0x100000000, 0, 0xffffffffffffffff, "the first address refused");
 *	HCP_SETTING(_Bool, frozen, 0, 0, 1, "refuse everything");
 *	HCP_COUNTER(refused, "pages refused so far");
 *
 * HCP_COUNTER is what the policy counts itself, for `hcpolicy show`: nobody else sets it.
 */
#define HCP_TAG(text)		__attribute__((btf_decl_tag(text)))
#define HCPOLICY_ABOUT(policy, text)						\
	extern struct kvm_hcpolicy_ops policy##_ops HCP_TAG("hcp:about " text)
#define HCP_PARAM(type, name, value, min, max, help)				\
	const volatile type name HCP_TAG("hcp:param " #min " " #max " " help) = value
#define HCP_SETTING(type, name, value, min, max, help)				\
	SEC(".data.settings") volatile type name				\
	HCP_TAG("hcp:param " #min " " #max " " help) = value

#define HCP_COUNTER(name, help)							\
	SEC(".data.counters") volatile __u64 name				\
	HCP_TAG("hcp:param 0 0xffffffffffffffff " help) = 0

/* Behind a map's name: a replacement that has the same map goes on with this one. */
#define HCP_HAND_ON		HCP_TAG("hcp:hand-on")

/*
 * HCPOLICY(name, req) { ... }: a policy of that name, at most 15 characters.  Nothing has the bare name
 * in C, so it may be a word of C too.
 */
#define HCPOLICY(policy, req)							\
static __always_inline int ____##policy(struct kvm_hcpolicy_ctx *req);		\
SEC("struct_ops/map_gpa_range")							\
int policy##_map_gpa_range(struct kvm_hcpolicy_ctx **args)			\
{										\
	return ____##policy(args[0]);						\
}										\
SEC(".struct_ops.link") struct kvm_hcpolicy_ops policy##_ops = {			\
	.map_gpa_range = (void *)policy##_map_gpa_range,			\
	.name = #policy,							\
};										\
_Static_assert(sizeof(#policy) <= KVM_HCPOLICY_NAME_LEN, "name is too long");	\
static __always_inline int ____##policy(struct kvm_hcpolicy_ctx *req)

#endif /* HCPOLICY_BPF_H */
