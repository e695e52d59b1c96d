// SPDX-License-Identifier: GPL-2.0
/*
 * The workload.  Each step takes up to 8 neighbouring pages, verifies them before
 * they are overwritten, so that nothing bad goes unseen, and gives them new
 * contents; every other step asks for a status first, the same or another one.
 */
#include "../random.h"
#include "ops.h"
#include "pages.h"
#include "work.h"

#define STEP_PAGES	8

void work_clear(struct hcg_work *w)
{
	w->conversions = 0;
	w->refused = 0;
	w->writes = 0;
	w->verified = 0;
	w->bad = 0;
	w->bad_gfn = 0;
	w->bad_words = 0;
	w->bad_offset = 0;
	w->bad_got = 0;
	w->bad_expected = 0;
	w->bad_found = 0;
}

static void convert(unsigned int index, struct hcg_work *w, uint64_t gfn, uint64_t n,
		    uint64_t status)
{
	struct hcg_request r = {
		.op = HCG_CONVERT, .a0 = gfn * HCG_PAGE_SIZE, .a1 = n,
		.a2 = status & HCG_PAGE_SHARED ? 0 : HCG_PRIVATE,
	};

	op_do(index, &r);
	if (!r.ret) {
		w->conversions++;
		w->writes += n;
	} else {
		w->refused++;
	}
}

static void put(struct hcg_work *w, uint64_t gfn, uint64_t n)
{
	for (; n; n--, gfn++) {
		page_put(gfn, page_status(gfn));
		w->writes++;
	}
}

int work_begin(unsigned int index, struct hcg_work *w)
{
	uint64_t gfn, end = w->first_gfn + w->npages;

	key_look(index);
	if (!w->npages || !pages_known(w->first_gfn, w->npages))
		return 0;
	if (!(w->flags & HCG_WORK_FRESH))
		return 1;
	for (gfn = w->first_gfn; gfn < end; gfn++)
		page_forget(gfn);
	if (!(w->flags & HCG_WORK_NO_CONVERT))
		convert(index, w, w->first_gfn, w->npages, 0);
	if (w->flags & HCG_WORK_NO_CONVERT || w->refused)
		put(w, w->first_gfn, w->npages);
	return 1;
}

void work_step(unsigned int index, struct hcg_work *w, uint64_t *random)
{
	uint64_t kind = hcg_random(random);
	uint64_t gfn = w->first_gfn + hcg_random(random) % w->npages;
	uint64_t n = kind & 3 ? 1 : 1 + (kind >> 8) % STEP_PAGES, i;
	uint64_t left = w->first_gfn + w->npages - gfn;

	if (n > left)
		n = left;
	for (i = 0; i < n; i++)
		page_verify(index, gfn + i, w);
	if (kind >> 63 && !(w->flags & HCG_WORK_NO_CONVERT))
		convert(index, w, gfn, n, kind >> 62 & HCG_PAGE_SHARED);
	else
		put(w, gfn, n);
}

int work_check(unsigned int index, struct hcg_work *w)
{
	uint64_t i;

	if (!w->npages || !pages_known(w->first_gfn, w->npages))
		return 0;
	for (i = 0; i < w->npages; i++)
		page_verify(index, w->first_gfn + i, w);
	return 1;
}
