/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every benchmark prints: records, one a line, each one number in one field of
 * one table.  bench/measure collects them, bench/report makes tables of them.
 */
#ifndef HCB_BENCH_H
#define HCB_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static inline void record(const char *table, const char *row, const char *col, double value)
{
	printf("{\"table\": \"%s\", \"row\": \"%s\", \"col\": \"%s\", \"value\": %.10g}\n",
	       table, row, col, value);
}

/* Under icount the clock counts instructions: the TSC all, arm64's counter each 16th or so. */
static inline uint64_t insns(void)
{
#ifdef __x86_64__
	return __builtin_ia32_rdtsc();
#else
	uint64_t count, hz;

	asm volatile("isb; mrs %0, cntvct_el0; mrs %1, cntfrq_el0" : "=r"(count), "=r"(hz));
	return count * (1000000000 / hz);
#endif
}

static inline int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Most of n runs cost the very same; the others had a timer's interrupt in them. */
static inline uint64_t median(uint64_t *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare_u64);
	return values[n / 2];
}

#endif /* HCB_BENCH_H */
