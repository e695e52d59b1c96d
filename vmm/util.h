/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_UTIL_H
#define HCVM_UTIL_H

#include <stdint.h>

#define KIB			1024ULL
#define MIB			(1024 * KIB)
#define GIB			(1024 * MIB)

/* Each prints one line.  The first two return -1, for callers to return. */
int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int fail_errno(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* CLOCK_MONOTONIC; and the CPU time of this thread. */
uint64_t now_ns(void);
uint64_t thread_ns(void);

#endif /* HCVM_UTIL_H */
