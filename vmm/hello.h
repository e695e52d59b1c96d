/* SPDX-License-Identifier: GPL-2.0 */
/* Source and target of a migration must have VMs of one kind.  HELLO and WELCOME describe them. */
#ifndef HCVM_HELLO_H
#define HCVM_HELLO_H

#include "conn.h"
#include "vm.h"

/* Describe the VM. */
void hello_fill(const struct vm *vm, struct frame_hello *hello);
/*
 * 0: the VMs match.  -1: c->why says what differs, with both values, and calls the two sides by the
 * names in they and we.
 */
int hello_matches(struct conn *c, const struct frame_hello *theirs, const struct frame_hello *mine,
		  const char *they, const char *we);

#endif /* HCVM_HELLO_H */
