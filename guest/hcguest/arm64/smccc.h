/* SPDX-License-Identifier: GPL-2.0 */
/* A call by HVC or SMC, with up to three arguments; x0 of the answer. */
#ifndef HCP_GUEST_ARM64_SMCCC_H
#define HCP_GUEST_ARM64_SMCCC_H

#include <stdint.h>
#include "../../arm64/calls.h"

/* x4 to x17 are the callee's to change. */
#define SMCCC(name, insn)							\
static inline int64_t name(uint64_t function, uint64_t a, uint64_t b, uint64_t c)	\
{										\
	register uint64_t x0 asm("x0") = function;				\
	register uint64_t x1 asm("x1") = a;					\
	register uint64_t x2 asm("x2") = b;					\
	register uint64_t x3 asm("x3") = c;					\
										\
	asm volatile(insn : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) :		\
		     : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12",	\
		       "x13", "x14", "x15", "x16", "x17", "memory");		\
	return x0;								\
}

SMCCC(smccc_hvc, "hvc #0")
/* As a word: the assembler wants to be told of a CPU that has it. */
SMCCC(smccc_smc, ".inst 0xd4000003")

#endif /* HCP_GUEST_ARM64_SMCCC_H */
