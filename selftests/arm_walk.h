/* SPDX-License-Identifier: GPL-2.0 */
/* The page tables of a Linux of arm64 with pages of 4 KiB and 48-bit addresses. */
#ifndef HCST_ARM_WALK_H
#define HCST_ARM_WALK_H

#include <stdbool.h>
#include <stdint.h>

/* Where the kernel of this vCPU has its own address va, in memory from 0 on; false: nowhere. */
bool arm_walk(int vcpu_fd, const uint8_t *mem, uint64_t mem_size, uint64_t va, uint64_t *gpa);

#endif /* HCST_ARM_WALK_H */
