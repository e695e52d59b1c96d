/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest's requests to share or hide memory go through: one attached BPF
 * program per VM.  See virt/kvm/hcpolicy.c.
 */
#ifndef __KVM_HCPOLICY_H
#define __KVM_HCPOLICY_H

#include <linux/kvm_host.h>
#include <linux/kvm_hcpolicy_abi.h>

/**
 * struct kvm_hcpolicy_request - one request of a guest, decoded by its door
 * @gpa: first guest physical address, page-aligned
 * @npages: number of 4 KiB pages, not zero; @gpa + @npages does not wrap
 * @attrs: KVM_MAP_GPA_RANGE_*, as the exit would show them
 * @source: the door, enum kvm_hcpolicy_source
 * @shared: what @attrs ask for: shared or private
 * @valid: no reserved bit in @attrs, and the range ends within the vCPU's
 *	physical address width; programs never see an invalid request
 * @exit_enabled: userspace wants this request as an exit
 * @can_retry: the door can make the guest issue the request again
 */
struct kvm_hcpolicy_request {
	gpa_t gpa;
	u64 npages;
	u64 attrs;
	u8 source;
	bool shared;
	bool valid;
	bool exit_enabled;
	bool can_retry;
};

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

int kvm_hcpolicy_map_gpa_range(struct kvm_vcpu *vcpu,
			       const struct kvm_hcpolicy_request *req);
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
