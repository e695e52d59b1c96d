/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest's requests to share or hide memory go through: one attached BPF
 * program per VM.  See virt/kvm/hcpolicy.c.
 */
#ifndef __KVM_HCPOLICY_H
#define __KVM_HCPOLICY_H

#include <linux/kvm_host.h>
#include <linux/kvm_hcpolicy_abi.h>

#ifdef CONFIG_KVM_HCPOLICY
/**
 * kvm_hcpolicy_attached - does the VM have a policy?
 * @kvm: the VM
 *
 * A hint: kvm_hcpolicy_map_gpa_range() looks again, and answers
 * %KVM_HCPOLICY_DEFAULT if the policy has gone.
 *
 * Return: true if it has.
 */
static inline bool kvm_hcpolicy_attached(struct kvm *kvm)
{
	/* Plain: one instruction is all that most requests ever see of this. */
	return data_race(!!kvm->hcpolicy);
}

#ifndef kvm_arch_hcpolicy_allowed
/**
 * kvm_arch_hcpolicy_allowed - may the VM have a policy?
 * @kvm: the VM; what it is does not change once it has a descriptor
 *
 * An architecture says no if the VM's requests are answered where KVM does not see
 * them: a policy's book would stay empty and look complete.
 *
 * Return: true if it may.
 */
static inline bool kvm_arch_hcpolicy_allowed(struct kvm *kvm)
{
	return true;
}
#endif

int kvm_hcpolicy_map_gpa_range(struct kvm_vcpu *vcpu);
int kvm_hcpolicy_bad_request(struct kvm_vcpu *vcpu);
void kvm_hcpolicy_create_vm_debugfs(struct kvm *kvm);
void kvm_hcpolicy_destroy_vm(struct kvm *kvm);
void kvm_hcpolicy_init(void);
void kvm_hcpolicy_exit(void);
#else
static inline bool kvm_hcpolicy_attached(struct kvm *kvm)
{
	return false;
}

static inline void kvm_hcpolicy_create_vm_debugfs(struct kvm *kvm) {}
static inline void kvm_hcpolicy_destroy_vm(struct kvm *kvm) {}
static inline void kvm_hcpolicy_init(void) {}
static inline void kvm_hcpolicy_exit(void) {}
#endif /* CONFIG_KVM_HCPOLICY */

#endif /* __KVM_HCPOLICY_H */
