/* SPDX-License-Identifier: GPL-2.0 */
/* The workload: a vCPU converts and writes pages of its own, and checks them. */
#ifndef HCP_GUEST_WORK_H
#define HCP_GUEST_WORK_H

#include "../mailbox.h"

void work_clear(struct hcg_work *w);

/* 0 if w's pages are not in the record. */
int work_begin(unsigned int index, struct hcg_work *w);

/* Some pages: verified, perhaps converted, written. */
void work_step(unsigned int index, struct hcg_work *w, uint64_t *random);

/* Verify all pages; 0 likewise. */
int work_check(unsigned int index, struct hcg_work *w);

#endif /* HCP_GUEST_WORK_H */
