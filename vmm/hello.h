/* SPDX-License-Identifier: GPL-2.0 */
/* What must be the same for the VMs of the source and the target of a migration. */
#ifndef HCVM_MACHINE_H
#define HCVM_MACHINE_H

#include "conn.h"
#include "vm.h"

void machine_hello(const struct vm *vm, struct frame_hello *hello);
/* 0: they match; -1: c->why says what differs, with both values and whose they are. */
int machine_matches(struct conn *c, const struct frame_hello *theirs,
		    const struct frame_hello *mine, const char *they, const char *we);

#endif /* HCVM_MACHINE_H */
