/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which VM gets which policy as it appears: the file auto.conf.  Each line is one rule:
 *
 *	user:NAME|group:NAME|*  CGROUP  COMMAND  POLICY  LARGEST-SET  [incoming]  [KEY=VALUE]...
 *	user:NAME|group:NAME|*  CGROUP  COMMAND  -
 *
 * Of several rules that fit, the first counts.
 */
#ifndef AUTO_CONF_H
#define AUTO_CONF_H

#include <stdint.h>
#include "maker.h"

struct auto_rule {
	unsigned int line;
	bool anybody;
	struct who who;			/* if not anybody */
	const char *cgroup, *command;	/* patterns of fnmatch(3) */
	const char *policy;		/* NULL: it gets none */
	uint64_t max_gpa;
	bool incoming;			/* guests that ran elsewhere may arrive */
	const char **params;		/* each KEY=VALUE */
	int nparams;
	char *text;			/* in which the words are */
};

struct auto_conf {
	const char *file;
	bool missing;			/* there is no such file */
	struct auto_rule *rules;
	size_t n;
};

/*
 * False: an error that was reported.  named NULL: the usual file, which may be missing.  good (NULL: none) is asked
 * about each rule of which each word is right.  False: it is wrong, which was reported.
 */
bool auto_conf_read(struct auto_conf *conf, const char *named,
		    bool (*good)(const char *file, const struct auto_rule *rule));
void auto_conf_free(struct auto_conf *conf);

/* NULL: none fits. */
const struct auto_rule *auto_conf_find(const struct auto_conf *conf, const struct maker *maker);

#endif /* AUTO_CONF_H */
