/* SPDX-License-Identifier: GPL-2.0 */
/* The guest's pages: encryption, contents, and their entries in the record. */
#ifndef HCP_GUEST_PAGES_H
#define HCP_GUEST_PAGES_H

#include "../record.h"

/* Are the pages all in the record? */
int pages_known(uint64_t gfn, uint64_t npages);
/* Are those of an operation not whole pages of the record? */
int pages_bad(const struct hcg_request *r);

/* Forget what is known of a page: private, never written. */
void page_forget(uint64_t gfn);

/* Call these before and after a request for the page's status.  page_put() is an end too. */
void page_begin(uint64_t gfn);
void page_end(uint64_t gfn);

/* HCG_PAGE_SHARED or 0, as in the record. */
uint64_t page_status(uint64_t gfn);

/* New contents, under status. */
void page_put(uint64_t gfn, uint64_t status);

/* The same, through the addresses that are offset bytes above the page's own. */
void page_put_at(uint64_t gfn, uint64_t status, uint64_t offset);

/* The same contents, in place, under status. */
void page_recode(uint64_t gfn, uint64_t status);

/* Encrypt with the VM's key from now on.  Returns it; 0: it has none. */
uint64_t key_use(void);

/* Call this now and then.  It notes a new key, so that page_verify() can explain what it finds. */
void key_look(unsigned int index);

/* Is a page as in the record?  Counts in w what it finds.  index: the vCPU's. */
int page_verify(unsigned int index, uint64_t gfn, struct hcg_work *w);

#endif /* HCP_GUEST_PAGES_H */
