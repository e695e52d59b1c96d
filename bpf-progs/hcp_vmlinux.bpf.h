/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For a program that includes a vmlinux.h first: that has all types of <linux/types.h> and
 * <linux/bpf.h>.  It has those of the hook too, if it was made from a kernel or kvm.ko that has
 * the hook.  C cannot ask whether it does.  So here the hook's types have other names; for libbpf they
 * are the same ones, as it ignores what follows three underscores.
 */
#ifndef HCP_VMLINUX_BPF_H
#define HCP_VMLINUX_BPF_H

#define _LINUX_TYPES_H

#define kvm_hcpolicy_ops		kvm_hcpolicy_ops___hcp
#define kvm_hcpolicy_ctx		kvm_hcpolicy_ctx___hcp
#define kvm_hcpolicy_ctx_flags		kvm_hcpolicy_ctx_flags___hcp
#define kvm_hcpolicy_flags		kvm_hcpolicy_flags___hcp
#define kvm_hcpolicy_source		kvm_hcpolicy_source___hcp
#define kvm_hcpolicy_verdict		kvm_hcpolicy_verdict___hcp

#define KVM_HCPOLICY_DEFAULT		KVM_HCPOLICY_DEFAULT___hcp
#define KVM_HCPOLICY_HANDLED		KVM_HCPOLICY_HANDLED___hcp
#define KVM_HCPOLICY_RETRY		KVM_HCPOLICY_RETRY___hcp
#define KVM_HCPOLICY_SRC_HYPERCALL	KVM_HCPOLICY_SRC_HYPERCALL___hcp
#define KVM_HCPOLICY_SRC_SNP_MSR	KVM_HCPOLICY_SRC_SNP_MSR___hcp
#define KVM_HCPOLICY_SRC_SNP_PSC	KVM_HCPOLICY_SRC_SNP_PSC___hcp
#define KVM_HCPOLICY_SRC_TDX		KVM_HCPOLICY_SRC_TDX___hcp
#define KVM_HCPOLICY_SRC_SMCCC		KVM_HCPOLICY_SRC_SMCCC___hcp
#define KVM_HCPOLICY_EXIT_ENABLED	KVM_HCPOLICY_EXIT_ENABLED___hcp
#define KVM_HCPOLICY_PRIVATE_MEM	KVM_HCPOLICY_PRIVATE_MEM___hcp
#define KVM_HCPOLICY_MATCH		KVM_HCPOLICY_MATCH___hcp
#define KVM_HCPOLICY_NO_RETRY		KVM_HCPOLICY_NO_RETRY___hcp
#define KVM_HCPOLICY_MAY_HANDLE		KVM_HCPOLICY_MAY_HANDLE___hcp
#define KVM_HCPOLICY_TAKE_EXITS		KVM_HCPOLICY_TAKE_EXITS___hcp
#define KVM_HCPOLICY_BEFORE_RUN		KVM_HCPOLICY_BEFORE_RUN___hcp

#endif /* HCP_VMLINUX_BPF_H */
