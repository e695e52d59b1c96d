/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The doors by which an x86 guest asks to share or hide memory, as the VM's
 * policy sees them.  See virt/kvm/hcpolicy.c.
 */
#ifndef ARCH_X86_KVM_HCPOLICY_H
#define ARCH_X86_KVM_HCPOLICY_H

#include <linux/kvm_host.h>
#include <linux/kvm_hcpolicy.h>
#include <linux/kvm_para.h>
#include <linux/sched/signal.h>

#include "x86.h"

/* A door that loops lets the guest issue the rest again after so many answers. */
#define KVM_HCPOLICY_MAX_ANSWERS	64

/*
 * Is there anybody to answer such requests?  A hint, as a policy may come and go,
 * and all that a request costs which nobody answers.
 */
static inline bool kvm_map_gpa_range_enabled(struct kvm *kvm)
{
	return user_exit_on_hypercall(kvm, KVM_HC_MAP_GPA_RANGE) ||
	       unlikely(kvm_hcpolicy_attached(kvm));
}

int __kvm_hcpolicy_ask(struct kvm_vcpu *vcpu, gpa_t gpa, u64 npages, u64 attrs,
		       enum kvm_hcpolicy_source source);

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
static inline int kvm_hcpolicy_ask(struct kvm_vcpu *vcpu, gpa_t gpa, u64 npages,
				   u64 attrs, enum kvm_hcpolicy_source source)
{
	/* Most VMs have no policy: not even a call for them. */
	if (kvm_hcpolicy_attached(vcpu->kvm))
		return __kvm_hcpolicy_ask(vcpu, gpa, npages, attrs, source);

	return user_exit_on_hypercall(vcpu->kvm, KVM_HC_MAP_GPA_RANGE) ?
	       KVM_HCPOLICY_DEFAULT : -KVM_ENOSYS;
}

/**
 * kvm_hcpolicy_should_yield - is it time to leave a loop of handled requests?
 * @answered: how many have been handled in this loop
 *
 * Return: true if it is.
 */
static inline bool kvm_hcpolicy_should_yield(unsigned int answered)
{
	return answered >= KVM_HCPOLICY_MAX_ANSWERS || need_resched() ||
	       signal_pending(current);
}

#endif /* ARCH_X86_KVM_HCPOLICY_H */
