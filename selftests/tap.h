/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For every test program in C, of all folders.  Each test runs in a process of its own, so one
 * that crashes or hangs fails alone.  The output is TAP, and then a line that scripts/tally counts.
 *
 *	TEST(name_with_underscores)
 *	{
 *		CHECK_EQ(answer(), 42);
 *	}
 *	TAP_MAIN
 *
 * A failed check ends the test's process: tests need not clean up.  Arguments of the program
 * choose tests by a part of their name.
 *
 * If each result depends on those before it, there is no TEST: main() calls tap_ok() for each,
 * and then tap_end().  A failed check ends such a program.
 */
#ifndef HCST_TAP_H
#define HCST_TAP_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct tap_test {
	const char *name;
	void (*run)(void);
	unsigned int timeout_s;
	int line;
	struct tap_test *next;
};

/*
 * A test that takes longer than its limit hangs.  The usual limit is generous, because emulation
 * may be slow.  HCP_PATIENCE=N in the environment says that it is N times slower.
 */
#define TAP_TIMEOUT_S	90

#define TEST(fn)	TEST_LONG(fn, TAP_TIMEOUT_S)
#define TEST_LONG(fn, seconds)							\
static void fn(void);								\
__attribute__((constructor)) static void add_##fn(void)			\
{										\
	static struct tap_test test = { #fn, fn, seconds, __LINE__, NULL };	\
										\
	tap_add(&test);								\
}										\
static void fn(void)

#define TAP_MAIN								\
int main(int argc, char **argv)							\
{										\
	return tap_main(argc, argv);						\
}

/* Tests run in the order of their lines. */
void tap_add(struct tap_test *test);
int tap_main(int argc, char **argv);

/* Without TEST: a result; one that is not known, and why; and the exit status of all. */
__attribute__((format(printf, 2, 3))) void tap_ok(bool good, const char *fmt, ...);
void tap_unknown(const char *name, const char *why);
int tap_end(void);

/*
 * For tests of chance and of endurance.  A seed: HCP_SEED of the environment, or
 * a new one; printed, so that the run can be repeated.  And HCP_STORM percent
 * (default 100) of n, at least 1: a slow kernel gets fewer.
 */
uint64_t tap_seed(void);
unsigned long tap_storm(unsigned long n);

/* A line of explanation in the output. */
__attribute__((format(printf, 1, 2))) void tap_note(const char *fmt, ...);
__attribute__((noreturn, format(printf, 1, 2))) void tap_skip(const char *fmt, ...);
__attribute__((noreturn, format(printf, 3, 4)))
void tap_fail(const char *file, int line, const char *fmt, ...);

#define CHECK(cond)								\
	do {									\
		if (!(cond))							\
			tap_fail(__FILE__, __LINE__, "not true: %s", #cond);	\
	} while (0)

#define CHECK_CMP(a, op, b)							\
	do {									\
		long long a_ = (long long)(a), b_ = (long long)(b);		\
		if (!(a_ op b_))						\
			tap_fail(__FILE__, __LINE__, "%s is %lld, not %s %s, which is %lld", \
				 #a, a_, #op, #b, b_);				\
	} while (0)
#define CHECK_EQ(a, b)	CHECK_CMP(a, ==, b)

/* The call fails with -error, and errno says the same. */
#define CHECK_ERR(call, error)							\
	do {									\
		long long got_;							\
										\
		errno = 0;							\
		got_ = (call);							\
		if (got_ != -(error) || errno != (error))			\
			tap_fail(__FILE__, __LINE__, "%s is %lld, not %d", #call, got_, -(error)); \
	} while (0)
/* The call returns NULL, and errno says why. */
#define CHECK_NULL(call, error)	CHECK_ERR((call) ? 0 : -errno, error)

/*
 * Wait for something that another thread brings about: asleep, or awake where a
 * moment must not be missed.  A test that waits in vain fails.
 */
#define TAP_WAIT_S	(30 * tap_patience())
#define WAIT_UNTIL(cond)	TAP_WAIT(cond, tap_pause())
#define SPIN_UNTIL(cond)	TAP_WAIT(cond, (void)0)
#define TAP_WAIT(cond, pause)							\
	do {									\
		time_t end_ = tap_seconds() + TAP_WAIT_S;			\
										\
		while (!(cond)) {						\
			if (tap_seconds() > end_)				\
				tap_fail(__FILE__, __LINE__, "waited in vain: %s", #cond); \
			pause;							\
		}								\
	} while (0)
void tap_pause(void);
time_t tap_seconds(void);
unsigned int tap_patience(void);

#endif /* HCST_TAP_H */
