// SPDX-License-Identifier: GPL-2.0
/* Are the policies of the rules there?  check.h. */
#include <stdio.h>
#include <string.h>
#include "../loader/rule-policy.h"
#include "check.h"

struct place {
	const char *prefix;
	const struct rule *rule;
};

static void say(void *ctx, const char *line)
{
	const struct place *place = ctx;

	fprintf(stderr, "hcpolicyd: %s%s:%u: %s\n", place->prefix, place->rule->file, place->rule->line, line);
}

static bool check(const struct rule *rule, const char *prefix)
{
	struct place place = { prefix, rule };
	const char *params[rule->nparams + 1];
	size_t n = 0;

	/* Which one that is, and what it takes, only the client will say. */
	if (!strcmp(rule->policy, "*"))
		return true;
	for (size_t i = 0; i < rule->nparams; i++) {
		if (strcmp(rule->params[i], "*"))
			params[n++] = rule->params[i];
	}
	return rule_policy_good(rule->policy, rule->max_gpa, params, n, say, &place);
}

bool check_warn(const struct rule *rule)
{
	check(rule, "warning: ");
	return true;
}

static bool check_fail(const struct rule *rule)
{
	return check(rule, "");
}

int check_rules(const char *conf)
{
	struct rules *rules = rules_read(conf, check_fail);

	if (!rules)
		return 1;
	if (rules->missing)
		printf("there is no %s, so root may have any policy, and nobody else may have one\n", rules->file);
	else
		rules_good(rules->file, rules->n, "nobody gets a policy");
	rules_free(rules);
	return 0;
}
