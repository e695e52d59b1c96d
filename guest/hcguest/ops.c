// SPDX-License-Identifier: GPL-2.0
/*
 * The operations.  To add one: a value in enum hcg_op, a case here or in an architecture's
 * arch_op(), and a line in x86/script.c's table if it is to have a name there.
 */
#include "arch.h"
#include "ops.h"
#include "pages.h"

static int bad_memory(uint64_t gpa, uint64_t size)
{
	return gpa % 8 || size % 8 || gpa >= HCG_MAX_GPA || size > HCG_MAX_GPA - gpa;
}

static void fill(uint64_t gpa, uint64_t size, uint64_t value)
{
	volatile uint64_t *p = (void *)gpa;

	for (; size; size -= 8)
		*p++ = value;
}

static int bad_status(const struct hcg_request *r)
{
	return r->a2 && r->a2 != HCG_PRIVATE;
}

/* The contract: ask first, write afterwards. */
static int64_t convert(unsigned int index, const struct hcg_request *r, uint64_t status)
{
	uint64_t gfn = r->a0 / HCG_PAGE_SIZE, i;
	int64_t ret;

	for (i = 0; i < r->a1; i++)
		page_begin(gfn + i);
	ret = arch_ask(index, r->a0, r->a1, r->a2);
	for (i = 0; i < r->a1; i++) {
		if (ret)
			page_end(gfn + i);
		else
			page_put(gfn + i, status);
	}
	return ret;
}

static int64_t do_pages(unsigned int index, const struct hcg_request *r)
{
	struct hcg_work *w = &((struct hcg_mailbox *)HCG_MAILBOX_GPA(index))->work;
	uint64_t gfn = r->a0 / HCG_PAGE_SIZE, end = gfn + r->a1;
	uint64_t status = r->a2 ? 0 : HCG_PAGE_SHARED;
	int64_t bad = 0;

	if (r->op == HCG_CONVERT)
		return convert(index, r, status);
	for (; gfn < end; gfn++) {
		if (r->op == HCG_PUT)
			page_put(gfn, page_status(gfn));
		else if (r->op == HCG_PUT_AS)
			page_put(gfn, status);
		else if (r->op == HCG_RECODE)
			page_recode(gfn, status);
		else
			bad += !page_verify(index, gfn, w);
	}
	return bad;
}

void op_do(unsigned int index, struct hcg_request *r)
{
	key_look(index);
	r->ret = 0;
	switch (r->op) {
	case HCG_ASK:
		r->ret = arch_ask(index, r->a0, r->a1, r->a2);
		return;
	case HCG_READ:
		if (bad_memory(r->a0, 8))
			break;
		r->ret = *(volatile int64_t *)r->a0;
		return;
	case HCG_WRITE:
		if (bad_memory(r->a0, 8))
			break;
		*(volatile uint64_t *)r->a0 = r->a1;
		return;
	case HCG_FILL:
		if (bad_memory(r->a0, r->a1))
			break;
		fill(r->a0, r->a1, r->a2);
		return;
	case HCG_STEP:
		doorbell_ring(HCG_EV_STEP | (uint32_t)r->a0 << 8);
		return;
	case HCG_CONVERT:
	case HCG_PUT_AS:
	case HCG_RECODE:
		if (bad_status(r))
			break;
		/* fall through */
	case HCG_PUT:
	case HCG_VERIFY:
		if (pages_bad(r))
			break;
		r->ret = do_pages(index, r);
		return;
	default:
		if (!arch_op(index, r))
			break;
		return;
	}
	r->ret = HCG_RET_BAD_REQUEST;
}

int64_t op_share_own(unsigned int index)
{
	return arch_ask(index, 0, HCG_FREE_GPA / HCG_PAGE_SIZE, 0);
}

int op_failed(const struct hcg_request *r)
{
	return r->flags & HCG_EXPECT && r->ret != r->expect;
}
