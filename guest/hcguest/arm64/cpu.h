/* SPDX-License-Identifier: GPL-2.0 */
/* What entry.S and cpu.c share.  Usable from assembly. */
#ifndef HCP_GUEST_ARM64_CPU_H
#define HCP_GUEST_ARM64_CPU_H

#define MAX_VCPUS	64
#define STACK_SHIFT	13

#endif /* HCP_GUEST_ARM64_CPU_H */
