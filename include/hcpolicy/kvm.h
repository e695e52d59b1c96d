/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * What KVM and a policy agree on: verdicts and the context of a request.  Shapes
 * only, no logic.
 *
 * There is no promise across kernel versions: like every struct_ops type this
 * one may change, and BTF is what tells.
 */
#ifndef KVM_HCPOLICY_ABI_H
#define KVM_HCPOLICY_ABI_H

#include <linux/types.h>

#if defined(__bpf__) && defined(__clang__)
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
#endif

/*
 * What a policy answers.  A negative errno refuses: the guest sees the matching
 * -KVM_E*, or -KVM_EINVAL where there is none.  Every other value counts as a
 * bad verdict and is taken as KVM_HCPOLICY_DEFAULT.
 */
enum kvm_hcpolicy_verdict {
	/* What KVM does without a policy: an exit if the VMM enabled it, else -KVM_ENOSYS. */
	KVM_HCPOLICY_DEFAULT = 0,
	/* Done: the guest sees success and nobody exits. */
	KVM_HCPOLICY_HANDLED = 1,
	/* Run the instruction again.  The policy must not have touched the set. */
	KVM_HCPOLICY_RETRY = 2,
};

/* By which door the request came: kvm_hcpolicy_ctx.source. */
enum kvm_hcpolicy_source {
	/* The KVM_HC_MAP_GPA_RANGE hypercall. */
	KVM_HCPOLICY_SRC_HYPERCALL = 0,
	/* SEV-SNP: a page state change of one page, by the GHCB MSR protocol. */
	KVM_HCPOLICY_SRC_SNP_MSR = 1,
	/* SEV-SNP: adjacent entries of a page state change buffer in the GHCB. */
	KVM_HCPOLICY_SRC_SNP_PSC = 2,
	/* TDX: (a part of) TDG.VP.VMCALL<MapGPA>. */
	KVM_HCPOLICY_SRC_TDX = 3,
};

/* What else is known about the request: kvm_hcpolicy_ctx.flags. */
enum kvm_hcpolicy_ctx_flags {
	/* The VMM has enabled KVM_EXIT_HYPERCALL for this request. */
	KVM_HCPOLICY_EXIT_ENABLED = 1 << 0,
	/* Only userspace can convert this VM's private memory. */
	KVM_HCPOLICY_PRIVATE_MEM = 1 << 1,
	/* PRIVATE_MEM, and the range has the requested attributes already. */
	KVM_HCPOLICY_MATCH = 1 << 2,
	/* This door cannot run the request again: RETRY becomes DEFAULT. */
	KVM_HCPOLICY_NO_RETRY = 1 << 3,
	/*
	 * HANDLED would stand: the exit is not enabled or the policy was attached
	 * with TAKE_EXITS, and a PRIVATE_MEM range matches already.
	 */
	KVM_HCPOLICY_MAY_HANDLE = 1 << 4,
};

/* How a policy is attached: kvm_hcpolicy_ops.flags. */
enum kvm_hcpolicy_flags {
	/* HANDLED stands even where the VMM has enabled the exit. */
	KVM_HCPOLICY_TAKE_EXITS = 1 << 0,
	/*
	 * Attach only if no vCPU has entered KVM_RUN yet, else -EALREADY: the
	 * one way to know that the policy sees every request of the guest.
	 */
	KVM_HCPOLICY_BEFORE_RUN = 1 << 1,
};

/*
 * One request, or one piece of a large one: at most KVM_HCPOLICY_MAX_PAGES
 * pages a call.  Read-only for programs.  KVM has checked that gpa is
 * page-aligned, npages is not zero, and the range ends below the vCPU's
 * MAXPHYADDR.
 */
struct kvm_hcpolicy_ctx {
	__u64 gpa;	/* bytes, guest physical, no C-bit */
	__u64 npages;	/* 4 KiB pages */
	__u64 attrs;	/* as the guest gave them: KVM_MAP_GPA_RANGE_* */
	__u32 vcpu_id;
	__u8 source;	/* enum kvm_hcpolicy_source */
	__u8 shared;	/* attrs decoded: 1 = the guest shares, 0 = hides */
	__u16 flags;	/* enum kvm_hcpolicy_ctx_flags */
};

#define KVM_HCPOLICY_MAX_PAGES	(1 << 16)	/* 256 MiB */
#define KVM_HCPOLICY_NAME_LEN	16

#if defined(__bpf__) && defined(__clang__)
#pragma clang attribute pop
#endif

#endif /* KVM_HCPOLICY_ABI_H */
