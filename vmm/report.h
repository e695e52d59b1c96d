/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_REPORT_H
#define HCVM_REPORT_H

#include "vm.h"

/* What is reported at the end; every vCPU is parked. */
void report(struct vm *vm);
int dump(struct vm *vm, const char *path);

#endif /* HCVM_REPORT_H */
