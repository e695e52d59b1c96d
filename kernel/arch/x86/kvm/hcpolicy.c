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
 * kvm_hcpolicy_ask - what becomes of a request to share or hide memory?
 * @vcpu: the loaded vCPU that asks, with its SRCU lock held; may be dropped
 * @gpa: first guest physical address, page-aligned, as the exit would show it
 * @npages: number of 4 KiB pages, not zero; @gpa + @npages does not wrap
 * @attrs: KVM_MAP_GPA_RANGE_*, as the exit would show them
 * @source: the door
 *
 * Return: %KVM_HCPOLICY_DEFAULT: exit to userspace, which wants that.
 * %KVM_HCPOLICY_HANDLED: the guest is to see success.  %KVM_HCPOLICY_RETRY, from
 * the hypercall only: resume the guest at the same instruction.  A negative
 * KVM_E*: the guest is to see an error, this one if the door has it;
 * -KVM_ENOSYS if nobody took the request.
 */
int kvm_hcpolicy_ask(struct kvm_vcpu *vcpu, gpa_t gpa, u64 npages, u64 attrs,
		     enum kvm_hcpolicy_source source)
{
	bool exit_enabled = kvm_map_gpa_range_exits(vcpu->kvm);
	int verdict = KVM_HCPOLICY_DEFAULT;

	if (kvm_hcpolicy_attached(vcpu->kvm)) {
		struct kvm_hcpolicy_request req = {
			.gpa = gpa,
			.npages = npages,
			.attrs = attrs,
			.source = source,
			.shared = !(attrs & KVM_MAP_GPA_RANGE_ENCRYPTED),
			.valid = hcpolicy_request_valid(vcpu, gpa, npages, attrs),
			.exit_enabled = exit_enabled,
			/* RIP and RAX of a protected guest are out of reach. */
			.can_retry = source == KVM_HCPOLICY_SRC_HYPERCALL &&
				     !vcpu->arch.guest_state_protected,
		};

		verdict = kvm_hcpolicy_map_gpa_range(vcpu, &req);
	}

	if (verdict == KVM_HCPOLICY_DEFAULT && !exit_enabled)
		return -KVM_ENOSYS;
	return verdict;
}
EXPORT_SYMBOL_GPL(kvm_hcpolicy_ask);
