/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Is the kernel's memory what it was?  Counted object by object where the kernel
 * counts so: programs, maps and links of BPF, VMs, and the objects of each slab
 * cache; and by page for the rest.
 *
 *	memory_read(&before);
 *	... n times something, in a process that has ended ...
 *	memory_check(&before, n);
 *
 * The rule: n times nothing may leave n objects.  What is lost once each time is
 * found, in whatever cache; what a machine does besides must stay below.
 */
#ifndef HCST_MEMORY_H
#define HCST_MEMORY_H

#include <stddef.h>

#define MEMORY_CACHES	512

struct memory {
	/* These must be what they were. */
	unsigned long progs, maps, links, vms;
	/* These may grow, but not once each time. */
	unsigned long vmalloc_kb, percpu_kb, used_kb;
	size_t ncaches;
	struct {
		char name[32];
		unsigned long objects, a_slab;	/* so many are one slab */
	} caches[MEMORY_CACHES];
};

void memory_read(struct memory *m);
/* Waits for what the kernel frees later.  Fails the test, or prints what it found. */
void memory_check(const struct memory *before, size_t n);

#endif /* HCST_MEMORY_H */
