// SPDX-License-Identifier: GPL-2.0
/* Are the rules right?  auto-check.h. */
#include <stdio.h>
#include "auto-check.h"
#include "auto-conf.h"
#include "loader.h"
#include "out.h"
#include "rule-policy.h"

struct place {
	const char *file;
	const struct auto_rule *rule;
};

static void say(void *ctx, const char *line)
{
	const struct place *place = ctx;

	err("%s:%u: %s", place->file, place->rule->line, line);
}

static bool is_good(const char *file, const struct auto_rule *rule)
{
	struct place place = { file, rule };

	return !rule->policy ||
	       rule_policy_good(rule->policy, rule->max_gpa, rule->params, rule->nparams, say, &place);
}

int auto_check(const char *named)
{
	static const char nothing[] = "no VM gets a policy by hcpolicy auto";
	struct auto_conf conf;

	if (!auto_conf_read(&conf, named, is_good))
		return EXIT_FAIL;
	if (conf.missing)
		printf("there is no %s, so %s\n", conf.file, nothing);
	else
		rules_good(conf.file, conf.n, nothing);
	auto_conf_free(&conf);
	return EXIT_OK;
}
