// SPDX-License-Identifier: GPL-2.0
/*
 * Runs each test in a process group of its own.  The rule: each test has one result, whatever
 * becomes of its process.  A failure is in the output before that process ends, because what the
 * process leaves open may bring the kernel down.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

enum { EXIT_PASS = 0, EXIT_FAIL = 1, EXIT_SKIP = 4 };

static struct tap_test *tests;

/* The test that runs, and what its processes say of it: shared with them. */
static struct {
	char name[128];
	size_t number;
	int failed;		/* and this has been printed */
	char reason[256];	/* why it was skipped */
} *now;

/* Of the program. */
static size_t passed, failed, skipped;

/* Of a program with a sanitizer that knows leaks. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

void tap_note(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printf("# %s\n", text);
	fflush(stdout);
}

/* Once a test, and with time for the line to get out of the machine. */
static void print_failure(void)
{
	if (__atomic_exchange_n(&now->failed, 1, __ATOMIC_SEQ_CST))
		return;
	printf("not ok %zu %s\n", now->number, now->name);
	fflush(stdout);
	nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
}

void tap_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(now->reason, sizeof(now->reason), fmt, ap);
	va_end(ap);
	_exit(EXIT_SKIP);
}

void tap_fail(const char *file, int line, const char *fmt, ...)
{
	int err = errno;
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	tap_note("%s:%d: %s (errno %d, %s)", file, line, text, err, strerror(err));
	if (now)
		print_failure();
	else
		puts("Bail out!"), fflush(stdout);
	_exit(EXIT_FAIL);
}

void tap_ok(bool good, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %zu ", good ? "" : "not ", passed + failed + skipped + 1);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	++*(good ? &passed : &failed);
}

void tap_unknown(const char *name, const char *why)
{
	printf("ok %zu %s # SKIP %s\n", passed + failed + ++skipped, name, why);
	fflush(stdout);
}

static int summary(void)
{
	printf("%zu passed, %zu failed, %zu skipped\n", passed, failed, skipped);
	return failed || !(passed + skipped) ? EXIT_FAIL : EXIT_PASS;
}

int tap_end(void)
{
	printf("1..%zu\n", passed + failed + skipped);
	return summary();
}

uint64_t tap_seed(void)
{
	const char *text = getenv("HCP_SEED");
	static uint64_t seed;

	if (!seed) {
		seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
		tap_note("HCP_SEED=%llu", (unsigned long long)seed);
	}
	return seed;
}

unsigned long tap_storm(unsigned long n)
{
	const char *text = getenv("HCP_STORM");
	unsigned long percent = text ? strtoul(text, NULL, 0) : 100;

	n = n * percent / 100;
	return n ? n : 1;
}

void tap_pause(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

time_t tap_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

unsigned int tap_patience(void)
{
	const char *n = getenv("HCP_PATIENCE");

	return n && atoi(n) > 0 ? atoi(n) : 1;
}

/* Wait for pid: its status, or -1 if it had to be killed and -2 if not even that. */
static int wait_for(pid_t pid, unsigned int timeout_s)
{
	time_t end = tap_seconds() + timeout_s;
	int status, killed = 0;

	for (;;) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return killed ? -1 : status;
		if (tap_seconds() > end && !killed) {
			kill(-pid, SIGKILL);
			killed = 1;
		}
		if (tap_seconds() > end + 10)
			return -2;
		tap_pause();
	}
}

static int run_once(const struct tap_test *test, bool *hung)
{
	unsigned int timeout_s = test->timeout_s * tap_patience();
	int status;
	pid_t pid;

	*hung = false;
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		tap_note("fork: %s", strerror(errno));
		return EXIT_FAIL;
	}
	if (!pid) {
		setpgid(0, 0);
		test->run();
		fflush(stdout);
		_exit(__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check() ?
		      EXIT_FAIL : EXIT_PASS);
	}

	setpgid(pid, pid);
	status = wait_for(pid, timeout_s);
	kill(-pid, SIGKILL);	/* what it may have left behind */
	if (now->failed)
		return EXIT_FAIL;
	*hung = status == -1;
	if (*hung)
		tap_note("hung: %s, killed after %u s", now->name, timeout_s);
	else if (status == -2)
		tap_note("hung in the kernel: cannot be killed");
	else if (WIFSIGNALED(status))
		tap_note("died of signal %d, %s", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == EXIT_PASS || WEXITSTATUS(status) == EXIT_SKIP)
		return WEXITSTATUS(status);
	return EXIT_FAIL;
}

/*
 * Two emulated processors with SVM lose a wake-up once in a great while, with any
 * VMM and without the hook too.  So a test that hung gets a second chance, and
 * says so, here and at the end of run; what hangs by itself hangs again.
 */
static int run_one(const struct tap_test *test)
{
	bool hung;
	int result = run_once(test, &hung);

	if (!hung)
		return result;
	tap_note("once more");
	return run_once(test, &hung);
}

/* Number, name with spaces, and nothing known of it yet. */
static void begin(size_t number, const char *name)
{
	char *p;

	memset(now, 0, sizeof(*now));
	now->number = number;
	snprintf(now->name, sizeof(now->name), "%s", name);
	for (p = now->name; *p; p++) {
		if (*p == '_')
			*p = ' ';
	}
}

static bool chosen(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (strstr(name, argv[i]))
			return true;
	}
	return argc < 2;
}

void tap_add(struct tap_test *test)
{
	struct tap_test **at = &tests;

	while (*at && (*at)->line < test->line)
		at = &(*at)->next;
	test->next = *at;
	*at = test;
}

int tap_main(int argc, char **argv)
{
	const struct tap_test *test;
	size_t n = 0;

	now = mmap(NULL, sizeof(*now), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (now == MAP_FAILED)
		return EXIT_FAIL;

	for (test = tests; test; test = test->next)
		n += chosen(test->name, argc, argv);
	printf("TAP version 13\n1..%zu\n", n);

	for (test = tests, n = 0; test; test = test->next) {
		if (!chosen(test->name, argc, argv))
			continue;
		begin(++n, test->name);
		switch (run_one(test)) {
		case EXIT_PASS:
			passed++;
			printf("ok %zu %s\n", n, now->name);
			break;
		case EXIT_SKIP:
			skipped++;
			printf("ok %zu %s # SKIP %s\n", n, now->name, now->reason);
			break;
		default:
			failed++;
			print_failure();
		}
		fflush(stdout);
	}
	return summary();
}
