/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Tests as functions in a table, results as TAP.  A failed CHECK says where and
 * ends its test; SKIP ends it with the reason.
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

enum { TAP_PASSED, TAP_FAILED, TAP_SKIPPED };

static jmp_buf tap_end;
static const char *tap_why = "";

#define CHECK(cond)	do {							\
	if (!(cond)) {								\
		printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond);		\
		longjmp(tap_end, TAP_FAILED);					\
	}									\
} while (0)

static inline int tap_errno(const char *file, int line, const char *call, long long got,
			    int error)
{
	if (got == -error && errno == error)
		return 0;
	printf("# %s:%d: %s: %lld, errno %d, not %d\n", file, line, call, got, errno, error);
	return 1;
}

/* The call fails with -error, and errno says the same. */
#define CHECK_ERR(call, error)	do {						\
	errno = 0;								\
	if (tap_errno(__FILE__, __LINE__, #call, call, error))			\
		longjmp(tap_end, TAP_FAILED);					\
} while (0)

/* The call returns NULL, and errno says why. */
#define CHECK_NULL(call, error)	CHECK_ERR((call) ? 0 : -errno, error)

#define SKIP(reason)	do {							\
	tap_why = (reason);							\
	longjmp(tap_end, TAP_SKIPPED);						\
} while (0)

struct tap_test {
	const char *name;
	void (*run)(void);
};

#define T(fn)	{ #fn, fn }

static inline int tap_run(const struct tap_test *tests, int n)
{
	int count[3] = {}, i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..%d\n", n);
	for (i = 0; i < n; i++) {
		int end = setjmp(tap_end);

		if (!end)
			tests[i].run();
		count[end]++;
		printf("%sok %d - %s", end == TAP_FAILED ? "not " : "", i + 1, tests[i].name);
		if (end == TAP_SKIPPED)
			printf(" # SKIP %s", tap_why);
		putchar('\n');
	}
	printf("%d passed, %d failed, %d skipped\n", count[0], count[1], count[2]);
	return count[TAP_FAILED] || !count[TAP_PASSED];
}

#define TAP_MAIN(...)								\
int main(void)									\
{										\
	static const struct tap_test tests[] = { __VA_ARGS__ };			\
										\
	return tap_run(tests, sizeof(tests) / sizeof(*tests));			\
}

#endif /* TESTS_TAP_H */
