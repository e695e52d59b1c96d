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

#define CONF	"/etc/hcpolicy/auto.conf"
#define SPACES	" \t\r\n"
#define UNCLOSED "no pattern: a [ is not closed; [[] means that character itself"

static void *more(void *array, size_t n, size_t size)
{
	array = realloc(array, (n + 1) * size);
	if (!array)
		abort();
	return array;
}

/* The ] that ends what began with [; NULL: there is none.  The first character is no end, nor is that of [:digit:]. */
static const char *bracket_end(const char *text)
{
	const char *first = text + (*text == '!' || *text == '^'), *class_end;

	for (const char *c = first; *c; c++) {
		if (*c == ']' && c > first)
			return c;
		class_end = strncmp(c, "[:", 2) ? NULL : strstr(c + 2, ":]");
		if (class_end)
			c = class_end + 1;
	}
	return NULL;
}

/* Is each [ closed?  If not, the pattern fits nothing that is meant. */
static bool is_pattern(const char *pattern)
{
	do {
		pattern = strchr(pattern, '[');
		if (!pattern)
			return true;
		pattern = bracket_end(pattern + 1);
	} while (pattern);
	return false;
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
	if (!is_pattern(*word))
		return UNCLOSED;
	*word = rule->command = strtok_r(NULL, SPACES, &rest);
	if (!*word)
		return "no command: wanted a pattern, such as qemu-system-x86_64";
	if (!is_pattern(*word))
		return UNCLOSED;
	*word = rule->policy = strtok_r(NULL, SPACES, &rest);
	if (!*word)
		return "no policy: wanted its name, or - for none";
	if (!strcmp(*word, "-")) {
		rule->policy = NULL;
		*word = strtok_r(NULL, SPACES, &rest);
		return *word ? "too much: a rule for no policy ends with -" : NULL;
	}
	*word = strtok_r(NULL, SPACES, &rest);
	if (!*word || !parse_set_size(*word, &rule->max_gpa))
		return SET_SIZE_WANTED;
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
static bool read_line(struct auto_conf *conf, unsigned int number, char *line,
		      bool (*good)(const char *file, const struct auto_rule *rule))
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
		err("%s:%u: '%s' is %s", conf->file, number, word, wrong);
	else if (wrong)
		err("%s:%u: the rule ends too early and has %s (a rule is: who, control group, command, "
		    "policy, largest set, parameters)", conf->file, number, wrong);
	conf->rules = more(conf->rules, conf->n, sizeof(rule));
	conf->rules[conf->n++] = rule;
	return !wrong && (!good || good(conf->file, &rule));
}

bool auto_conf_read(struct auto_conf *conf, const char *named,
		    bool (*good)(const char *file, const struct auto_rule *rule))
{
	const char *path = named ?: CONF;
	FILE *file = fopen(path, "re");
	unsigned int number = 0;
	bool all_good = true;
	char *line = NULL;
	size_t room = 0;

	*conf = (struct auto_conf) { .file = path };
	conf->missing = !file && errno == ENOENT && !named;
	if (conf->missing)
		return true;
	if (!file) {
		err("%s: %s", path, strerror(errno));
		return false;
	}
	while (getline(&line, &room, file) >= 0) {
		all_good = read_line(conf, ++number, line, good) && all_good;
		line = NULL;
		room = 0;
	}
	free(line);
	if (ferror(file)) {
		err("%s: it cannot be read", path);
		all_good = false;
	}
	fclose(file);
	if (!all_good)
		auto_conf_free(conf);
	return all_good;
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
