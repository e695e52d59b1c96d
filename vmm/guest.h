/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_GUEST_H
#define HCVM_GUEST_H

#include "vm.h"

int guest_load(struct vm *vm);
int guest_key(struct vm *vm);

#endif /* HCVM_GUEST_H */
