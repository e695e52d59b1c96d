// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's request to share or hide memory, as its door on x86 received it,
 * made into what a policy is asked.  The one place where all doors meet.
 */

#include "hcpolicy.h"
#include "mmu.h"

/* Page size in bits 3:0, and the encryption status. */
#define HCPOLICY_VALID_ATTRS	(GENMASK_ULL(3, 0) | KVM_MAP_GPA_RANGE_ENCRYPTED)

static bool hcpolicy_request_valid(struct kvm_vcpu *vcpu, gpa_t gpa, u64 npages,
				   u64 attrs)
{
	/* The width is what userspace put into CPUID: anything. */
	u64 end = BIT_ULL(min_t(unsigned int, vcpu->arch.maxphyaddr, 52));
	gfn_t s_bit = kvm_gfn_direct_bits(vcpu->kvm);
	gfn_t last = gpa_to_gfn(gpa) + npages - 1;

	/* A hypercall's may have a TD's S-bit, with which it is no memory's address. */
	if (unlikely(s_bit) && last >= s_bit)
		return false;

	return !(attrs & ~HCPOLICY_VALID_ATTRS) && last < gpa_to_gfn(end);
}

/* kvm_hcpolicy_ask() of a VM that has a policy, or had one a moment ago. */
int __kvm_hcpolicy_ask(struct kvm_vcpu *vcpu, gpa_t gpa, u64 npages, u64 attrs,
		       enum kvm_hcpolicy_source source)
{
	struct kvm_hcpolicy_ctx *ctx = &vcpu->hcpolicy_ctx;
	u16 flags = 0;

	if (unlikely(user_exit_on_hypercall(vcpu->kvm, KVM_HC_MAP_GPA_RANGE)))
		flags |= KVM_HCPOLICY_EXIT_ENABLED;
	/*
	 * RIP and RAX of a protected guest are out of reach; a debug TD is not
	 * "protected", but its RIP is past the TDCALL.
	 */
	if (unlikely(source != KVM_HCPOLICY_SRC_HYPERCALL ||
		     vcpu->arch.guest_state_protected ||
		     vcpu->kvm->arch.vm_type == KVM_X86_TDX_VM))
		flags |= KVM_HCPOLICY_NO_RETRY;
	ctx->flags = flags;

	if (unlikely(!hcpolicy_request_valid(vcpu, gpa, npages, attrs)))
		return kvm_hcpolicy_bad_request(vcpu);

	ctx->gpa = gpa;
	ctx->npages = npages;
	ctx->attrs = attrs;
	ctx->vcpu_id = vcpu->vcpu_id;
	ctx->source = source;
	/* No valid bit is above that one. */
	ctx->shared = attrs < KVM_MAP_GPA_RANGE_ENCRYPTED;
	return kvm_hcpolicy_map_gpa_range(vcpu);
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(__kvm_hcpolicy_ask);
