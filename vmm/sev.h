/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_SEV_H
#define HCVM_SEV_H

#include "vm.h"

#define SEV_CBIT	39

/* Call this before vm_add_ram(): it sets vm->cbit, by which all RAM gets an alias (vm.c). */
int sev_setup(struct vm *vm);
/* Announce SEV; for cpuid_setup(). */
void sev_cpuid(struct kvm_cpuid2 *cpuid);
/* Answers an MSR exit; false: the guest gets #GP. */
bool sev_msr(struct vm *vm, struct kvm_run *run);

#endif /* HCVM_SEV_H */
