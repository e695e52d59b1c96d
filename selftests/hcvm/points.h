/* SPDX-License-Identifier: GPL-2.0 */
/*
 * migrate ... stops=NAME:ROUND,...: at each of these points the migration says `at NAME:ROUND` and
 * stands still until the command go.  ROUND is a number, or * for every round.
 *
 *	round:N		before a scan
 *	snapshot:N	before its first dirty log
 *	cleared:N	after a slot's dirty log, before it is decided what to send
 *	status:N	between the status of page=ADDRESS, which is to be given as well, and
 *			its contents
 *	stop:N, back:N	before the VM is stopped; after it runs again as the guest is not ready
 *	leave		not a point: round 2 sends nothing
 */
#ifndef HCVM_POINTS_H
#define HCVM_POINTS_H

#include "../../vmm/migration.h"

bool points_option(const char *word, struct migrate_opts *opts);
void point(struct migration *m, const char *name, unsigned int round);
void point_of_page(struct migration *m, uint64_t gfn);
bool points_leave(const struct migration *m);
void points_go(void);

#endif /* HCVM_POINTS_H */
