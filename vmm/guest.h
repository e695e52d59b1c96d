/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_GUEST_H
#define HCVM_GUEST_H

#include "vm.h"

/* Load the ELF of --guest, and set the vCPUs to its entries. */
int guest_load(struct vm *vm);
/* With --encrypt: make a key, and put it where the guest finds it. */
int guest_key(struct vm *vm);

#endif /* HCVM_GUEST_H */
