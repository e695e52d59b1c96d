/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_VCPU_H
#define HCVM_VCPU_H

#include "vm.h"

int vcpus_create(struct vm *vm);
/* The threads start parked: the guest does not run before the first vm_resume(). */
int vcpus_start(struct vm *vm);
void vm_resume(struct vm *vm);
void vm_pause(struct vm *vm);
/*
 * A vCPU that is held stays parked even while the VM runs.  Call this from the handler of the
 * vCPU's own exit, or while it is parked.  Only the test build (selftests/hcvm/) holds vCPUs.  A
 * migration takes the hold along.
 */
void vcpu_hold(struct vcpu *vcpu, bool hold);
/* End the VM, for this reason.  Any thread may call it.  Only the first call counts. */
void vm_end(struct vm *vm, enum end_reason end, int status);
/* End the threads, and join them. */
void vcpus_quit(struct vm *vm);

#endif /* HCVM_VCPU_H */
