/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From the PVH entry to C in long mode; exception stubs; the hypercall
 * instructions.  The page tables are constants of the image, so that any number
 * of vCPUs can start at once, in any order.
 */
#define __ASSEMBLER__ 1
#include "../../boot.h"
#include "cpu.h"

	.section .note.hcguest, "a", @note
	.balign	4
	.long	4, 8, XEN_ELFNOTE_PHYS32_ENTRY
	.asciz	"Xen"
	.quad	pvh_entry
	.long	8, 8, HCG_NOTE_VCPU_ENTRY
	.asciz	HCG_NOTE_NAME
	.quad	vcpu_entry

	.section .text.entry, "ax"
	.code32
	.globl	pvh_entry
pvh_entry:
	xorl	%esi, %esi
vcpu_entry:				/* ebx = start_info, esi = index */
	cli
	cld
	movl	$(1 << 5), %eax		/* PAE */
	movl	%eax, %cr4
	movl	$pml4, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx	/* EFER */
	movl	$(1 << 8), %eax		/* LME */
	xorl	%edx, %edx
	wrmsr
	movl	$0x80000031, %eax	/* PG, NE, ET, PE */
	movl	%eax, %cr0
	lgdt	boot_gdt_ptr
	ljmp	$KERNEL_CS, $start64

	.code64
start64:
	movl	$KERNEL_DS, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %fs
	movl	%eax, %gs
	movl	%eax, %ss
	movl	%esi, %edi
	movl	%ebx, %esi
	cmpl	$MAX_VCPUS, %edi
	jae	1f
	movl	%edi, %eax
	incl	%eax
	shll	$STACK_SHIFT, %eax
	leaq	stacks(%rax), %rsp
	call	guest_main
1:	hlt
	jmp	1b

	.data
	.balign	16
boot_gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* KERNEL_CS */
	.quad	0x00cf93000000ffff	/* KERNEL_DS */
boot_gdt_ptr:
	.word	. - boot_gdt - 1
	.quad	boot_gdt

	/*
	 * 4 GiB, identity, writable and for CPL 3 too, in pages of 2 MiB; and above them
	 * the first GiB again, with the C-bit of hcvm --sev-lookalike.
	 */
	.balign	4096
pml4:
	.quad	pdpt + 7
	.fill	511, 8, 0
pdpt:
	.quad	pds + 7, pds + 0x1007, pds + 0x2007, pds + 0x3007, pds + 0x4007
	.fill	507, 8, 0
pds:
	.set	page, 0
	.rept	4 * 512
	.quad	(page << 21) + 0x87
	.set	page, page + 1
	.endr
	.set	page, 0
	.rept	512
	.quad	(1 << HCG_CBIT) + (page << 21) + 0x87
	.set	page, page + 1
	.endr

	.bss
	.balign	16
	.globl	stacks
stacks:
	.skip	MAX_VCPUS << STACK_SHIFT

	.text
/* 32 stubs of 16 bytes: the vector and an error code, real or 0, onto the stack. */
	.balign	16
	.globl	exception_stubs
exception_stubs:
	.set	vector, 0
	.rept	32
	.balign	16
	.if	(ERROR_CODE_VECTORS >> vector) & 1
	.else
	pushq	$0
	.endif
	pushq	$vector
	jmp	exception_common
	.set	vector, vector + 1
	.endr

exception_common:
	cld
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	movq	%rsp, %rdi
	call	exception
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rax
	addq	$16, %rsp
	iretq

/* int64_t NAME(nr, a0, a1, a2): INSN has labels so that #UD can be told from a bug. */
.macro hypercall name, insn
	.globl	\name, \name\()_insn
	.balign	16
\name:
	pushq	%rbx
	movq	%rdi, %rax
	movq	%rsi, %rbx
	xchgq	%rdx, %rcx
\name\()_insn:
	\insn
	popq	%rbx
	ret
.endm
	hypercall kernel_vmcall, vmcall
	hypercall kernel_vmmcall, vmmcall

/* int64_t user_call(nr, a0, a1, a2, insn, &tss->rsp0): the same from CPL 3. */
	.globl	user_call
user_call:
	pushq	%rbx
	pushq	%rbp
	movq	%rsp, %rbp		/* survives: what runs at CPL 3 is below */
	movq	%rsp, (%r9)
	movq	%rdi, %rax
	movq	%rsi, %rbx
	xchgq	%rdx, %rcx
	pushq	$USER_DS
	pushq	$0			/* rsp: not used */
	pushq	$2			/* rflags */
	pushq	$USER_CS
	pushq	%r8
	iretq

	.globl	user_vmcall_insn, user_vmmcall_insn, user_return
user_vmcall_insn:
	vmcall
	int	$USER_RETURN_VECTOR
user_vmmcall_insn:
	vmmcall
	int	$USER_RETURN_VECTOR

user_return:
	movq	%rbp, %rsp
	popq	%rbp
	popq	%rbx
	ret

	.section .note.GNU-stack, "", @progbits
