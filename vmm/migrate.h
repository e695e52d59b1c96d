/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_MIGRATE_H
#define HCVM_MIGRATE_H

#include "migration.h"

/*
 * Make one attempt.  0: the target has the VM.  -1: it failed, and the VM runs on here.  But if
 * vm->in_doubt is set, the target was told to run the VM and has not answered; then the VM stays
 * paused here.
 */
int migrate(struct migration *m);
/*
 * Stop the VM, send the rest, hand it over.  0: the target has it.  -1: it failed.  1: the guest
 * no longer says that it can be migrated, so the rest was not sent.  In every case the VM is paused afterwards.
 */
int migrate_stop(struct migration *m);
/* Send the rest, in this order: state, last round, set.  The caller has parked every vCPU. */
int migrate_send_rest(struct migration *m);
int migrate_last_round(struct migration *m);
int migrate_send_set(struct migration *m);
/* Print the figures of the last attempt, a line `hcvm: KEY VALUE` for each. */
void migrate_report(const struct vm *vm);

#endif /* HCVM_MIGRATE_H */
