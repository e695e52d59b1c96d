/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_LINUX_H
#define HCVM_LINUX_H

#include "vm.h"

int linux_load(struct vm *vm);

#endif /* HCVM_LINUX_H */
