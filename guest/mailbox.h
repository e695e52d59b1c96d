/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a VMM tells the test guest (hcguest.elf) what to do: one mailbox per vCPU
 * in guest memory and one doorbell port.  A VMM whose doorbell reads as all
 * ones (unmodified QEMU) gets the text commands of guest/script.c instead.
 *
 * The rule: a mailbox belongs to the guest from the resume after a doorbell OUT
 * until its next OUT, and to the VMM otherwise.  Only stop and iterations may be
 * touched from both sides at any time.
 *
 * One vCPU's life, as the VMM sees it:
 *
 *	IN  HCG_PORT, 4 bytes	answer HCG_MAGIC
 *	OUT HCG_PORT, READY	fill the mailbox at HCG_MAILBOX_GPA(index), resume
 *	OUT HCG_PORT, DONE	read the results, fill it again, resume; and so on
 *	OUT HCG_PORT, STEP	in a batch, for each HCG_STEP operation: resume
 *	OUT HCG_PORT, FAULT	the guest died of an exception: mailbox->fault
 *
 * The low byte of what is written is enum hcg_event, the rest its argument.
 *
 * Memory: identity-mapped up to HCG_MAX_GPA.  The guest keeps to itself below
 * HCG_FREE_GPA and touches nothing above it unless told.  The VMM must set the
 * vCPUs' CPUID (KVM_SET_CPUID2), or there is no long mode.
 */
#ifndef HCP_GUEST_MAILBOX_H
#define HCP_GUEST_MAILBOX_H

#include <stdint.h>

#define HCG_PORT		0x5e0
#define HCG_MAGIC		0x31474348	/* "HCG1" */
#define HCG_MAX_VCPUS		64
#define HCG_MAILBOX_GPA(i)	(0x20000 + (uint64_t)(i) * 0x1000)
#define HCG_FREE_GPA		0x400000
#define HCG_MAX_GPA		(4ULL << 30)

enum hcg_event {
	HCG_EV_READY = 1,	/* waits for its first command */
	HCG_EV_DONE = 2,	/* the command has been carried out */
	HCG_EV_STEP = 3,	/* argument: the low 24 bits of the operation's a0 */
	HCG_EV_FAULT = 4,	/* argument: the vector; there is no way on */
};
#define HCG_EVENT(v)		((v) & 0xff)
#define HCG_EVENT_ARG(v)	((v) >> 8)

enum hcg_command {
	/* The batch, once. */
	HCG_CMD_RUN = 1,
	/*
	 * The batch again and again until stop is not zero, which is looked at
	 * before each time; counted in iterations, with no exits of its own.  An
	 * empty batch makes a vCPU that stays in guest mode and does nothing.
	 */
	HCG_CMD_LOOP = 2,
	/* HLT with interrupts off; DONE if the VMM resumes after it. */
	HCG_CMD_HALT = 3,
	/* Write count to the isa-debug-exit port, then shut down (triple fault). */
	HCG_CMD_EXIT = 4,
};

/* What one operation of a batch does: hcg_request.op. */
enum hcg_op {
	/* The hypercall nr with a0, a1, a2: ret is the answer. */
	HCG_CALL = 0,
	/* ret is the 8 bytes at a0.  a0 is 8-byte aligned here and below. */
	HCG_READ = 1,
	/* Store a1 in the 8 bytes at a0. */
	HCG_WRITE = 2,
	/* Store a2 in each 8 bytes of [a0, a0 + a1). */
	HCG_FILL = 3,
	/* Ring the doorbell with HCG_EV_STEP and go on when resumed. */
	HCG_STEP = 4,
};

enum hcg_request_flags {
	/* Compare ret with expect and count a difference in failed. */
	HCG_EXPECT = 1 << 0,
	/* HCG_CALL from CPL 3. */
	HCG_USER = 1 << 1,
	/* HCG_CALL by this instruction, whatever CPUID's vendor suggests. */
	HCG_VMCALL = 1 << 2,
	HCG_VMMCALL = 1 << 3,
};

/* Values of ret that no hypervisor answers: the call ended in #UD, ... */
#define HCG_RET_NO_HYPERVISOR	INT64_MIN
/* ... or it is no operation, an address is not aligned or not below HCG_MAX_GPA. */
#define HCG_RET_BAD_REQUEST	(INT64_MIN + 1)

struct hcg_request {
	uint32_t op;		/* enum hcg_op */
	uint32_t flags;		/* enum hcg_request_flags */
	uint64_t nr, a0, a1, a2;
	int64_t expect;
	int64_t ret;		/* written by the guest */
};

struct hcg_mailbox {
	/* From the VMM. */
	uint32_t command;	/* enum hcg_command */
	volatile uint32_t stop;
	uint64_t requests;	/* GPA of the batch, at HCG_FREE_GPA or above */
	uint64_t count;		/* operations in the batch */
	/* From the guest; zeroed by it when a command begins. */
	volatile uint64_t iterations;	/* whole batches done */
	uint64_t failed;	/* operations whose ret was not what they expect */
	uint64_t first;		/* if failed: the index of the first */
	int64_t first_ret;	/* if failed: its ret (a loop overwrites the request's) */
	struct {
		uint64_t vector, error, rip, cr2;
	} fault;
};

#endif /* HCP_GUEST_MAILBOX_H */
