/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The door by which an arm64 guest asks to share or hide memory, as the VM's
 * policy sees it.  See virt/kvm/hcpolicy.c.
 */
#ifndef ARCH_ARM64_KVM_HCPOLICY_H
#define ARCH_ARM64_KVM_HCPOLICY_H

#include <linux/kvm_host.h>
#include <linux/kvm_hcpolicy.h>

bool __kvm_hcpolicy_smccc(struct kvm_vcpu *vcpu, u32 func_id, u8 action);

/**
 * kvm_hcpolicy_smccc - does the VM's policy take this call?
 * @vcpu: the loaded vCPU that calls, without its SRCU lock, which is taken here
 * @func_id: the call
 * @action: what the VM's SMCCC filter does with it: %KVM_SMCCC_FILTER_FWD_TO_USER
 *	is an enabled exit, %KVM_SMCCC_FILTER_DENY keeps it from the policy
 *
 * May sleep: the caller holds no memslot.
 *
 * Return: true if the guest can go on: it has its answer, or makes the call
 * again.  False: do what @action says, as without a policy.
 */
static inline bool kvm_hcpolicy_smccc(struct kvm_vcpu *vcpu, u32 func_id, u8 action)
{
	/* Most VMs have no policy: not even a call for them. */
	return unlikely(kvm_hcpolicy_attached(vcpu->kvm)) &&
	       __kvm_hcpolicy_smccc(vcpu, func_id, action);
}

#endif /* ARCH_ARM64_KVM_HCPOLICY_H */
