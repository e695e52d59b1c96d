// SPDX-License-Identifier: GPL-2.0
/*
 * Segments, TSS, exceptions.  Each vCPU has a GDT, TSS and stack of its own.  They
 * share the IDT, which each fills with the same entries.  Interrupts are always off.
 */
#include "../arch.h"
#include "cpu.h"
#include "io.h"
#include "serial.h"

#define DEBUG_EXIT_PORT	0xf4
#define FAULT_EXIT_CODE	0x3f

_Static_assert(MAX_VCPUS == HCG_MAX_VCPUS, "cpu.h and mailbox.h disagree");

struct descriptor_ptr {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

struct tss {
	uint32_t reserved0;
	uint64_t rsp0, rsp1, rsp2;
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t iomap;
} __attribute__((packed));

struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_mid;
	uint32_t offset_high, reserved;
};

struct exception_frame {
	uint64_t r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

extern const char kernel_vmcall_insn[], kernel_vmmcall_insn[];
extern const char exception_stubs[], user_return[], stacks[];
int64_t user_call(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, const char *insn,
		  void *rsp0);
void exception(struct exception_frame *f);

static uint64_t gdts[MAX_VCPUS][7];
static struct tss tsss[MAX_VCPUS];
static struct gate idt[USER_RETURN_VECTOR + 1];

static void set_gate(unsigned int vector, const char *handler, uint8_t type)
{
	uint64_t a = (uint64_t)handler;

	idt[vector] = (struct gate){ .offset_low = a, .selector = KERNEL_CS, .type = type,
				     .offset_mid = a >> 16, .offset_high = a >> 32 };
}

void cpu_init(unsigned int index)
{
	uint64_t tss = (uint64_t)&tsss[index], *gdt = gdts[index];
	struct descriptor_ptr gdt_ptr = { sizeof(gdts[0]) - 1, (uint64_t)gdt };
	struct descriptor_ptr idt_ptr = { sizeof(idt) - 1, (uint64_t)idt };
	unsigned int i;

	gdt[KERNEL_CS / 8] = 0x00af9b000000ffff;
	gdt[KERNEL_DS / 8] = 0x00cf93000000ffff;
	gdt[USER_CS / 8] = 0x00affb000000ffff;
	gdt[USER_DS / 8] = 0x00cff3000000ffff;
	gdt[TSS_SEL / 8] = (sizeof(struct tss) - 1) | (tss & 0xffffff) << 16 | 0x89ULL << 40 |
			   (tss >> 24 & 0xff) << 56;
	gdt[TSS_SEL / 8 + 1] = tss >> 32;
	tsss[index].iomap = sizeof(struct tss);
	asm volatile("lgdt %0" : : "m"(gdt_ptr) : "memory");
	asm volatile("ltr %w0" : : "r"(TSS_SEL));

	for (i = 0; i < 32; i++)
		set_gate(i, exception_stubs + 16 * i, 0x8e);
	set_gate(USER_RETURN_VECTOR, user_return, 0xee);
	asm volatile("lidt %0" : : "m"(idt_ptr) : "memory");
}

int64_t cpu_user_call(unsigned int index, uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2,
		      const char *insn)
{
	return user_call(nr, a0, a1, a2, insn, &tsss[index].rsp0);
}

int cpu_has_vmmcall(void)
{
	uint32_t a = 0, b, c = 0, d;

	asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return c == 0x444d4163 || c == 0x656e6975;	/* Authenti-cAMD, HygonGen-uine */
}

void cpu_halt(void)
{
	asm volatile("hlt");
}

/* By the isa-debug-exit device; without one, by a triple fault. */
_Noreturn void cpu_exit(uint32_t code)
{
	struct descriptor_ptr none = {};

	outl(DEBUG_EXIT_PORT, code);
	asm volatile("lidt %0; int3" : : "m"(none));
	for (;;)
		asm volatile("hlt");
}

static int at_hypercall(uint64_t rip)
{
	return rip == (uint64_t)kernel_vmcall_insn || rip == (uint64_t)kernel_vmmcall_insn ||
	       rip == (uint64_t)user_vmcall_insn || rip == (uint64_t)user_vmmcall_insn;
}

static void report(unsigned int index, const struct exception_frame *f, uint64_t cr2)
{
	struct hcg_mailbox *mb = (void *)HCG_MAILBOX_GPA(index);

	if (doorbell_ask() == HCG_MAGIC) {
		mb->fault.vector = f->vector;
		mb->fault.error = f->error;
		mb->fault.rip = f->rip;
		mb->fault.cr2 = cr2;
		doorbell_ring(HCG_EV_FAULT | (uint32_t)f->vector << 8);
	}
	serial_print("FAIL vCPU %lu: exception %lu at 0x%lx, error code 0x%lx, cr2 0x%lx\n",
		     (uint64_t)index, f->vector, f->rip, f->error, cr2);
}

/* Called by the stubs.  A hypercall that nobody serves (#UD, or #GP at CPL 3) is an answer. */
void exception(struct exception_frame *f)
{
	unsigned int index = ((uint64_t)f - (uint64_t)stacks) >> STACK_SHIFT;
	uint64_t cr2;

	if ((f->vector == 6 || f->vector == 13) && at_hypercall(f->rip)) {
		f->rax = HCG_RET_NO_HYPERVISOR;
		f->rip += 3;
		return;
	}
	asm volatile("mov %%cr2, %0" : "=r"(cr2));
	report(index, f, cr2);
	cpu_exit(FAULT_EXIT_CODE);
}
