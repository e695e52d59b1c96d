/* SPDX-License-Identifier: GPL-2.0 */
/* The SMCCC filter: what becomes of a VM's calls.  The uAPI has it since 6.4. */
#ifndef HCP_GUEST_ARM64_FILTER_H
#define HCP_GUEST_ARM64_FILTER_H

#include <stdint.h>
#include <linux/kvm.h>

#ifndef KVM_ARM_VM_SMCCC_CTRL
#define KVM_ARM_VM_SMCCC_CTRL	0
#define KVM_ARM_VM_SMCCC_FILTER	0

enum kvm_smccc_filter_action {
	KVM_SMCCC_FILTER_HANDLE = 0,
	KVM_SMCCC_FILTER_DENY,
	KVM_SMCCC_FILTER_FWD_TO_USER,
};

struct kvm_smccc_filter {
	__u32 base;
	__u32 nr_functions;
	__u8 action;
	__u8 pad[15];
};
#endif

/* Of n functions from base on; before a vCPU runs.  0 or a negative errno. */
int arm64_filter(int vm_fd, uint32_t base, uint32_t n, enum kvm_smccc_filter_action action);

#endif /* HCP_GUEST_ARM64_FILTER_H */
