/* SPDX-License-Identifier: GPL-2.0 */
/* The wrong orders of a migration, so that tests can see that each is caught. */
#ifndef HCVM_WRONG_H
#define HCVM_WRONG_H

#include "../../vmm/ops.h"

/* By its name; false: there is none. */
bool wrong_choose(const char *name);
/* The steps of a migration, and exits, in the order that was chosen. */
void wrong_ops(struct hcvm_ops *ops);

#endif /* HCVM_WRONG_H */
