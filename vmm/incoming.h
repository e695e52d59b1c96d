/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_INCOMING_H
#define HCVM_INCOMING_H

#include "vm.h"

/* Wait for a source, and take its VM over.  0: all of it is here, and the caller runs it. */
int incoming(struct vm *vm, int signal_fd);

#endif /* HCVM_INCOMING_H */
