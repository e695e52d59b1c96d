// SPDX-License-Identifier: GPL-2.0
/* Calls: any one, and those that ask for a page to be shared or private. */
#include "../arch.h"
#include "../../crypt.h"
#include "smccc.h"

/* x86's words for the answers, as in <linux/kvm_para.h>. */
#define KVM_ENOSYS	1000
#define KVM_EINVAL	22

int64_t arch_ask(unsigned int index, uint64_t gpa, uint64_t npages, uint64_t attrs)
{
	uint32_t function = attrs & HCG_PRIVATE ? SMCCC_KVM_MEM_UNSHARE : SMCCC_KVM_MEM_SHARE;
	int64_t ret = 0;

	for (; npages && !ret; npages--, gpa += HCG_PAGE_SIZE)
		ret = smccc_hvc(function, gpa, 0, 0);
	switch (ret) {
	case SMCCC_NOT_SUPPORTED:
		return -KVM_ENOSYS;
	case SMCCC_INVALID_PARAMETER:
		return -KVM_EINVAL;
	}
	return ret;
}

int arch_op(unsigned int index, struct hcg_request *r)
{
	if (r->op != HCG_CALL)
		return 0;
	r->ret = r->flags & HCG_SMC ? smccc_smc(r->nr, r->a0, r->a1, r->a2) :
				      smccc_hvc(r->nr, r->a0, r->a1, r->a2);
	return 1;
}
