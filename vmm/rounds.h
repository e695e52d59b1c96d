/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_ROUNDS_H
#define HCVM_ROUNDS_H

#include "migration.h"

int rounds_open(struct migration *m);
void rounds_close(struct migration *m);
/* Get and clear the dirty logs, and decide what to send.  How many pages that is. */
int64_t round_scan(struct migration *m);
/* Send all of it, or what the bandwidth allows for a while.  How many pages are left. */
int64_t round_send(struct migration *m, bool last);
/* After the last one: is nothing left? */
int rounds_complete(struct migration *m);

#endif /* HCVM_ROUNDS_H */
