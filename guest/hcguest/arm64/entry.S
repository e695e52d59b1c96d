/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From the entry to C with the MMU on.  The translation table is a constant of the image, so
 * that any number of vCPUs can start at once, in any order.  The MMU is on because memory is
 * uncached without it, and then the VMM's view of it need not be the guest's.
 */
#define __ASSEMBLER__ 1
#include "../../boot.h"
#include "cpu.h"

/* Memory is attribute 0, write-back; devices are attribute 1, nGnRE. */
#define MAIR	0x04ff
/* 39 bits, from one table of 1 GiB blocks; pages of 4 KiB; walks cached; 36 bits of output. */
#define TCR	(25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 1 << 32)
/* M, C, I */
#define SCTLR	0x1005
/* Blocks that have been accessed: inner shareable memory, and a device that nobody executes. */
#define MEMORY	0x701
#define DEVICE	(0x405 | 3 << 53)

	.section .note.hcguest, "a", %note
	.balign	4
	.long	8, 8, HCG_NOTE_VCPU_ENTRY
	.asciz	HCG_NOTE_NAME
	.quad	vcpu_entry

	.section .text.entry, "ax"
	.globl	vcpu_entry
vcpu_entry:				/* x0 = index */
	cmp	x0, #MAX_VCPUS
	b.hs	1f
	ldr	x1, =MAIR
	msr	mair_el1, x1
	ldr	x1, =TCR
	msr	tcr_el1, x1
	adr	x1, table
	msr	ttbr0_el1, x1
	adr	x1, vectors
	msr	vbar_el1, x1
	msr	tpidr_el1, x0
	tlbi	vmalle1
	dsb	nsh
	isb
	mrs	x1, sctlr_el1
	ldr	x2, =SCTLR
	orr	x1, x1, x2
	msr	sctlr_el1, x1
	isb
	ldr	x1, =stacks
	add	x2, x0, #1
	add	x1, x1, x2, lsl #STACK_SHIFT
	mov	sp, x1
	bl	guest_main
1:	wfi
	b	1b
	.ltorg

	/* Every exception is the guest's end: exception() does not return. */
	.balign	2048
vectors:
	.rept	16
	.balign	128
	b	exception
	.endr

	.data
	/* 4 GiB of memory, identity, and the doorbell above. */
	.balign	4096
table:
	.quad	MEMORY, (1 << 30) + MEMORY, (2 << 30) + MEMORY, (3 << 30) + MEMORY
	.quad	(4 << 30) + DEVICE
	.fill	507, 8, 0

	.bss
	.balign	16
stacks:
	.skip	MAX_VCPUS << STACK_SHIFT

	.section .note.GNU-stack, "", %progbits
