/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_INCOMING_H
#define HCVM_INCOMING_H

#include "vm.h"

/* Take a machine over; when it returns 0, it is this one's to run. */
int incoming(struct vm *vm, int signal_fd);

#endif /* HCVM_INCOMING_H */
