/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest's core file as dump.h describes it, read: RAM by guest frame, the
 * vCPUs' control registers, the set.  The file is not trusted; it must not be
 * cut short while it is open.
 */
#ifndef HCP_GUEST_CORE_H
#define HCP_GUEST_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "../map.h"

#define CORE_NO_FRAME	UINT64_MAX

/* RAM, sorted by gfn.  All frames of all blocks are numbered from 0 in this order. */
struct core_block {
	uint64_t gfn;
	uint64_t nframes;
	uint64_t first;		/* number of its first frame */
	const unsigned char *data;
};

struct core_vcpu {
	uint64_t rip, cr0, cr3, cr4;
};

struct core {
	struct hcg_map file;
	struct core_block *blocks;
	unsigned int nblocks;
	uint64_t nframes;
	struct core_vcpu *vcpus;
	unsigned int nvcpus;
	bool has_set;
	uint32_t cbit;		/* 0: none */
	uint64_t npages;
	uint64_t *words;	/* a copy of the set */
	char error[256];
};

/* A negative errno and core->error on failure; nothing is left open then. */
int core_open(struct core *core, const char *path);
void core_close(struct core *core);

/*
 * Take the set from a file of lines `GFN NPAGES`, as query-hcpolicy and docs/readers/ have
 * it, whatever the dump says, and this C-bit.  ranges.c; fails as core_open(), but core stays open.
 */
int core_take_ranges(struct core *core, const char *path, uint32_t cbit);

/* The number of a frame of RAM, or CORE_NO_FRAME. */
uint64_t core_frame(const struct core *core, uint64_t gfn);

/* The first gfn of RAM from gfn on, or CORE_NO_FRAME. */
uint64_t core_next_ram(const struct core *core, uint64_t gfn);

/* The bytes of a page, aligned to nothing, or NULL if it is not RAM. */
const unsigned char *core_page(const struct core *core, uint64_t gfn);

/* The set's bit; false beyond the set. */
bool core_set_test(const struct core *core, uint64_t gfn);

#endif /* HCP_GUEST_CORE_H */
