/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_SERIAL_H
#define HCVM_SERIAL_H

#include "vm.h"

int serial_init(struct vm *vm);
/* How many of these bytes the receiver has taken; does not wait, so it may be none. */
unsigned int serial_receive(struct vm *vm, const uint8_t *data, unsigned int len);

#endif /* HCVM_SERIAL_H */
