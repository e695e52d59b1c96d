/* SPDX-License-Identifier: GPL-2.0 */
/* What a source and a target have to have in common. */
#ifndef HCVM_MACHINE_H
#define HCVM_MACHINE_H

#include "stream.h"
#include "vm.h"

void machine_hello(const struct vm *vm, struct frame_hello *hello);
/* Says what differs, with both values and whose they are. */
int machine_matches(struct stream *s, const struct frame_hello *theirs,
		    const struct frame_hello *mine, const char *they, const char *we);
/* hcp_set__save() into a FILE. */
int machine_write(void *file, const void *buf, size_t len);

#endif /* HCVM_MACHINE_H */
