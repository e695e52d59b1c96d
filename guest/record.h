/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's record of its pages: their status, and what it wrote into them.  It is
 * an array of 8-byte entries at HCG_TABLE_GPA, one for each page from HCG_FREE_GPA
 * on: version << 8 | enum hcg_page_flags.
 *
 * A migration can stop a vCPU between any two instructions.  The vCPU goes on in
 * another VM with another key, and finishes its operation there.  So the order within
 * an operation does not matter to the guest.  It matters to whoever reads the record of
 * a stopped guest: a busy page is being written, so its contents are not live, and its
 * status is the one that was asked for or the one before.
 */
#ifndef HCP_GUEST_RECORD_H
#define HCP_GUEST_RECORD_H

#include "crypt.h"
#include "mailbox.h"

#define HCG_TABLE_PAGES	((HCG_BATCH_GPA(0) - HCG_TABLE_GPA) / 8)

enum hcg_page_flags {
	HCG_PAGE_SHARED = 1 << 0,	/* or else private */
	HCG_PAGE_BUSY = 1 << 1,
};

/* 0: the guest never wrote the page. */
static inline uint64_t hcg_page_version(uint64_t entry)
{
	return entry >> 8;
}

/* Where gfn is in the record; HCG_TABLE_PAGES or more: it is not. */
static inline uint64_t hcg_page_index(uint64_t gfn)
{
	return gfn - HCG_FREE_GPA / HCG_PAGE_SIZE;
}

static inline uint64_t hcg_page_content(uint64_t gfn, uint64_t version, unsigned int word)
{
	return hcg_mix(hcg_mix(gfn << 24 ^ version) + word);
}

#endif /* HCP_GUEST_RECORD_H */
