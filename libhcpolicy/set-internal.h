/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* The set from inside, for the files of libhcpset. */
#ifndef HCPOLICY_SET_INTERNAL_H
#define HCPOLICY_SET_INTERNAL_H

#include <hcpolicy/set.h>

#define MAX_PAGES	(1ULL << 40)
#define WORD_BITS	64

struct hcp_set {
	uint64_t *words;
	uint64_t npages;	/* taken once: info is in memory that others write */
	struct hcp_info *info;
	struct hcp_info own_info;	/* a set of its own: info points here */
};

/*
 * Around a replacement of all words: at no moment is the set called complete meanwhile, nor
 * if it is cut short.  What stays of the state, and is added to it, is said at the end.
 */
static inline void begin_change(struct hcp_set *set)
{
	__atomic_fetch_or(&set->info->state, HCP_CHANGING, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&set->info->generation, 1, __ATOMIC_SEQ_CST);
}

static inline void end_change(struct hcp_set *set, uint32_t keep, uint32_t add)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_fetch_or(&set->info->state, add, __ATOMIC_SEQ_CST);
	__atomic_fetch_and(&set->info->state, keep | add, __ATOMIC_SEQ_CST);
}

static inline uint64_t load_word(const struct hcp_set *set, uint64_t word)
{
	return __atomic_load_n(&set->words[word], __ATOMIC_RELAXED);
}

/*
 * why.c: hcp_set__why() of any state, and all its reasons in one line.  The names
 * have a prefix because a static library hides nothing.
 */
bool hcp_state_why(uint32_t state, uint64_t missed, unsigned int n, struct hcp_reason *reason);
size_t hcp_state_text(uint32_t state, uint64_t missed, char *buf, size_t size);

/* set.c: may it be a label?  It goes to terminals. */
bool hcp_label_valid(const char *label);

#endif /* HCPOLICY_SET_INTERNAL_H */
