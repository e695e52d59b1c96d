/* SPDX-License-Identifier: GPL-2.0 */
/* What tells a --guest what to do. */
#ifndef HCVM_DRIVER_H
#define HCVM_DRIVER_H

#include <stdio.h>

#include "../../vmm/vm.h"

int driver_init(struct vm *vm);
/* This thread handles an exit of this vCPU. */
void driver_begin_exit(struct vcpu *vcpu);
/* Runs a command of the control socket; the answer goes to out.  False: no such command. */
bool driver_command(struct vm *vm, int argc, char **argv, FILE *out);

#endif /* HCVM_DRIVER_H */
