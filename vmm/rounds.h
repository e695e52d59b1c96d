/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_ROUNDS_H
#define HCVM_ROUNDS_H

#include "migration.h"

int rounds_open(struct migration *m);
void rounds_close(struct migration *m);
/* Get and clear the dirty logs, and decide what to send.  The number of pages to send, or -1. */
int64_t round_scan(struct migration *m);
/*
 * Send these pages.  With a bandwidth limit, and before the last round, send only what the limit
 * allows within SLICE_NS.  The number of pages that are left, or -1.
 */
int64_t round_send(struct migration *m, bool last);
/* After the last round.  0: every page was sent; -1: some were not. */
int rounds_complete(struct migration *m);

#endif /* HCVM_ROUNDS_H */
