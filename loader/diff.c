// SPDX-License-Identifier: GPL-2.0
/* What changed in a set since the last look: diff.h. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "diff.h"

int set_diff_begin(struct set_diff *diff, const struct hcp_set *set)
{
	diff->set = set;
	diff->size = hcp_set__npages(set) / 8;
	/* Words that stay zero are not written, so they take no memory. */
	diff->words = mmap(NULL, diff->size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (diff->words == MAP_FAILED)
		return -ENOMEM;
	set_diff_count(diff);
	return 0;
}

uint64_t set_diff_count(struct set_diff *diff)
{
	const uint64_t *words = hcp_set__words(diff->set);
	uint64_t count = 0;

	for (size_t i = 0; i < diff->size / 8; i++) {
		uint64_t now = __atomic_load_n(&words[i], __ATOMIC_RELAXED);

		if (now == diff->words[i])
			continue;
		count += __builtin_popcountll(now ^ diff->words[i]);
		diff->words[i] = now;
	}
	return count;
}

void set_diff_end(struct set_diff *diff)
{
	munmap(diff->words, diff->size);
}
