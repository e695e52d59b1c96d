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

/**
 * enum kvm_hcpolicy_verdict - what a policy answers
 *
 * A negative errno refuses: the guest sees the matching -KVM_E*, or -KVM_EINVAL
 * where there is none, or the error of its door.  Every other value counts as a
 * bad verdict and is taken as %KVM_HCPOLICY_DEFAULT.
 *
 * @KVM_HCPOLICY_DEFAULT: what KVM does without a policy: an exit if the VMM
 *	enabled it, else -KVM_ENOSYS
 * @KVM_HCPOLICY_HANDLED: done: the guest sees success and nobody exits
 * @KVM_HCPOLICY_RETRY: run the instruction again; the policy must not have
 *	booked the request
 */
enum kvm_hcpolicy_verdict {
	KVM_HCPOLICY_DEFAULT = 0,
	KVM_HCPOLICY_HANDLED = 1,
	KVM_HCPOLICY_RETRY = 2,
};

/**
 * enum kvm_hcpolicy_source - by which door the request came
 *
 * @KVM_HCPOLICY_SRC_HYPERCALL: the KVM_HC_MAP_GPA_RANGE hypercall
 * @KVM_HCPOLICY_SRC_SNP_MSR: SEV-SNP: a page state change of one page, by the
 *	GHCB MSR protocol
 * @KVM_HCPOLICY_SRC_SNP_PSC: SEV-SNP: adjacent entries of a page state change
 *	buffer in the GHCB
 * @KVM_HCPOLICY_SRC_TDX: TDX: (a part of) TDG.VP.VMCALL<MapGPA>
 */
enum kvm_hcpolicy_source {
	KVM_HCPOLICY_SRC_HYPERCALL = 0,
	KVM_HCPOLICY_SRC_SNP_MSR = 1,
	KVM_HCPOLICY_SRC_SNP_PSC = 2,
	KVM_HCPOLICY_SRC_TDX = 3,
};

/**
 * enum kvm_hcpolicy_ctx_flags - what else is known about a request
 *
 * @KVM_HCPOLICY_EXIT_ENABLED: the VMM has enabled KVM_EXIT_HYPERCALL for it
 * @KVM_HCPOLICY_PRIVATE_MEM: only userspace can convert this VM's private memory
 * @KVM_HCPOLICY_MATCH: PRIVATE_MEM, and the range has the requested attributes
 *	already
 * @KVM_HCPOLICY_NO_RETRY: this door cannot run the request again:
 *	%KVM_HCPOLICY_RETRY becomes %KVM_HCPOLICY_DEFAULT
 * @KVM_HCPOLICY_MAY_HANDLE: %KVM_HCPOLICY_HANDLED would stand: the exit is not
 *	enabled or the policy has TAKE_EXITS, and a PRIVATE_MEM range matches
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
 * @KVM_HCPOLICY_TAKE_EXITS: %KVM_HCPOLICY_HANDLED stands even where the VMM has
 *	enabled the exit.  A replacement may have it only if the attachment had.
 * @KVM_HCPOLICY_BEFORE_RUN: attach only if no vCPU has entered KVM_RUN yet, else
 *	-EALREADY: the one way to know that the policy sees every request that
 *	is made in this VM.  It proves no more.  A guest that arrives later, by
 *	migration or from a snapshot, has made others elsewhere; and a reset from
 *	outside, after which other pages are shared, is not seen by anybody: to
 *	KVM it is a new value of some registers.
 */
enum kvm_hcpolicy_flags {
	KVM_HCPOLICY_TAKE_EXITS = 1 << 0,
	KVM_HCPOLICY_BEFORE_RUN = 1 << 1,
};

/**
 * struct kvm_hcpolicy_ctx - one request, or one piece of a large one
 *
 * At most %KVM_HCPOLICY_MAX_PAGES pages.  Read-only for programs.  KVM has checked
 * that @gpa is page-aligned, @npages is not zero, and the range ends below the
 * vCPU's MAXPHYADDR.
 *
 * @gpa: guest physical, in bytes, as the exit would show it: what the guest gave to
 *	the hypercall, and without C-bit or S-bit from other doors
 * @npages: in 4 KiB pages
 * @attrs: KVM_MAP_GPA_RANGE_*, as the exit would show them
 * @vcpu_id: which vCPU asks
 * @source: enum kvm_hcpolicy_source
 * @shared: @attrs decoded: 1 = the guest shares, 0 = hides
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

#define KVM_HCPOLICY_MAX_PAGES	(1 << 16)	/* 256 MiB */
#define KVM_HCPOLICY_NAME_LEN	16

#if defined(__bpf__) && defined(__clang__)
#pragma clang attribute pop
#endif

#endif /* KVM_HCPOLICY_ABI_H */
