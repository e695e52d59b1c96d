// SPDX-License-Identifier: GPL-2.0
/*
 * hcguest of arm64: its CPU, and the doorbell.  A VMM starts each vCPU at the entry of the ELF
 * note HCGUEST (boot.h), at EL1 with the MMU off, and tells it by mailbox what to do.
 */
#include <stddef.h>

#include "../arch.h"
#include "../commands.h"
#include "cpu.h"
#include "smccc.h"

#define PSCI_SYSTEM_OFF	0x84000008u

_Static_assert(MAX_VCPUS == HCG_MAX_VCPUS, "cpu.h and mailbox.h disagree");

#define read_sysreg(name)							\
	({									\
		uint64_t value;							\
										\
		asm volatile("mrs %0, " #name : "=r"(value));			\
		value;								\
	})

void guest_main(unsigned int index);
_Noreturn void exception(void);
void *memset(void *s, int c, size_t n);

/* The compiler makes calls of this.  volatile: not of this loop. */
void *memset(void *s, int c, size_t n)
{
	volatile char *p = s;

	while (n--)
		*p++ = c;
	return s;
}

/* No other access than these two: KVM decodes no more for the VMM. */
uint32_t doorbell_ask(void)
{
	uint32_t v;

	asm volatile("ldr %w0, [%1]" : "=r"(v) : "r"(HCG_DOORBELL_GPA) : "memory");
	return v;
}

void doorbell_ring(uint32_t event)
{
	asm volatile("dsb sy; str %w0, [%1]" : : "r"(event), "r"(HCG_DOORBELL_GPA) : "memory");
}

void cpu_halt(void)
{
	asm volatile("wfi" : : : "memory");
}

_Noreturn void cpu_exit(uint32_t code)
{
	for (;;)
		smccc_hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
}

/* From every vector of entry.S. */
_Noreturn void exception(void)
{
	struct hcg_mailbox *mb = (void *)HCG_MAILBOX_GPA(read_sysreg(tpidr_el1));
	uint64_t esr = read_sysreg(esr_el1);

	mb->fault.vector = esr >> 26;
	mb->fault.error = esr;
	mb->fault.rip = read_sysreg(elr_el1);
	mb->fault.cr2 = read_sysreg(far_el1);
	doorbell_ring(HCG_EV_FAULT | (uint32_t)mb->fault.vector << 8);
	cpu_exit(0);
}

void guest_main(unsigned int index)
{
	if (doorbell_ask() == HCG_MAGIC)
		commands_run(index);
	for (;;)
		cpu_halt();
}
