/* SPDX-License-Identifier: GPL-2.0 */
/* The calls of arm64's guests (SMCCC) that this project is about, as <linux/arm-smccc.h> has them. */
#ifndef HCP_GUEST_ARM64_CALLS_H
#define HCP_GUEST_ARM64_CALLS_H

#define SMCCC_KVM_FEATURES	0x86000000u
#define SMCCC_KVM_MEMINFO	0xc6000002u
#define SMCCC_KVM_MEM_SHARE	0xc6000003u
#define SMCCC_KVM_MEM_UNSHARE	0xc6000004u

/* The bits of FEATURES that offer MEMINFO, MEM_SHARE and MEM_UNSHARE. */
#define SMCCC_KVM_OFFERED	0x1c

#define SMCCC_SUCCESS		0
#define SMCCC_NOT_SUPPORTED	(-1)
#define SMCCC_INVALID_PARAMETER	(-3)

#endif /* HCP_GUEST_ARM64_CALLS_H */
