// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Errors in words: each goes as one line to the log function of the object.
 *
 * libbpf has one print function per process.  Ours logs to the object that this thread is
 * working for.  Other messages go to the previous function, so other users of libbpf in the
 * process see no difference.
 *
 * Lines have names from object files, which may be anybody's.  People see them on a terminal.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"

/* The end of a long text, such as the verifier's log, is what helps. */
#define LAST_LINES	12

static __thread struct hcpolicy *talking;
static libbpf_print_fn_t previous;

static void put(const struct hcpolicy *policy, hcpolicy_log_fn log, char *line)
{
	char *c;

	for (c = line; *c; c++) {
		if (!is_control(c) || *c == '\t')
			continue;
		/* Of two bytes neither stays. */
		if (*(unsigned char *)c == 0xc2)
			c[1] = '?';
		*c = '?';
	}
	log(policy->log_ctx, line);
}

/* What a line begins with: the attachment and its policy, or what is known of them. */
static int put_names(char *line, size_t size, const struct hcpolicy *policy)
{
	if (policy->name[0] && policy->policy[0])
		return snprintf(line, size, "attachment '%s' (policy '%s'): ", policy->name, policy->policy);
	if (policy->name[0])
		return snprintf(line, size, "attachment '%s': ", policy->name);
	return policy->policy[0] ? snprintf(line, size, "policy '%s': ", policy->policy) : 0;
}

int fail(const struct hcpolicy *policy, int err, const char *fmt, ...)
{
	char line[1024];
	va_list args;
	int len;

	if (policy->log) {
		len = put_names(line, sizeof(line), policy);
		va_start(args, fmt);
		vsnprintf(line + len, sizeof(line) - len, fmt, args);
		va_end(args);
		put(policy, policy->log, line);
	}
	errno = err;
	return -err;
}

/* Report a problem that does not make the call fail. */
void say(const struct hcpolicy *policy, const char *fmt, ...)
{
	hcpolicy_log_fn log = policy->warn ?: policy->log;
	int err = errno;
	char line[1024];
	va_list args;

	if (!log)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	put(policy, log, line);
	errno = err;
}

int no_object(void)
{
	errno = EINVAL;
	return -EINVAL;
}

static char *last_lines(char *text)
{
	char *start = text + strlen(text);
	int lines = 0;

	while (start > text && lines <= LAST_LINES) {
		start--;
		lines += start[0] == '\n' && start[1];
	}
	return lines > LAST_LINES ? start + 1 : text;
}

static int print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char *text, *line, *rest;

	if (!talking)
		return previous ? previous(level, fmt, args) : 0;
	if (level != LIBBPF_WARN)
		return 0;
	if (vasprintf(&text, fmt, args) < 0)
		return 0;

	if (strstr(text, "-- BEGIN PROG LOAD LOG --"))
		talking->verifier_said_no = true;
	for (rest = last_lines(text); talking->log && (line = strsep(&rest, "\n"));) {
		if (*line)
			put(talking, talking->log, line);
	}
	free(text);
	return 0;
}

static void set_print(void)
{
	previous = libbpf_set_print(print);
}

/* libbpf's messages go to policy until a call with NULL. */
void libbpf_talks_to(struct hcpolicy *policy)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, set_print);
	talking = policy;
}
