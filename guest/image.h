/* SPDX-License-Identifier: GPL-2.0 */
/* The part of hcguest_load() that each architecture's loader begins with. */
#ifndef HCP_GUEST_IMAGE_H
#define HCP_GUEST_IMAGE_H

#include "load.h"

#define IMAGE_MIN	0x100000	/* below, memory is the loader's */

/*
 * Put the segments of a static ELF for machine (EM_*) into memory, and into g the entries that its
 * notes name.  As hcguest_load() otherwise.
 */
int hcguest_image(const char *path, uint16_t machine, void *mem, uint64_t mem_size,
		  struct hcguest *g);

/* Returns -err, with the reason in g->error. */
__attribute__((format(printf, 3, 4)))
int hcguest_fail(struct hcguest *g, int err, const char *fmt, ...);

#endif /* HCP_GUEST_IMAGE_H */
