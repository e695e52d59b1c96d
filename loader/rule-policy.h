/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a rule of auto.conf or broker.conf names: is its policy there, and does it take the parameters?  To
 * look needs no privileges, and loads nothing.  hcpolicyd has this file too.
 */
#ifndef RULE_POLICY_H
#define RULE_POLICY_H

#include <hcpolicy/policy.h>

/*
 * max_gpa: the size of its set.  Each of the n parameters is KEY or KEY=VALUE.  False: say got a line for each
 * thing that is wrong.
 */
bool rule_policy_good(const char *policy, uint64_t max_gpa, const char *const params[], size_t n,
		      hcpolicy_log_fn say, void *ctx);

/* What --check prints of a file with so many rules, of which none is wrong.  without: what follows if it has none. */
void rules_good(const char *file, size_t n, const char *without);

#endif /* RULE_POLICY_H */
