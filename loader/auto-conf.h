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

#define AUTO_CONF	"/etc/hcpolicy/auto.conf"

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
	struct auto_rule *rules;
	size_t n;
};

/* False: an error that was reported.  optional: if there is no such file, there are no rules. */
bool auto_conf_read(struct auto_conf *conf, const char *path, bool optional);
void auto_conf_free(struct auto_conf *conf);

/* NULL: none fits. */
const struct auto_rule *auto_conf_find(const struct auto_conf *conf, const struct maker *maker);

#endif /* AUTO_CONF_H */
