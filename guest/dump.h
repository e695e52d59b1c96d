/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A core file of a guest, in the format of QEMU's dump-guest-memory: one PT_LOAD
 * per block of RAM (p_paddr is the GPA) and a "QEMU" note per vCPU; and beside
 * them one note of our own with the shared-page set.  hcp-oracle reads it.
 */
#ifndef HCP_GUEST_DUMP_H
#define HCP_GUEST_DUMP_H

#include <stdint.h>
#include <linux/kvm.h>

/* The note's descriptor: this, then (npages + 63) / 64 words of the set. */
#define HCG_DUMP_NOTE_NAME	"HCPOLICY"
#define HCG_DUMP_NOTE_TYPE	1
#define HCG_DUMP_VERSION	1

struct hcg_dump_note {
	uint32_t version;	/* HCG_DUMP_VERSION */
	uint32_t cbit;		/* bit of a page-table entry, 0: none */
	uint64_t npages;	/* the set's size */
};

/* The "QEMU" note, type 0: version 1 of its CPU state. */
#define QEMU_NOTE_NAME		"QEMU"
#define QEMU_NOTE_TYPE		0
#define QEMU_NOTE_VERSION	1

struct qemu_segment {
	uint32_t selector, limit, flags, pad;
	uint64_t base;
};

struct qemu_cpu_state {
	uint32_t version, size;
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rip, rflags;
	struct qemu_segment cs, ds, es, fs, gs, ss, ldt, tr, gdt, idt;
	uint64_t cr[5];
	uint64_t kernel_gs_base;
};

/*
 * One block of RAM.  Blocks are page-aligned, do not overlap, and each page of
 * memory is in one of them only (not its alias with the C-bit).
 */
struct hcg_dump_block {
	uint64_t gpa;
	uint64_t size;
	const void *mem;
};

struct hcg_dump_vcpu {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
};

struct hcg_dump {
	const struct hcg_dump_block *blocks;
	unsigned int nblocks;
	const struct hcg_dump_vcpu *vcpus;
	unsigned int nvcpus;
	uint32_t cbit;
	uint64_t npages;
	const uint64_t *words;
};

/*
 * Write the dump to fd, an empty regular file.  Pages of zeros become holes.  The
 * vCPUs must be stopped.  A negative errno on failure: -EINVAL if blocks are not
 * as described or the set's note would pass 4 GiB.
 */
int hcg_dump_write(int fd, const struct hcg_dump *d);

#endif /* HCP_GUEST_DUMP_H */
