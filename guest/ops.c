// SPDX-License-Identifier: GPL-2.0
/*
 * The operations.  To add one: a value in enum hcg_op, a case here, and a line in
 * script.c's table if it is to have a name there.
 */
#include "cpu.h"
#include "ops.h"

int64_t kernel_vmcall(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2);
int64_t kernel_vmmcall(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2);

static int64_t call(unsigned int index, const struct hcg_request *r)
{
	static int vmmcall_here = -1;	/* the same on every vCPU */
	int vmmcall;

	if (vmmcall_here < 0)
		vmmcall_here = cpu_has_vmmcall();
	vmmcall = r->flags & HCG_VMMCALL || (!(r->flags & HCG_VMCALL) && vmmcall_here);

	if (r->flags & HCG_USER)
		return cpu_user_call(index, r->nr, r->a0, r->a1, r->a2,
				     vmmcall ? user_vmmcall_insn : user_vmcall_insn);
	return vmmcall ? kernel_vmmcall(r->nr, r->a0, r->a1, r->a2) :
			 kernel_vmcall(r->nr, r->a0, r->a1, r->a2);
}

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

void op_do(unsigned int index, struct hcg_request *r)
{
	r->ret = 0;
	switch (r->op) {
	case HCG_CALL:
		r->ret = call(index, r);
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
		outl(HCG_PORT, HCG_EV_STEP | (uint32_t)r->a0 << 8);
		return;
	}
	r->ret = HCG_RET_BAD_REQUEST;
}

int op_failed(const struct hcg_request *r)
{
	return r->flags & HCG_EXPECT && r->ret != r->expect;
}
