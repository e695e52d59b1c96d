// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's request to share or hide memory, as its door on x86 received it,
 * made into what a policy is asked.  The one place where all doors meet.
 */

#include "hcpolicy.h"

/* Page size in bits 3:0, and the encryption status. */
#define HCPOLICY_VALID_ATTRS	(GENMASK_ULL(3, 0) | KVM_MAP_GPA_RANGE_ENCRYPTED)

static bool hcpolicy_request_valid(struct kvm_vcpu *vcpu, gpa_t gpa, u64 npages,
				   u64 attrs)
{
	/* The width is what userspace put into CPUID: anything. */
	u64 end = BIT_ULL(min(vcpu->arch.maxphyaddr, 52));

	return !(attrs & ~HCPOLICY_VALID_ATTRS) &&
	       gpa_to_gfn(gpa) + npages <= gpa_to_gfn(end);
}

/**
 * __kvm_hcpolicy_ask - kvm_hcpolicy_ask() for a VM that seems to have a policy
 * @vcpu: see kvm_hcpolicy_ask()
 * @gpa: see kvm_hcpolicy_ask()
 * @npages: see kvm_hcpolicy_ask()
 * @attrs: see kvm_hcpolicy_ask()
 * @source: see kvm_hcpolicy_ask()
 *
 * Return: see kvm_hcpolicy_ask()
 */
int __kvm_hcpolicy_ask(struct kvm_vcpu *vcpu, gpa_t gpa, u64 npages, u64 attrs,
		       enum kvm_hcpolicy_source source)
{
	struct kvm_hcpolicy_request req = {
		.gpa = gpa,
		.npages = npages,
		.attrs = attrs,
		.source = source,
		.shared = !(attrs & KVM_MAP_GPA_RANGE_ENCRYPTED),
		.valid = hcpolicy_request_valid(vcpu, gpa, npages, attrs),
		.exit_enabled = kvm_map_gpa_range_exits(vcpu->kvm),
		/* RIP and RAX of a protected guest are out of reach. */
		.can_retry = source == KVM_HCPOLICY_SRC_HYPERCALL &&
			     !vcpu->arch.guest_state_protected,
	};
	int verdict = kvm_hcpolicy_map_gpa_range(vcpu, &req);

	if (verdict == KVM_HCPOLICY_DEFAULT && !req.exit_enabled)
		return -KVM_ENOSYS;
	return verdict;
}
EXPORT_SYMBOL_GPL(__kvm_hcpolicy_ask);
