/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_CONTROL_H
#define HCVM_CONTROL_H

#include "vm.h"

/* Listen at the socket of --control.  Does nothing without that option. */
int control_start(struct vm *vm);
void control_stop(struct vm *vm);
int control_client(const char *socket, int argc, char **argv);

#endif /* HCVM_CONTROL_H */
