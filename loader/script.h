/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The language of scripts and traces (hcpolicy-try(8), "SCRIPTS"): one step a line.  A file may be
 * anybody's and of any length, so it is read line by line, and a bad line is refused where it is.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SCRIPT_LINE_MAX	512

struct script {
	FILE *file;
	const char *name;		/* for messages: NAME:LINE */
	unsigned long line;		/* of the last step */
	char text[SCRIPT_LINE_MAX];	/* which the step's strings point into */
};

enum script_what {
	SCRIPT_REQUEST,			/* shared, gpa, npages, vcpu */
	SCRIPT_TUNE,			/* key, value */
	SCRIPT_EXPECT_VERDICT,		/* verdict */
	SCRIPT_EXPECT_PAGES,		/* shared, gpa, npages */
	SCRIPT_EXPECT_COMPLETE,		/* complete */
	SCRIPT_EXPECT_COUNTER,		/* key, number */
};

struct script_step {
	enum script_what what;
	bool shared, complete;
	uint64_t gpa, npages, number;
	unsigned int vcpu;
	const char *key, *value;
	const char *verdict;		/* one of the names below */
};

/* What `expect` knows; the errnos are those that KVM has for a guest. */
#define SCRIPT_HANDLED	"handled"
#define SCRIPT_EXIT	"exit"
#define SCRIPT_RETRY	"retry"

/* The name of the errno that a guest sees as ret, which is below 0; NULL: none of KVM's. */
const char *script_errno(int64_t ret);

/* 1: a step; 0: the end; -1: a bad line, which was reported. */
int script_next(struct script *script, struct script_step *step);

/* Report what is wrong at the line of the last step. */
__attribute__((format(printf, 2, 3))) void script_err(const struct script *script, const char *fmt, ...);

#endif /* SCRIPT_H */
