/* SPDX-License-Identifier: GPL-2.0 */
/* What tells a --guest what to do. */
#ifndef HCVM_DRIVER_H
#define HCVM_DRIVER_H

#include <stdio.h>

#include "../../vmm/vm.h"

int driver_init(struct vm *vm);
/* This thread's exit is this vCPU's. */
void driver_begin_exit(struct vcpu *vcpu);
/* One command of the control socket, its answer to out; false: it is none. */
bool driver_command(struct vm *vm, int argc, char **argv, FILE *out);

#endif /* HCVM_DRIVER_H */
