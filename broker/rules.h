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

struct rules;
struct rule {
	const char *file;
	unsigned int line;
	struct who who;
	const char *policy;		/* "*": any */
	uint64_t max_gpa;
	unsigned int vms;		/* of one user at a time */
	/* KEY: the client's to set.  KEY=VALUE: set so.  "*": all are the client's.  NULL: the last was before. */
	const char **params;
};

#define RULES	"/etc/hcpolicy/broker.conf"

/*
 * NULL: an error that was printed.  file NULL: RULES, and if there is no such file, root may have any
 * policy, and nobody else.
 */
struct rules *rules_read(const char *file);
void rules_free(struct rules *rules);

/* The rule for this policy; NULL as the policy: any rule for the peer.  NULL: there is none. */
const struct rule *rules_find(const struct rules *rules, const struct peer *peer, const char *policy);

/* May the client set KEY=VALUE?  *fixed: the rule does, which is why it may not. */
bool rule_allows(const struct rule *rule, const char *param, bool *fixed);

#endif /* RULES_H */
