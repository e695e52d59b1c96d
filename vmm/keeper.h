/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_KEEPER_H
#define HCVM_KEEPER_H

#include "vm.h"

int keeper_open(struct vm *vm);
void keeper_close(struct vm *vm);
/* The guest's request, as an exit; returns what the guest gets. */
int64_t keeper_exit(struct vm *vm, uint64_t gpa, uint64_t npages, uint64_t attrs);
void keeper_report(const struct vm *vm);
/* NULL: nobody keeps one. */
struct hcp_set *keeper_set(const struct vm *vm);
/* Does it still record what the guest asks for?  Of a struct vm. */
bool keeper_keeps(void *vm);

#endif /* HCVM_KEEPER_H */
