/* SPDX-License-Identifier: GPL-2.0 */
/* Attachments as hcpolicy 0.1 made them: its maps, its hcp_info, its pins. */
#ifndef HCST_OLD_H
#define HCST_OLD_H

#include "pol.h"
#include "vm.h"
#include "progs/old.h"

#define OLD_PINS	"/sys/fs/bpf/hcpolicy"

/* Attached before the first run, by the policy 'old'; name NULL: not pinned. */
struct pol *old_attach(struct vm *vm, const char *name);
/* Its hcp_info; of the same page as pol's info. */
struct old_info *old_info(struct pol *p);

#endif /* HCST_OLD_H */
