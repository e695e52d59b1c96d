/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_CPUID_H
#define HCVM_CPUID_H

#include "vm.h"

/* Give every vCPU the CPUID that KVM supports.  add(), if not NULL, may change it first. */
int cpuid_setup(struct vm *vm, void (*add)(struct kvm_cpuid2 *cpuid));
/* The entry of a leaf (subleaf 0).  If there is none, it is added. */
struct kvm_cpuid_entry2 *cpuid_leaf(struct kvm_cpuid2 *cpuid, uint32_t function);

#endif /* HCVM_CPUID_H */
