/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a VMM tells the test guest (hcguest.elf) what to do: one mailbox per vCPU
 * in guest memory and one doorbell port (on arm64, which has no ports, an address).  A VMM
 * whose doorbell reads as all ones (unmodified QEMU) gets the text commands of
 * guest/hcguest/x86/script.c instead.
 *
 * The rule: a mailbox belongs to the guest from the resume after a doorbell OUT
 * until its next OUT, and to the VMM otherwise.  Only stop and iterations, and the
 * counts of work, may be touched from both sides at any time.
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
 * HCG_FREE_GPA and touches nothing above it unless told.  On x86 the VMM must
 * set the vCPUs' CPUID (KVM_SET_CPUID2), or there is no long mode.
 *
 * Encryption, of the guest's own making (crypt.h): the 8 bytes at HCG_KEY_GPA are
 * the VM's key.  The VMM fills them before the first vCPU runs; 0 (what fresh
 * memory holds) is no encryption.  They stand for a register of the processor: a
 * VMM that migrates never sends that page, and the target's fills in its own key
 * before a vCPU runs there.  Every VM has a key that none before it had.  The guest
 * never writes to that page, so it may be a read-only one.
 *
 * With a key, each vCPU asks before READY for [0, HCG_FREE_GPA) to be shared.  So do
 * not migrate the VM before READY.  Whatever the two sides exchange while the VM may
 * migrate must lie in this range; a batch has HCG_BATCH_GPA.  Every page above is private
 * until the guest asks otherwise.  The guest's record of its pages, at HCG_TABLE_GPA, has
 * the status and the contents that it gave each: record.h.
 *
 * With text commands, the guest uses the 8 bytes as a key only after the command
 * `encrypt`, and asks then.
 */
#ifndef HCP_GUEST_MAILBOX_H
#define HCP_GUEST_MAILBOX_H

#include <stdint.h>

#define HCG_PORT		0x5e0
#define HCG_DOORBELL_GPA	HCG_MAX_GPA	/* arm64: 4 bytes, read and written as the port is */
#define HCG_MAGIC		0x31474348	/* "HCG1" */
#define HCG_MAX_VCPUS		64
#define HCG_KEY_GPA		0x60000
#define HCG_MAILBOX_GPA(i)	(0x20000 + (uint64_t)(i) * 0x1000)
#define HCG_TABLE_GPA		0x200000
#define HCG_BATCH_GPA(i)	(0x3c0000 + (uint64_t)(i) * 0x1000)	/* a page's worth */
#define HCG_FREE_GPA		0x400000
#define HCG_MAX_GPA		(4ULL << 30)
/* The status of private pages, where 0 is that of shared ones: as in x86's KVM_MAP_GPA_RANGE_*. */
#define HCG_PRIVATE		(1 << 4)

enum hcg_event {
	/*
	 * The vCPU waits for its first command.  Argument: 0.  But if there is a key, and
	 * the request for [0, HCG_FREE_GPA) was refused: minus the answer, or all ones.
	 */
	HCG_EV_READY = 1,
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
	 * The batch again and again.  The guest looks at stop before each time, and ends
	 * when it is not zero.  It counts in iterations, and causes no exits of its own.
	 * With an empty batch the vCPU stays in guest mode and does nothing.
	 */
	HCG_CMD_LOOP = 2,
	/* HLT or WFI with interrupts off; DONE if the VMM resumes after it. */
	HCG_CMD_HALT = 3,
	/*
	 * x86: write count to the isa-debug-exit port, then shut down (triple fault).  arm64:
	 * PSCI's SYSTEM_OFF.
	 */
	HCG_CMD_EXIT = 4,
	/*
	 * Convert and write the pages of mailbox->work, until stop is not zero; or count
	 * times, if count is not 0.  The guest counts in iterations, and verifies each page
	 * before it touches it.
	 */
	HCG_CMD_WORK = 5,
	/* Verify the pages of mailbox->work that have contents. */
	HCG_CMD_CHECK = 6,
};

/* What one operation of a batch does: hcg_request.op. */
enum hcg_op {
	/*
	 * x86: the hypercall nr with a0, a1, a2.  arm64: the SMCCC function nr with them.  ret is
	 * the answer.
	 */
	HCG_CALL = 0,
	/* ret is the 8 bytes at a0.  a0 is 8-byte aligned here and below. */
	HCG_READ = 1,
	/* Store a1 in the 8 bytes at a0. */
	HCG_WRITE = 2,
	/* Store a2 in each 8 bytes of [a0, a0 + a1). */
	HCG_FILL = 3,
	/* Ring the doorbell with HCG_EV_STEP and go on when resumed. */
	HCG_STEP = 4,
	/*
	 * The a1 pages from a0 on, which must be in the record (record.h); a2 is 0 for
	 * shared, or HCG_PRIVATE.
	 *
	 * CONVERT, the contract kept: ask for a2, then new contents under it; ret is
	 * the hypercall's.  If that is not 0, nothing is written.
	 */
	HCG_CONVERT = 5,
	/* New contents under the status in the record. */
	HCG_PUT = 6,
	/* ret is the number of pages that are not as in the record; see mailbox->work. */
	HCG_VERIFY = 7,
	/*
	 * For guests that break the contract.  PUT_AS: new contents under a2.  RECODE: the
	 * same contents, turned in place from the status in the record into a2.  Neither
	 * asks, and both put a2 into the record.
	 */
	HCG_PUT_AS = 8,
	HCG_RECODE = 9,
	/* x86: write a1 to the MSR a0.  One that nobody serves is a fault. */
	HCG_WRMSR = 10,
	/* x86: PUT through the addresses with the C-bit (hcvm --sev-lookalike).  Only below 1 GiB. */
	HCG_PUT_ALIAS = 11,
	/*
	 * Ask for the a1 pages from a0 on: a2 as for CONVERT (x86: all of KVM_MAP_GPA_RANGE_*).
	 * ret is the answer.  x86 has one hypercall for all of them.  arm64 has a call for each, and
	 * makes them up to the first that is not granted; its answers are told in x86's words:
	 * -KVM_ENOSYS for NOT_SUPPORTED, and -KVM_EINVAL for INVALID_PARAMETER.
	 */
	HCG_ASK = 12,
};

