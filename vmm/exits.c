// SPDX-License-Identifier: GPL-2.0
/* Which file answers which exit of a vCPU. */
#include <string.h>
#include <linux/kvm_para.h>

#include "exits.h"
#include "keeper.h"
#include "ports.h"
#include "sev.h"
#include "vcpu.h"

static void on_hypercall(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	if (run->hypercall.nr != KVM_HC_MAP_GPA_RANGE) {
		run->hypercall.ret = -KVM_ENOSYS;
		return;
	}
	run->hypercall.ret = keeper_exit(vcpu->vm, run->hypercall.args[0], run->hypercall.args[1],
				       run->hypercall.args[2]);
}

void handle_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct vm *vm = vcpu->vm;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		vcpu->exits[EXIT_IO]++;
		ports_access(vm, run);
		return;
	case KVM_EXIT_MMIO:
		/* No device is there: reads are all ones, writes are lost. */
		vcpu->exits[EXIT_MMIO]++;
		if (!run->mmio.is_write)
			memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
		return;
	case KVM_EXIT_HYPERCALL:
		vcpu->exits[EXIT_HYPERCALL]++;
		on_hypercall(vcpu);
		return;
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		vcpu->exits[EXIT_MSR]++;
		run->msr.error = !sev_msr(vm, run);
		return;
	}

	vcpu->exits[EXIT_OTHER]++;
	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		vm_end(vm, END_TRIPLE_FAULT, 0);
		return;
	case KVM_EXIT_INTERNAL_ERROR:
		fail("vCPU %u: KVM gave up, internal error %u; if /proc/cpuinfo has neither svm nor vmx, this /dev/kvm can make VMs, but not run them",
		     vcpu->index, run->internal.suberror);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		fail("vCPU %u: the CPU refuses to enter the guest, reason 0x%llx", vcpu->index,
		     (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		break;
	default:
		fail("vCPU %u: unexpected exit %u", vcpu->index, run->exit_reason);
	}
	vm_end(vm, END_ERROR, 0);
}
