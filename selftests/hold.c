// SPDX-License-Identifier: GPL-2.0
/*
 * Holds one VM with one vCPU until it is killed.  The first and the last of a
 * host make the kernel patch its own code (preempt_notifier_key,
 * kvm_has_noapic_vcpu), and an emulated CPU may run into the breakpoint that
 * this leaves for a moment: "Oops: int3" in __schedule().  With hundreds of VMs,
 * one after the other, that happens; with one that stays, and that was created
 * while no other CPU was online, it does not.
 */
#include <stdio.h>
#include <unistd.h>

#include "vm.h"

int main(void)
{
	vm_new(1, false);
	puts("holding");
	fflush(stdout);
	for (;;)
		pause();
}
