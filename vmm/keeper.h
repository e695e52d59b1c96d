/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_KEEPER_H
#define HCVM_KEEPER_H

#include "vm.h"

int keeper_open(struct vm *vm);
void keeper_close(struct vm *vm);
/*
 * A request that came as an exit: record it, unless the VM has a policy, even a detached one.  Returns
 * what the hypercall returns to the guest.
 */
int64_t keeper_exit(struct vm *vm, uint64_t gpa, uint64_t npages, uint64_t attrs);
void keeper_report(const struct vm *vm);
/* The set; NULL: nobody keeps one for this VM. */
struct hcp_set *keeper_set(const struct vm *vm);
/*
 * Is every request still recorded?  False: the policy was detached.  vm is a struct vm; it is a
 * void * because libhcpolicy's tracker calls this too.
 */
bool keeper_keeps(void *vm);

#endif /* HCVM_KEEPER_H */
