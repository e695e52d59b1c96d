/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_REPORT_H
#define HCVM_REPORT_H

#include "vm.h"

/* Print the report about a VM that has ended.  The caller has parked every vCPU. */
void report(struct vm *vm);
/* Write a core file of the guest, with the set, for hcp-oracle.  Here too every vCPU is parked. */
int dump(struct vm *vm, const char *path);

#endif /* HCVM_REPORT_H */
