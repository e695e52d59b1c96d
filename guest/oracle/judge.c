// SPDX-License-Identifier: GPL-2.0
/*
 * The comparison.  A page is shared if its direct map or kernel image mapping
 * lacks the C-bit; where only other kernel mappings do, neither answer is wrong.
 */
#include <string.h>

#include "judge.h"

#define JUDGING_MAPPED	(WALK_MAPPED(WALK_DIRECT) | WALK_MAPPED(WALK_IMAGE))
#define JUDGING_SHARED	(WALK_SHARED(WALK_DIRECT) | WALK_SHARED(WALK_IMAGE))

static void judge_page(struct judge *j, uint8_t how, uint64_t gfn, uint64_t va, bool set)
{
	bool shared = how & JUDGING_SHARED, mapped = how & JUDGING_MAPPED;
	struct judge_page page = { gfn, va, shared };

	j->mapped += mapped;
	j->set_ram += set;
	if (how & WALK_SHARED(WALK_DIRECT))
		j->direct++;
	else if (shared)
		j->image_only++;

	if (!shared && how & WALK_SHARED(WALK_OTHER)) {
		if (!j->disputed++)
			j->disputed_first = page;
		return;
	}
	if (!mapped) {
		j->unmapped_set += set;
		return;
	}
	if (shared == set)
		return;
	if (shared)
		j->missing++;
	else
		j->extra++;
	if (j->nshown < JUDGE_SHOWN)
		j->shown[j->nshown++] = page;
}

static uint64_t set_count(const struct core *c)
{
	uint64_t n = 0, i;

	for (i = 0; i < c->npages / 64; i++)
		n += __builtin_popcountll(c->words[i]);
	for (i *= 64; i < c->npages; i++)
		n += core_set_test(c, i);
	return n;
}

void judge_set(const struct core *core, const struct walk *w, struct judge *j)
{
	const struct core_block *b;
	uint64_t i;

	memset(j, 0, sizeof(*j));
	j->ram = core->nframes;
	for (b = core->blocks; b < core->blocks + core->nblocks; b++)
		for (i = 0; i < b->nframes; i++)
			judge_page(j, w->how[b->first + i], b->gfn + i, w->va[b->first + i],
				   core_set_test(core, b->gfn + i));
	j->set_other = set_count(core) - j->set_ram;
}
