/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page state changes of SEV-SNP as a guest without SNP can ask for them: by kvm-amd.ko with
 * the trigger of kernel/tests, which selftests/with-psc-trigger loads.
 */
#ifndef HCST_SNP_H
#define HCST_SNP_H

#include "../kernel/tests/psc_trigger.h"
#include "vm.h"

/* As the GHCB specification has them. */
#define MSR_REQ(gfn, op)	((uint64_t)(op) << 52 | (uint64_t)(gfn) << 12 | 0x014)
#define MSR_OK			0x015ULL
#define MSR_ERROR		(1ULL << 63 | 0x015)
#define OP_PRIVATE		1
#define OP_SHARED		2
#define OP_SMASH		3

/* What the door answers. */
static inline uint64_t snp_trigger(struct vcpu *v, uint32_t nr, uint64_t a0)
{
	struct hcg_request reqs[] = {
		{ .op = HCG_CALL, .flags = HCG_VMMCALL, .nr = nr, .a0 = a0 },
		{ .op = HCG_CALL, .flags = HCG_VMMCALL, .nr = HCST_PSC_RESULT },
	};

	vcpu_batch(v, reqs, 2);
	return reqs[1].ret;
}

static inline uint64_t snp_msr(struct vcpu *v, uint64_t gfn, int op)
{
	return snp_trigger(v, HCST_PSC_MSR, MSR_REQ(gfn, op));
}

#endif /* HCST_SNP_H */
