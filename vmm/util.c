// SPDX-License-Identifier: GPL-2.0
/* Messages and time.  What hcvm says goes to stderr; stdout is the guest's console. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "util.h"

static void print_line(const char *fmt, va_list ap, const char *end)
{
	char line[512];

	/* In one write, as the guest's console may share the terminal. */
	vsnprintf(line, sizeof(line), fmt, ap);
	fprintf(stderr, "hcvm: %s%s%s\n", line, *end ? ": " : "", end);
}

int fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_line(fmt, ap, "");
	va_end(ap);
	return -1;
}

int fail_errno(const char *fmt, ...)
{
	const char *why = strerror(errno);
	va_list ap;

	va_start(ap, fmt);
	print_line(fmt, ap, why);
	va_end(ap);
	return -1;
}

void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_line(fmt, ap, "");
	va_end(ap);
}

static uint64_t ns_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

uint64_t now_ns(void)
{
	return ns_of(CLOCK_MONOTONIC);
}

uint64_t thread_ns(void)
{
	return ns_of(CLOCK_THREAD_CPUTIME_ID);
}
