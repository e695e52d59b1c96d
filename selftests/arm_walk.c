// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "../guest/arm64/regs.h"
#include "arm_walk.h"
#include "tap.h"

#define TTBR1_EL1	ARM64_SYS_REG(3, 0, 2, 0, 1)
#define ADDRESS		0xfffffffff000ULL	/* of a descriptor's bits, and of the register's */
#define VALID		1
#define TABLE		2			/* if not the last level; without it: a block */

bool arm_walk(int vcpu_fd, const uint8_t *mem, uint64_t mem_size, uint64_t va, uint64_t *gpa)
{
	uint64_t at;
	int shift;

	CHECK_EQ(arm64_get(vcpu_fd, TTBR1_EL1, &at), 0);
	for (shift = 39; ; shift -= 9) {
		at &= ADDRESS;
		CHECK_CMP(at, <, mem_size);
		memcpy(&at, mem + at + (va >> shift & 511) * sizeof(at), sizeof(at));
		if (!(at & VALID))
			return false;
		if (shift == 12 || !(at & TABLE))
			break;
	}
	*gpa = (at & ADDRESS) | (va & ((1ULL << shift) - 1));
	return true;
}
