// SPDX-License-Identifier: GPL-2.0
/* Who may have which policy: rules.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../loader/text.h"
#include "rules.h"

#define SPACES	" \t\r\n"

static void *more(void *array, size_t n, size_t size)
{
	array = realloc(array, (n + 1) * size);
	if (!array)
		abort();
	return array;
}

static bool parse_vms(const char *text, struct rule *rule)
{
	int vms;

	if (!parse_int(text, &vms) || vms <= 0)
		return false;
	rule->vms = vms;
	return true;
}

static bool is_param(const char *word)
{
	return *word && *word != '=';
}

/*
 * The words of a line, which become the rule's.  Returns what a word is,
 * or what the rule has if the word is missing; NULL: all is well.
 */
static const char *parse_rule(char *line, struct rule *rule, const char **word)
{
	char *rest = NULL;

	*word = strtok_r(line, SPACES, &rest);
	if (!who_parse(*word, &rule->who))
		return "no user or group of this machine: wanted user:NAME or group:NAME";
	*word = rule->policy = strtok_r(NULL, SPACES, &rest);
	/* In auto.conf "-" is no policy at all.  Here that is what no rule allows. */
	if (!*word || strchr(*word, '/') || !strcmp(*word, "-"))
		return "no policy: wanted its name, or *";
	*word = strtok_r(NULL, SPACES, &rest);
	if (!*word || !parse_set_size(*word, &rule->max_gpa))
		return SET_SIZE_WANTED;
	*word = strtok_r(NULL, SPACES, &rest);
	if (!*word || !parse_vms(*word, rule))
		return "no number of VMs: wanted how many one user may have at a time, from 1 on";
	while ((*word = strtok_r(NULL, SPACES, &rest))) {
		if (!is_param(*word))
			return "no parameter: wanted KEY, KEY=VALUE or *";
		rule->params = more(rule->params, rule->nparams, sizeof(*rule->params));
		rule->params[rule->nparams++] = *word;
	}
	return NULL;
}

static bool read_line(struct rules *rules, unsigned int number, char *line, bool (*good)(const struct rule *rule))
{
	struct rule rule = { .file = rules->file, .line = number };
	const char *wrong, *word;

	line[strcspn(line, "#")] = 0;
	if (!line[strspn(line, SPACES)])
		return true;
	wrong = parse_rule(line, &rule, &word);
	rules->rules = more(rules->rules, rules->n, sizeof(rule));
	rules->lines = more(rules->lines, rules->n, sizeof(line));
	rules->rules[rules->n] = rule;
	rules->lines[rules->n++] = line;
	if (wrong && word)
		fprintf(stderr, "hcpolicyd: %s:%u: '%s' is %s\n", rules->file, number, word, wrong);
	else if (wrong)
		fprintf(stderr, "hcpolicyd: %s:%u: the rule ends too early and has %s (a rule is: who, policy, "
			"largest set, VMs, parameters)\n", rules->file, number, wrong);
	return !wrong && (!good || good(&rule));
}

static bool read_lines(struct rules *rules, FILE *file, bool (*good)(const struct rule *rule))
{
	unsigned int number = 0;
	bool all_good = true;
	size_t room;
	char *line;

	for (;;) {
		size_t before = rules->n;

		line = NULL;
		room = 0;
		if (getline(&line, &room, file) < 0) {
			free(line);
			return all_good;
		}
		all_good = read_line(rules, ++number, line, good) && all_good;
		if (rules->n == before)
			free(line);
	}
}

static bool read_file(struct rules *rules, FILE *file, bool (*good)(const struct rule *rule))
{
	bool all_good = read_lines(rules, file, good);

	if (ferror(file)) {
		fprintf(stderr, "hcpolicyd: %s: it cannot be read\n", rules->file);
		all_good = false;
	}
	fclose(file);
	return all_good;
}

static void root_only(struct rules *rules)
{
	rules->missing = true;
	read_line(rules, 0, strdup("user:0 * 4096T 1000000 *"), NULL);
}

struct rules *rules_read(const char *named, bool (*good)(const struct rule *rule))
{
	struct rules *rules = calloc(1, sizeof(*rules));
	const char *path = named ?: RULES;
	FILE *file = fopen(path, "re");
	bool all_good = true;

	if (!rules)
		abort();
	rules->file = strdup(path);
	if (file) {
		all_good = read_file(rules, file, good);
	} else if (errno == ENOENT && !named) {
		root_only(rules);
	} else {
		fprintf(stderr, "hcpolicyd: %s: %s\n", path, strerror(errno));
		all_good = false;
	}
	if (all_good)
		return rules;
	rules_free(rules);
	return NULL;
}

void rules_free(struct rules *rules)
{
	while (rules->n) {
		free(rules->rules[--rules->n].params);
		free(rules->lines[rules->n]);
	}
	free(rules->rules);
	free(rules->lines);
	free(rules->file);
	free(rules);
}

const struct rule *rules_find(const struct rules *rules, const struct peer *peer, const char *policy)
{
	for (size_t i = 0; i < rules->n; i++) {
		const struct rule *rule = &rules->rules[i];

		if ((rule->who.group ? peer_in_group(peer, rule->who.id) : peer->uid == rule->who.id) &&
		    (!policy || !strcmp(rule->policy, "*") || !strcmp(rule->policy, policy)))
			return rule;
	}
	return NULL;
}

bool rule_allows(const struct rule *rule, const char *param, bool *fixed)
{
	size_t len = strcspn(param, "=");
	bool any = false;

	*fixed = false;
	for (size_t i = 0; i < rule->nparams; i++) {
		const char *word = rule->params[i];

		if (!strcmp(word, "*"))
			any = true;
		if (strncmp(word, param, len) || (word[len] && word[len] != '='))
			continue;
		*fixed = word[len];
		return !*fixed;
	}
	return any;
}
