/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_HCVM_H
#define HCVM_HCVM_H

#include "ops.h"

/* The whole program.  Returns its exit status. */
int hcvm(int argc, char **argv, const struct hcvm_ops *ops);

extern const struct hcvm_ops hcvm_ops;

#endif /* HCVM_HCVM_H */