enum hcg_request_flags {
	/* Compare ret with expect and count a difference in failed. */
	HCG_EXPECT = 1 << 0,
	/* x86: HCG_CALL from CPL 3. */
	HCG_USER = 1 << 1,
	/* x86: HCG_CALL by this instruction, whatever CPUID's vendor suggests. */
	HCG_VMCALL = 1 << 2,
	HCG_VMMCALL = 1 << 3,
	/* arm64: HCG_CALL by SMC and not by HVC. */
	HCG_SMC = 1 << 4,
};

/* Two values of ret that no hypervisor answers.  This one: the call ended in #UD. */
#define HCG_RET_NO_HYPERVISOR	INT64_MIN
/*
 * And this one: there is no such operation or status, an address is not aligned or not
 * below HCG_MAX_GPA, or a page is not in the record.
 */
#define HCG_RET_BAD_REQUEST	(INT64_MIN + 1)

struct hcg_request {
	uint32_t op;		/* enum hcg_op */
	uint32_t flags;		/* enum hcg_request_flags */
	uint64_t nr, a0, a1, a2;
	int64_t expect;
	int64_t ret;		/* written by the guest */
};

/* What a bad word looks like. */
enum hcg_found {
	HCG_FOUND_GARBAGE = 1,
	/* The page is private, and looks as if the last migration had sent it as shared. */
	HCG_FOUND_SENT_SHARED = 2,
	/*
	 * The page is shared, and looks as if the last migration had sent it as private.  Or
	 * it was sent as shared while its contents were private, and was decrypted here.
	 */
	HCG_FOUND_SENT_PRIVATE = 3,
	HCG_FOUND_PLAIN = 4,		/* private, but not encrypted */
	HCG_FOUND_ENCRYPTED = 5,	/* shared, but encrypted with the key */
	/* Under the right status, but what the page held before its last write. */
	HCG_FOUND_OLD = 6,
};

enum hcg_work_flags {
	/* Begin anew: all pages of the stripe become private and get new contents. */
	HCG_WORK_FRESH = 1 << 0,
	/* Never ask for a status: all pages stay as they are. */
	HCG_WORK_NO_CONVERT = 1 << 1,
};

/* The vCPU's stripe of pages, and how the guest fares with it. */
struct hcg_work {
	/* From the VMM; no two vCPUs may have a page in common. */
	uint64_t first_gfn, npages;
	uint64_t seed;
	uint64_t flags;		/* enum hcg_work_flags */
	/*
	 * From the guest, which zeroes them when a command begins.  The VMM may read them
	 * at any time.
	 */
	volatile uint64_t conversions;	/* requests granted */
	volatile uint64_t refused;	/* requests not granted: the pages keep their status */
	volatile uint64_t writes;	/* pages written */
	volatile uint64_t verified;	/* pages that were as in the record */
	volatile uint64_t bad;		/* pages that were not; of the first: */
	uint64_t bad_gfn;
	uint64_t bad_words;		/* words of 8 bytes */
	uint64_t bad_offset;		/* of the first bad word in the page */
	uint64_t bad_got;		/* its contents, decrypted if the page is private */
	uint64_t bad_expected;
	uint64_t bad_found;		/* enum hcg_found */
};

struct hcg_mailbox {
	/* From the VMM. */
	uint32_t command;	/* enum hcg_command */
	volatile uint32_t stop;
	uint64_t requests;	/* GPA of the batch: HCG_BATCH_GPA, or at HCG_FREE_GPA or above */
	uint64_t count;		/* operations in the batch; EXIT: the code; WORK: see there */
	/* From the guest; zeroed by it when a command begins. */
	volatile uint64_t iterations;	/* whole batches done */
	uint64_t failed;	/* operations whose ret was not what they expect */
	uint64_t first;		/* if failed: the index of the first */
	int64_t first_ret;	/* if failed: its ret (a loop overwrites the request's) */
	/* arm64: the class of ESR, ESR, ELR, FAR. */
	struct {
		uint64_t vector, error, rip, cr2;
	} fault;
	struct hcg_work work;
};

#endif /* HCP_GUEST_MAILBOX_H */
