/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* The set from inside, for the files of libhcpset. */
#ifndef HCPOLICY_SET_INTERNAL_H
#define HCPOLICY_SET_INTERNAL_H

#include <hcpolicy/set.h>

#define MAX_PAGES	(1ULL << 40)
#define WORD_BITS	64

/* hcp_info of version 1, as hcpolicy 0.1 has it.  It begins as that of today does. */
struct hcp_info_1 {
	__u32 version, state;
	__u64 missed;		/* pages beyond the set too */
	__u64 npages, start_time, attached_at;
	__s32 pid, vm_fd;
	char name[HCP_NAME_LEN], policy[HCP_NAME_LEN];
};
_Static_assert(offsetof(struct hcp_info, state) == offsetof(struct hcp_info_1, state) &&
	       offsetof(struct hcp_info, missed) == offsetof(struct hcp_info_1, missed),
	       "state and missed of both versions are used alike");

struct hcp_set {
	uint64_t *words;
	/*
	 * Of hcp_set__new(): for each chunk of words, was a page of it ever shared?  If not, scans
	 * skip it.  NULL: others write these words, and all of them are read.
	 */
	uint8_t *touched;
	uint64_t npages;	/* read once, because others can write to info */
	struct hcp_info *info;	/* of version 1: only state and missed are used */
	struct hcp_info *rest;	/* its other fields: info, or own_info if that has none */
	struct hcp_info own_info;
};

/* What a reset or restore changes has no place in an info of version 1. */
static inline bool is_old(const struct hcp_set *set)
{
	return set->info != set->rest;
}

/*
 * These two enclose a replacement of all words.  The set is not complete in between, nor if
 * the replacement is cut short.  end_change() says which states stay and which are added.
 */
static inline void begin_change(struct hcp_set *set)
{
	__atomic_fetch_or(&set->info->state, HCP_CHANGING, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&set->rest->generation, 1, __ATOMIC_SEQ_CST);
}

static inline void end_change(struct hcp_set *set, uint32_t keep, uint32_t add)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_fetch_or(&set->info->state, add, __ATOMIC_SEQ_CST);
	__atomic_fetch_and(&set->info->state, keep | add, __ATOMIC_SEQ_CST);
}

static inline bool is_touched(const struct hcp_set *set, uint64_t chunk)
{
	return __atomic_load_n(&set->touched[chunk], __ATOMIC_RELAXED);
}

/* Before pages in the words from first to last become shared. */
static inline void touch(struct hcp_set *set, uint64_t first, uint64_t last)
{
	uint64_t chunk = first / HCP_CHUNK_WORDS;

	if (!set->touched)
		return;
	do {
		/* Other threads read it, and a store that changes nothing would slow them down. */
		if (!is_touched(set, chunk))
			__atomic_store_n(&set->touched[chunk], true, __ATOMIC_RELAXED);
	} while (++chunk <= last / HCP_CHUNK_WORDS);
}

static inline uint64_t load_word(const struct hcp_set *set, uint64_t word)
{
	return __atomic_load_n(&set->words[word], __ATOMIC_RELAXED);
}

/*
 * why.c: hcp_set__why() for any state, and all its reasons in one line.  The names have a prefix
 * because a static library hides no symbols.
 */
bool hcp_state_why(uint32_t state, uint64_t missed, unsigned int n, struct hcp_reason *reason);
size_t hcp_state_text(uint32_t state, uint64_t missed, char *buf, size_t size);

/* set.c: is it a valid label?  Labels go to terminals. */
bool hcp_label_valid(const char *label);

#endif /* HCPOLICY_SET_INTERNAL_H */
