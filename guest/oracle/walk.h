/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ground truth: how the guest's own page tables map each frame of its RAM.
 *
 * Linux keeps every page of RAM in its direct map, and itself in the kernel
 * image too; either says that a page is shared by lacking the C-bit.  Those two
 * judge.  Its other mappings (vmalloc, fixmap, ioremap of firmware tables) are
 * counted and do not judge: Linux reads firmware's plain pages through some of
 * them without ever having asked for them.  The user half is not looked at.
 */
#ifndef HCP_GUEST_WALK_H
#define HCP_GUEST_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "core.h"

enum walk_class { WALK_DIRECT, WALK_IMAGE, WALK_OTHER, WALK_CLASSES };

/* In walk.how[]: mapped by a class with the C-bit, or without. */
#define WALK_PRIVATE(class)	(1 << 2 * (class))
#define WALK_SHARED(class)	(2 << 2 * (class))
#define WALK_MAPPED(class)	(3 << 2 * (class))

struct walk {
	uint8_t *how;		/* by frame number */
	uint64_t *va;		/* where it is mapped: see rank() in walk.c */
	uint64_t direct_base;	/* the direct map's address of GPA 0 */
	uint64_t tables;	/* tables read, each place in the hierarchy counted once */
	uint64_t outside;	/* tables that would lie outside RAM: skipped */
	unsigned int paging_off; /* vCPUs without long mode paging: skipped */
	char error[256];
};

/*
 * Time and memory are bounded by the size of RAM, whatever the tables say.  A
 * negative errno and w->error on failure: no C-bit, no vCPU, no direct map.
 */
int walk_core(const struct core *core, struct walk *w);
void walk_free(struct walk *w);

#endif /* HCP_GUEST_WALK_H */
