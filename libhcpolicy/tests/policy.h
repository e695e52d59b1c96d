/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* What the tests of policies share: objects of build/, and the log. */
#ifndef TESTS_POLICY_H
#define TESTS_POLICY_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../internal.h"
#include "../../selftests/tap.h"

#ifndef OBJECT
#define OBJECT(name)	OBJECTS "/" name ".bpf.o"
#endif

static char logged[16384];

static void log_line(void *ctx, const char *line)
{
	size_t len = strlen(logged);

	snprintf(logged + len, sizeof(logged) - len, "%s\n", line);
}

static const struct hcpolicy_opts log_opts = { .sz = sizeof(log_opts), .log = log_line };

/* Since the last time: was this said?  Says what was, if not. */
static inline bool said(const char *words)
{
	bool yes = strstr(logged, words);

	if (!yes)
		printf("# not said: %s; but: %s", words, *logged ? logged : "nothing\n");
	logged[0] = 0;
	return yes;
}

/* How many descriptors and maps in memory this process has. */
static inline int held(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	int count = 0;

	while (maps && fgets(line, sizeof(line), maps))
		count += !!strstr(line, "bpf-map");
	if (maps)
		fclose(maps);
	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* The call succeeds, or it is told what it said. */
#define CHECK_OK(call)	do {							\
	logged[0] = 0;								\
	if (call)								\
		tap_fail(__FILE__, __LINE__, "%s: %s", #call,			\
			 *logged ? strtok(logged, "\n") : "and not a word");	\
} while (0)

#endif /* TESTS_POLICY_H */
