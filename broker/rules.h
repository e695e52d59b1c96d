/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who may have which policy: the file broker.conf.  Each line is one rule:
 *
 *	user:NAME|group:NAME  POLICY|*  LARGEST-SET  VMS  [KEY | KEY=VALUE | *]...
 *
 * What no rule allows is refused.  Of several rules that fit, the first counts.
 */
#ifndef RULES_H
#define RULES_H

#include <stdint.h>
#include "../loader/who.h"
#include "peer.h"

struct rule {
	const char *file;
	unsigned int line;
	struct who who;
	const char *policy;		/* "*": any */
	uint64_t max_gpa;
	unsigned int vms;		/* of one user at a time */
	/* KEY: the client's to set.  KEY=VALUE: set so.  "*": all are the client's. */
	const char **params;
	size_t nparams;
};

struct rules {
	char *file;
	bool missing;			/* there is no such file, and one rule, for root */
	struct rule *rules;
	size_t n;
	char **lines;			/* in which the rules' texts are */
};

#define RULES	"/etc/hcpolicy/broker.conf"

/*
 * NULL: an error that was printed.  file NULL: RULES, and if there is no such file, root may have any
 * policy, and nobody else.  good (NULL: none) is asked about each rule of which each word is right.  False: it
 * is wrong, which was printed.
 */
struct rules *rules_read(const char *file, bool (*good)(const struct rule *rule));
void rules_free(struct rules *rules);

/* The rule for this policy; NULL as the policy: any rule for the peer.  NULL: there is none. */
const struct rule *rules_find(const struct rules *rules, const struct peer *peer, const char *policy);

/* May the client set KEY=VALUE?  *fixed: the rule does, which is why it may not. */
bool rule_allows(const struct rule *rule, const char *param, bool *fixed);

#endif /* RULES_H */
