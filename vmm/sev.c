// SPDX-License-Identifier: GPL-2.0
/*
 * --sev-lookalike: makes an unmodified Linux believe that it runs under SEV, with KVM on any x86
 * whose physical addresses have 40 bits or more.  CPUID and one MSR announce SEV, and all RAM appears
 * a second time, at addresses with the C-bit set (vm.c).  Nothing is encrypted.
 */
#include <sys/ioctl.h>
#include <asm/kvm_para.h>

#include "cpuid.h"
#include "sev.h"

#define LEAF_MAX_EXTENDED	0x80000000
#define LEAF_ADDRESS_WIDTH	0x80000008
#define LEAF_SEV		0x8000001f
#define SEV_EAX_SEV		(1 << 1)

#define MSR_SEV_STATUS		0xc0010131
#define SEV_STATUS_ENABLED	1

/* The C-bit is the topmost bit of a guest physical address. */
#define ADDRESS_WIDTH		(SEV_CBIT + 1)

int sev_setup(struct vm *vm)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args[0] = KVM_MSR_EXIT_REASON_UNKNOWN,
	};

	if (ioctl(vm->fd, KVM_ENABLE_CAP, &cap))
		return fail_errno("--sev-lookalike needs KVM_CAP_X86_USER_SPACE_MSR (Linux 5.10)");
	vm->cbit = 1ULL << SEV_CBIT;
	note("sev-lookalike: the guest believes it runs under SEV; nothing is encrypted");
	return 0;
}

void sev_cpuid(struct kvm_cpuid2 *cpuid)
{
	struct kvm_cpuid_entry2 *e;

	e = cpuid_leaf(cpuid, LEAF_MAX_EXTENDED);
	if (e->eax < LEAF_SEV)
		e->eax = LEAF_SEV;

	e = cpuid_leaf(cpuid, LEAF_ADDRESS_WIDTH);
	e->eax = (e->eax & 0xff00) | ADDRESS_WIDTH;

	e = cpuid_leaf(cpuid, LEAF_SEV);
	e->eax = SEV_EAX_SEV;
	e->ebx = SEV_CBIT | 1 << 6;	/* from bit 6 on: the guest has 1 address bit less */
	e->ecx = 0;
	e->edx = 0;

	e = cpuid_leaf(cpuid, KVM_CPUID_FEATURES);
	e->eax |= 1U << KVM_FEATURE_HC_MAP_GPA_RANGE | 1U << KVM_FEATURE_MIGRATION_CONTROL;
}

bool sev_msr(struct vm *vm, struct kvm_run *run)
{
	bool write = run->exit_reason == KVM_EXIT_X86_WRMSR;

	switch (run->msr.index) {
	case MSR_SEV_STATUS:
		if (write)
			return false;
		run->msr.data = SEV_STATUS_ENABLED;
		return true;
	case MSR_KVM_MIGRATION_CONTROL:
		if (write && run->msr.data & ~(__u64)KVM_MIGRATION_READY)
			return false;
		if (write)
			__atomic_store_n(&vm->migration_control, run->msr.data, __ATOMIC_SEQ_CST);
		else
			run->msr.data = vm->migration_control;
		return true;
	}
	return false;
}
