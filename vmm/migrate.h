/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_MIGRATE_H
#define HCVM_MIGRATE_H

#include "migration.h"

/*
 * One attempt.  0: the target has the VM.  -1: the VM runs here; or it is paused, and in doubt
 * is which side has it (vm->in_doubt).
 */
int migrate(struct migration *m);
/*
 * Stop the VM, send the rest, hand it over.  1: the guest has just taken back that it can be
 * migrated.  It always returns with the VM paused.
 */
int migrate_stop(struct migration *m);
/* The rest, in this order: state, last round, set.  Every vCPU is parked. */
int migrate_send_rest(struct migration *m);
int migrate_last_round(struct migration *m);
int migrate_send_set(struct migration *m);
/* The figures of the last attempt, one `hcvm: key value` a line. */
void migrate_report(const struct vm *vm);

#endif /* HCVM_MIGRATE_H */
