/* SPDX-License-Identifier: GPL-2.0 */
/* The set against the ground truth, page by page. */
#ifndef HCP_GUEST_JUDGE_H
#define HCP_GUEST_JUDGE_H

#include "walk.h"

#define JUDGE_SHOWN	10

struct judge_page {
	uint64_t gfn;
	uint64_t va;		/* missing: maps it without the C-bit; extra: with */
	bool missing;
};

struct judge {
	uint64_t ram;			/* pages */
	uint64_t mapped;		/* of them, by direct map or kernel image */
	uint64_t direct, image_only;	/* shared by the direct map; by the image only */
	uint64_t set_ram, set_other;	/* shared in the set: RAM, and anything else */
	uint64_t missing, extra;	/* shared and not in the set; the reverse */
	uint64_t unmapped_set;		/* shared in the set and not mapped: not judged */
	uint64_t disputed;		/* shared by other kernel mappings only: not judged */
	struct judge_page disputed_first;
	unsigned int nshown;
	struct judge_page shown[JUDGE_SHOWN];	/* the first that are missing or extra */
};

void judge_set(const struct core *core, const struct walk *w, struct judge *j);

#endif /* HCP_GUEST_JUDGE_H */
