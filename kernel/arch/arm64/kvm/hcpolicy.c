// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's calls MEM_SHARE and MEM_UNSHARE, made into what a policy is asked.
 *
 * The calls are pKVM's.  EL2 answers those of a protected VM and tells the host
 * nothing: hence such a VM can have no policy (kvm_arch_hcpolicy_allowed()).  Those of
 * other VMs come here, from kvm_smccc_call_handler().
 *
 * KVM offers the calls to nobody.  The VMM does, as by CPUID on x86: it has the SMCCC
 * filter forward FEATURES and HYP_MEMINFO, and answers them.  So the guest's machine
 * does not change when a policy comes or goes.
 *
 * All this runs on the vCPU's own thread, which holds vcpu->mutex, with preemption and
 * interrupts on.  arm64 has no SRCU lock at a call; the core wants it, and may drop it.
 */

#include <linux/arm-smccc.h>
#include <linux/kvm_para.h>

#include <asm/kvm_emulate.h>
#include <asm/kvm_mmu.h>

#include <kvm/arm_hypercalls.h>

#include "hcpolicy.h"

/*
 * What a call is about, and HYP_MEMINFO has to say: 4 KiB, whatever pages the host has.
 * A guest with larger pages makes several calls for each.
 */
#define HCPOLICY_GRANULE		BIT_ULL(KVM_HCPOLICY_PAGE_SHIFT)

/* As x86's <asm/kvm_para.h> has it, and as every door shows what is to be private. */
#define KVM_MAP_GPA_RANGE_ENCRYPTED	BIT_ULL(4)

/*
 * Is the call about memory of this VM?  From AArch32 there are no such calls, and what
 * a nested guest calls memory is its hypervisor's affair: only SMCs get here from that.
 */
static bool hcpolicy_is_request(struct kvm_vcpu *vcpu, u32 func_id)
{
	if (func_id != ARM_SMCCC_VENDOR_HYP_KVM_MEM_SHARE_FUNC_ID &&
	    func_id != ARM_SMCCC_VENDOR_HYP_KVM_MEM_UNSHARE_FUNC_ID)
		return false;

	return !vcpu_mode_is_32bit(vcpu) &&
	       (!vcpu_has_nv(vcpu) || is_hyp_ctxt(vcpu));
}

/* As EL2 takes them from protected VMs (7.x: kvm_handle_pvm_hvc64()), but of 4 KiB each. */
static bool hcpolicy_args_valid(struct kvm_vcpu *vcpu)
{
	return IS_ALIGNED(smccc_get_arg1(vcpu), HCPOLICY_GRANULE) &&
	       !smccc_get_arg2(vcpu) && !smccc_get_arg3(vcpu);
}

/* No register has changed.  PC is past an HVC; an SMC is only marked to be skipped. */
static void hcpolicy_run_again(struct kvm_vcpu *vcpu)
{
	if (kvm_vcpu_trap_get_class(vcpu) == ESR_ELx_EC_HVC64)
		*vcpu_pc(vcpu) -= 4;
	else
		vcpu_clear_flag(vcpu, INCREMENT_PC);
}

static int hcpolicy_ask(struct kvm_vcpu *vcpu, bool share, u8 action)
{
	struct kvm_hcpolicy_ctx *ctx = &vcpu->hcpolicy_ctx;
	gpa_t gpa = smccc_get_arg1(vcpu);

	ctx->flags = action == KVM_SMCCC_FILTER_FWD_TO_USER ? KVM_HCPOLICY_EXIT_ENABLED : 0;
	if (gpa >= kvm_phys_size(&vcpu->kvm->arch.mmu))
		return kvm_hcpolicy_bad_request(vcpu);

	ctx->gpa = gpa;
	ctx->npages = 1;
	ctx->attrs = share ? 0 : KVM_MAP_GPA_RANGE_ENCRYPTED;
	ctx->vcpu_id = vcpu->vcpu_id;
	ctx->source = KVM_HCPOLICY_SRC_SMCCC;
	ctx->shared = share;
	return kvm_hcpolicy_map_gpa_range(vcpu);
}

/* kvm_hcpolicy_smccc() of a VM that has a policy, or had one a moment ago. */
bool __kvm_hcpolicy_smccc(struct kvm_vcpu *vcpu, u32 func_id, u8 action)
{
	bool share = func_id == ARM_SMCCC_VENDOR_HYP_KVM_MEM_SHARE_FUNC_ID;
	int verdict = -KVM_EINVAL;
	long ret;

	if (action == KVM_SMCCC_FILTER_DENY || !hcpolicy_is_request(vcpu, func_id))
		return false;

	if (likely(hcpolicy_args_valid(vcpu))) {
		kvm_vcpu_srcu_read_lock(vcpu);
		verdict = hcpolicy_ask(vcpu, share, action);
		kvm_vcpu_srcu_read_unlock(vcpu);
	} else if (action == KVM_SMCCC_FILTER_FWD_TO_USER) {
		/* It is userspace's to say what its call does not take. */
		return false;
	}

	switch (verdict) {
	case KVM_HCPOLICY_DEFAULT:
		return false;
	case KVM_HCPOLICY_RETRY:
		hcpolicy_run_again(vcpu);
		return true;
	case KVM_HCPOLICY_HANDLED:
		ret = SMCCC_RET_SUCCESS;
		break;
	case -KVM_ENOSYS:
	case -KVM_EOPNOTSUPP:
		ret = SMCCC_RET_NOT_SUPPORTED;
		break;
	default:
		ret = SMCCC_RET_INVALID_PARAMETER;
	}

	smccc_set_retval(vcpu, ret, 0, 0, 0);
	return true;
}
