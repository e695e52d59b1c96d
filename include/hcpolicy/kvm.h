/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * What KVM and a policy agree on: verdicts and the context of a request.  Shapes
 * only, no logic.
 *
 * Like every struct_ops type this one may change with each kernel version.  BTF says what
 * a kernel has.
 */
#ifndef KVM_HCPOLICY_ABI_H
#define KVM_HCPOLICY_ABI_H

#include <linux/types.h>

#if defined(__bpf__) && defined(__clang__)
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
#endif

/**
 * enum kvm_hcpolicy_verdict - what a policy answers
 *
 * A negative errno refuses the request.  The guest sees the matching -KVM_E*, or
 * -KVM_EINVAL if there is none, or the error of its door.  KVM counts any other value
 * as a bad verdict and treats it as %KVM_HCPOLICY_DEFAULT.
 *
 * @KVM_HCPOLICY_DEFAULT: do what KVM does without a policy: exit if the VMM
 *	enabled the exit, else return -KVM_ENOSYS
 * @KVM_HCPOLICY_HANDLED: the guest sees success, and there is no exit
 * @KVM_HCPOLICY_RETRY: run the instruction again; the policy must not have
 *	recorded the request
 */
enum kvm_hcpolicy_verdict {
	KVM_HCPOLICY_DEFAULT = 0,
	KVM_HCPOLICY_HANDLED = 1,
	KVM_HCPOLICY_RETRY = 2,
};

/**
 * enum kvm_hcpolicy_source - the door by which the request came
 *
 * @KVM_HCPOLICY_SRC_HYPERCALL: the KVM_HC_MAP_GPA_RANGE hypercall
 * @KVM_HCPOLICY_SRC_SNP_MSR: SEV-SNP: a page state change of one page, by the
 *	GHCB MSR protocol
 * @KVM_HCPOLICY_SRC_SNP_PSC: SEV-SNP: adjacent entries of a page state change
 *	buffer in the GHCB
 * @KVM_HCPOLICY_SRC_TDX: TDX: TDG.VP.VMCALL<MapGPA>, or a part of one
 * @KVM_HCPOLICY_SRC_SMCCC: arm64: the calls MEM_SHARE and MEM_UNSHARE, of 4 KiB each
 */
enum kvm_hcpolicy_source {
	KVM_HCPOLICY_SRC_HYPERCALL = 0,
	KVM_HCPOLICY_SRC_SNP_MSR = 1,
	KVM_HCPOLICY_SRC_SNP_PSC = 2,
	KVM_HCPOLICY_SRC_TDX = 3,
	KVM_HCPOLICY_SRC_SMCCC = 4,
};

/**
 * enum kvm_hcpolicy_ctx_flags - what else is known about a request
 *
 * @KVM_HCPOLICY_EXIT_ENABLED: the VMM has enabled KVM_EXIT_HYPERCALL for it
 * @KVM_HCPOLICY_PRIVATE_MEM: only userspace can convert this VM's private memory
 * @KVM_HCPOLICY_MATCH: PRIVATE_MEM is set, and the range already has the requested
 *	attributes
 * @KVM_HCPOLICY_NO_RETRY: this door cannot run the request again, so
 *	%KVM_HCPOLICY_RETRY becomes %KVM_HCPOLICY_DEFAULT
 * @KVM_HCPOLICY_MAY_HANDLE: %KVM_HCPOLICY_HANDLED would stand.  That is: the exit is
 *	not enabled or the policy has TAKE_EXITS, and if PRIVATE_MEM is set, so is MATCH
 */
enum kvm_hcpolicy_ctx_flags {
	KVM_HCPOLICY_EXIT_ENABLED = 1 << 0,
	KVM_HCPOLICY_PRIVATE_MEM = 1 << 1,
	KVM_HCPOLICY_MATCH = 1 << 2,
	KVM_HCPOLICY_NO_RETRY = 1 << 3,
	KVM_HCPOLICY_MAY_HANDLE = 1 << 4,
};

/**
 * enum kvm_hcpolicy_flags - how a policy is attached
 *
 * @KVM_HCPOLICY_TAKE_EXITS: %KVM_HCPOLICY_HANDLED stands even if the VMM has
 *	enabled the exit.  A replacement may have this flag only if the attachment had it.
 * @KVM_HCPOLICY_BEFORE_RUN: attach only if no vCPU has entered KVM_RUN yet, else
 *	-EALREADY.  Only this proves that the policy sees every request that is made
 *	in this VM.  It proves nothing about a guest that arrives later, by migration
 *	or from a snapshot: that guest has made requests elsewhere.  Nor does it show
 *	a reset from outside, which KVM sees only as new register values.
 */
enum kvm_hcpolicy_flags {
	KVM_HCPOLICY_TAKE_EXITS = 1 << 0,
	KVM_HCPOLICY_BEFORE_RUN = 1 << 1,
};

/**
 * struct kvm_hcpolicy_ctx - one request, or one piece of a large one
 *
 * It has at most %KVM_HCPOLICY_MAX_PAGES pages.  Programs cannot write to it.  KVM has
 * checked that @gpa is aligned to 4 KiB, that @npages is not zero, and that the range ends
 * where the guest's address space does, or before (x86: the vCPU's MAXPHYADDR; arm64: the VM's
 * IPA size).
 *
 * @gpa: guest physical address in bytes, as the exit would show it.  From the
 *	hypercall this is what the guest passed.  Other doors remove C-bit or S-bit
 * @npages: in 4 KiB pages
 * @attrs: KVM_MAP_GPA_RANGE_* of x86, as the exit would show them there
 * @vcpu_id: the vCPU that makes the request
 * @source: enum kvm_hcpolicy_source
 * @shared: @attrs decoded: 1 = make shared, 0 = make private
 * @flags: enum kvm_hcpolicy_ctx_flags
 */
struct kvm_hcpolicy_ctx {
	__u64 gpa;
	__u64 npages;
	__u64 attrs;
	__u32 vcpu_id;
	__u8 source;
	__u8 shared;
	__u16 flags;
};

#define KVM_HCPOLICY_PAGE_SHIFT	12		/* whatever pages host and guest have */
#define KVM_HCPOLICY_MAX_PAGES	(1 << 16)	/* 256 MiB */
#define KVM_HCPOLICY_NAME_LEN	16

#if defined(__bpf__) && defined(__clang__)
#pragma clang attribute pop
#endif

#endif /* KVM_HCPOLICY_ABI_H */
