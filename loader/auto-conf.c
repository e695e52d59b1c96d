// SPDX-License-Identifier: GPL-2.0
/*
 * The rules of auto.conf: auto-conf.h.  One line that is wrong is an error for every VM: to leave it
 * out could give a VM the policy of a later rule.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auto-conf.h"
#include "out.h"
#include "text.h"

#define SPACES	" \t\r\n"

static void *more(void *array, size_t n, size_t size)
{
	array = realloc(array, (n + 1) * size);
	if (!array)
		abort();
	return array;
}

/*
 * The words of a line become the rule's.  Returns what a word is,
 * or what the rule has if the word is missing; NULL: all is well.
 */
static const char *parse_rule(struct auto_rule *rule, char *line, const char **word)
{
	char *rest = NULL;

	*word = strtok_r(line, SPACES, &rest);
	rule->anybody = !strcmp(*word, "*");
	if (!rule->anybody && !who_parse(*word, &rule->who))
		return "no user or group of this machine: wanted user:NAME, group:NAME or *";
	*word = rule->cgroup = strtok_r(NULL, SPACES, &rest);
	if (!*word || (**word != '/' && **word != '*'))
		return "no control group: wanted a pattern that begins with / or *";
	*word = rule->command = strtok_r(NULL, SPACES, &rest);
	if (!*word)
		return "no command: wanted a pattern, such as qemu-system-x86_64";
	*word = rule->policy = strtok_r(NULL, SPACES, &rest);
	if (!*word)
		return "no policy: wanted its name, or - for none";
	if (!strcmp(*word, "-")) {
		rule->policy = NULL;
		*word = strtok_r(NULL, SPACES, &rest);
		return *word ? "too much: a rule for no policy ends with -" : NULL;
	}
	*word = strtok_r(NULL, SPACES, &rest);
	if (!*word || !parse_size(*word, &rule->max_gpa))
		return "no size of a set: wanted the highest guest address, such as 64G";
	while ((*word = strtok_r(NULL, SPACES, &rest))) {
		if (!strcmp(*word, "incoming")) {
			rule->incoming = true;
			continue;
		}
		if (**word == '=' || !strchr(*word, '='))
			return "no parameter: wanted KEY=VALUE, or incoming";
		rule->params = more(rule->params, rule->nparams, sizeof(*rule->params));
		rule->params[rule->nparams++] = *word;
	}
	return NULL;
}

/* Takes the line. */
static bool read_line(struct auto_conf *conf, const char *path, unsigned int number, char *line)
{
	struct auto_rule rule = { .line = number, .text = line };
	const char *wrong, *word;

	line[strcspn(line, "#")] = 0;
	if (!line[strspn(line, SPACES)]) {
		free(line);
		return true;
	}
	wrong = parse_rule(&rule, line, &word);
	if (wrong && word)
		err("%s:%u: '%s' is %s", path, number, word, wrong);
	else if (wrong)
		err("%s:%u: the rule ends too early and has %s (a rule is: who, control group, command, "
		    "policy, largest set, parameters)", path, number, wrong);
	conf->rules = more(conf->rules, conf->n, sizeof(rule));
	conf->rules[conf->n++] = rule;
	return !wrong;
}

bool auto_conf_read(struct auto_conf *conf, const char *path, bool optional)
{
	FILE *file = fopen(path, "re");
	unsigned int number = 0;
	char *line = NULL;
	size_t room = 0;
	bool good = true;

	*conf = (struct auto_conf) {};
	if (!file && errno == ENOENT && optional)
		return true;
	if (!file) {
		err("%s: %s", path, strerror(errno));
		return false;
	}
	while (getline(&line, &room, file) >= 0) {
		good = read_line(conf, path, ++number, line) && good;
		line = NULL;
		room = 0;
	}
	free(line);
	if (ferror(file)) {
		err("%s: it cannot be read", path);
		good = false;
	}
	fclose(file);
	if (!good)
		auto_conf_free(conf);
	return good;
}

void auto_conf_free(struct auto_conf *conf)
{
	while (conf->n) {
		free(conf->rules[--conf->n].params);
		free(conf->rules[conf->n].text);
	}
	free(conf->rules);
	conf->rules = NULL;
}

/* Units escape characters in their names by \, so it means itself. */
static bool matches(const char *pattern, const char *text)
{
	return !fnmatch(pattern, text, FNM_NOESCAPE);
}

static bool fits(const struct auto_rule *rule, const struct maker *maker)
{
	const char *name = strrchr(maker->command, '/');
	/* A command without a slash is the last part of its path. */
	const char *command = name && !strchr(rule->command, '/') ? name + 1 : maker->command;

	return (rule->anybody || maker_is(maker, &rule->who)) && matches(rule->cgroup, maker->cgroup) &&
	       matches(rule->command, command);
}

const struct auto_rule *auto_conf_find(const struct auto_conf *conf, const struct maker *maker)
{
	for (size_t i = 0; i < conf->n; i++) {
		if (fits(&conf->rules[i], maker))
			return &conf->rules[i];
	}
	return NULL;
}
