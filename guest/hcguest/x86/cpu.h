/* SPDX-License-Identifier: GPL-2.0 */
/* The guest's view of one CPU: selectors, stacks, exceptions.  Usable from assembly. */
#ifndef HCP_GUEST_CPU_H
#define HCP_GUEST_CPU_H

#define KERNEL_CS		0x08
#define KERNEL_DS		0x10
#define USER_CS			0x1b
#define USER_DS			0x23
#define TSS_SEL			0x28
#define MAX_VCPUS		64
#define STACK_SHIFT		13
#define USER_RETURN_VECTOR	0x80
/* Where memory is mapped a second time, with that bit: entry.S. */
#define HCG_ALIAS		0x100000000
#define HCG_CBIT		39
#define KVM_HC_MAP_GPA_RANGE	12
/* 8, 10 to 14, 17, 21, 29, 30 */
#define ERROR_CODE_VECTORS	0x60227d00

#ifndef __ASSEMBLER__
#include <stdint.h>

static inline void wrmsr(uint32_t msr, uint64_t v)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* Segments, TSS and exceptions of vCPU index. */
void cpu_init(unsigned int index);

/* The hypercall from CPL 3, by the instruction at insn. */
extern const char user_vmcall_insn[], user_vmmcall_insn[];
int64_t cpu_user_call(unsigned int index, uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2,
		      const char *insn);

/* Does CPUID name a vendor that has VMMCALL (AMD, Hygon)? */
int cpu_has_vmmcall(void);
#endif

#endif /* HCP_GUEST_CPU_H */
