// SPDX-License-Identifier: GPL-2.0
/* The hypercall, and the operations that only x86 has. */
#include "../arch.h"
#include "../ops.h"
#include "../pages.h"
#include "cpu.h"

int64_t kernel_vmcall(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2);
int64_t kernel_vmmcall(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2);

static inline int64_t call(unsigned int index, uint32_t flags, uint64_t nr, uint64_t a0, uint64_t a1,
			   uint64_t a2)
{
	static int vmmcall_here = -1;	/* the same on every vCPU */
	int vmmcall;

	if (vmmcall_here < 0)
		vmmcall_here = cpu_has_vmmcall();
	vmmcall = flags & HCG_VMMCALL || (!(flags & HCG_VMCALL) && vmmcall_here);

	if (flags & HCG_USER)
		return cpu_user_call(index, nr, a0, a1, a2, vmmcall ? user_vmmcall_insn : user_vmcall_insn);
	return vmmcall ? kernel_vmmcall(nr, a0, a1, a2) : kernel_vmcall(nr, a0, a1, a2);
}

int64_t arch_ask(unsigned int index, uint64_t gpa, uint64_t npages, uint64_t attrs)
{
	return call(index, 0, KVM_HC_MAP_GPA_RANGE, gpa, npages, attrs);
}

static int64_t put_alias(const struct hcg_request *r)
{
	uint64_t gfn = r->a0 / HCG_PAGE_SIZE, end = gfn + r->a1;

	if (pages_bad(r))
		return HCG_RET_BAD_REQUEST;
	for (; gfn < end; gfn++)
		page_put_at(gfn, page_status(gfn), HCG_ALIAS);
	return 0;
}

int arch_op(unsigned int index, struct hcg_request *r)
{
	switch (r->op) {
	case HCG_CALL:
		r->ret = call(index, r->flags, r->nr, r->a0, r->a1, r->a2);
		return 1;
	case HCG_WRMSR:
		wrmsr(r->a0, r->a1);
		return 1;
	case HCG_PUT_ALIAS:
		r->ret = put_alias(r);
		return 1;
	}
	return 0;
}
