/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_SERIAL_H
#define HCVM_SERIAL_H

#include "vm.h"

int serial_init(struct vm *vm);
/* Pass bytes to the receiver.  Returns how many it took: maybe none, as it does not wait. */
unsigned int serial_receive(struct vm *vm, const uint8_t *data, unsigned int len);

#endif /* HCVM_SERIAL_H */
