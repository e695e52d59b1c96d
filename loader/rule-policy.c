// SPDX-License-Identifier: GPL-2.0
/* What a rule names: rule-policy.h.  All that is wrong is said in the library's words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "rule-policy.h"

static bool has_param(struct hcpolicy *policy, const char *key)
{
	struct hcpolicy_param param;

	for (unsigned int n = 0; hcpolicy__param(policy, n, &param); n++) {
		if (param.kind != HCPOLICY_COUNTER && !strcmp(param.name, key))
			return true;
	}
	return false;
}

/* A key that it does not have cannot be set, whatever the value. */
static bool param_good(struct hcpolicy *policy, const char *word)
{
	size_t len = strcspn(word, "=");
	char *key = strndup(word, len);
	bool good;

	if (!key)
		abort();
	good = (!word[len] && has_param(policy, key)) ||
	       !hcpolicy__set_param(policy, key, word[len] ? word + len + 1 : "");
	free(key);
	return good;
}

bool rule_policy_good(const char *name, uint64_t max_gpa, const char *const params[], size_t n,
		      hcpolicy_log_fn say, void *ctx)
{
	struct hcpolicy_opts opts = { .sz = sizeof(opts), .log = say, .log_ctx = ctx };
	struct hcpolicy *policy = hcpolicy__open(name, &opts);
	bool good;

	if (!policy)
		return false;
	good = !hcpolicy__set_max_gpa(policy, max_gpa);
	for (size_t i = 0; i < n; i++)
		good = param_good(policy, params[i]) && good;
	hcpolicy__close(policy);
	return good;
}

void rules_good(const char *file, size_t n, const char *without)
{
	if (n)
		printf("%s: %zu rule%s, none is wrong\n", file, n, n == 1 ? "" : "s");
	else
		printf("%s: no rule, so %s\n", file, without);
}
