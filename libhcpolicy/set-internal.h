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

static inline uint64_t load_word(const struct hcp_set *set, uint64_t word)
{
	return __atomic_load_n(&set->words[word], __ATOMIC_RELAXED);
}

#endif /* HCPOLICY_SET_INTERNAL_H */
