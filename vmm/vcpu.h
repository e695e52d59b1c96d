/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_VCPU_H
#define HCVM_VCPU_H

#include "vm.h"

int vcpus_create(struct vm *vm);
/* The threads start parked: the guest does not run before the first vm_resume(). */
int vcpus_start(struct vm *vm);
void vm_resume(struct vm *vm);
void vm_pause(struct vm *vm);
/* While held, a vCPU stays parked though the VM runs.  From its own exit, or while it is parked. */
void vcpu_hold(struct vcpu *vcpu, bool hold);
/* Ask for the end of the machine, from any thread.  The first one counts. */
void vm_stop(struct vm *vm, enum vm_end end, int status);
/* Join the threads. */
void vcpus_quit(struct vm *vm);

#endif /* HCVM_VCPU_H */
