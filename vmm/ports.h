/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_PORTS_H
#define HCVM_PORTS_H

#include "vm.h"

int ports_init(struct vm *vm);
/* Answer a KVM_EXIT_IO. */
void ports_access(struct vm *vm, const struct kvm_run *run);

#endif /* HCVM_PORTS_H */
