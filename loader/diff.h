/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How many pages have another status than at the last look?  More may have been converted:
 * a page that was converted there and back is not seen.
 */
#ifndef DIFF_H
#define DIFF_H

#include <hcpolicy/set.h>

struct set_diff {
	const struct hcp_set *set;
	uint64_t *words;
	size_t size;
};

int set_diff_begin(struct set_diff *diff, const struct hcp_set *set);
uint64_t set_diff_count(struct set_diff *diff);
void set_diff_end(struct set_diff *diff);

#endif /* DIFF_H */
