// SPDX-License-Identifier: GPL-2.0
/*
 * The language of scripts and traces.  The rule: each word of a line has a meaning or is refused, so
 * that a slip of the pen never changes what is tried.
 */
#include <ctype.h>
#include <errno.h>
#include <linux/kvm_para.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "loader.h"
#include "out.h"
#include "script.h"

#define PAGE		(1ULL << HCP_PAGE_SHIFT)
#define GPA_END		(1ULL << 52)	/* x86 has no address above */
#define VCPU_MAX	16383		/* KVM has no vCPU id above, where it allows 4,096 vCPUs */

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

static const struct errno_name {
	const char *name;
	int number;
} errnos[] = {
	{ "EPERM", KVM_EPERM }, { "EFAULT", KVM_EFAULT }, { "EINVAL", KVM_EINVAL },
	{ "E2BIG", KVM_E2BIG }, { "ENOSYS", KVM_ENOSYS }, { "EOPNOTSUPP", KVM_EOPNOTSUPP },
};

const char *script_errno(int64_t ret)
{
	for (size_t i = 0; i < COUNT(errnos); i++)
		if (ret == -errnos[i].number)
			return errnos[i].name;
	return NULL;
}

void script_err(const struct script *script, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	err("%s:%lu: %s", script->name, script->line, text);
	free(text);
}

/* A line into text, without its end and its comment: as script_next(). */
static int read_line(struct script *s)
{
	size_t n = 0;
	int c;

	s->line++;
	while ((c = getc(s->file)) != EOF && c != '\n') {
		if (!c || n == sizeof(s->text) - 1) {
			script_err(s, "expected text, and less than %zu characters a line", sizeof(s->text));
			return -1;
		}
		s->text[n++] = c;
	}
	if (ferror(s->file)) {
		script_err(s, "it cannot be read: %s", strerror(errno));
		return -1;
	}
	s->text[n] = '\0';
	s->text[strcspn(s->text, "#")] = '\0';
	if (c == EOF && !n)
		s->line--;	/* there was none */
	return c != EOF || n;
}

/* The next word of *rest, which is cut; NULL: none is left. */
static char *next_word(char **rest)
{
	char *word;

	do
		word = strsep(rest, " \t\r");
	while (word && !*word);
	return word;
}

static bool parse_number(const char *word, uint64_t *number)
{
	bool hex = word && word[0] == '0' && (word[1] | 0x20) == 'x';
	const char *digits = hex ? word + 2 : word;
	char *end;

	if (!word || !isxdigit((unsigned char)*digits))
		return false;
	errno = 0;
	*number = strtoull(word, &end, hex ? 16 : 10);
	return !errno && !*end;
}

/* What is expected, and what is there instead. */
static bool expected(const struct script *s, const char *what, const char *got)
{
	if (got)
		script_err(s, "expected %s, not '%s'", what, got);
	else
		script_err(s, "expected %s, not the end of the line", what);
	return false;
}

static bool nothing_more(const struct script *s, char **rest)
{
	char *word = next_word(rest);

	if (word)
		script_err(s, "expected the end of the line, not '%s'", word);
	return !word;
}

static bool parse_range(const struct script *s, char **rest, struct script_step *step)
{
	char *gpa = next_word(rest), *npages;

	if (!parse_number(gpa, &step->gpa) || step->gpa % PAGE || step->gpa >= GPA_END)
		return expected(s, "GPA, a multiple of 4096 below 2^52", gpa);
	npages = next_word(rest);
	if (!parse_number(npages, &step->npages) || !step->npages ||
	    step->npages > (GPA_END - step->gpa) / PAGE)
		return expected(s, "NPAGES, at least 1 and not beyond 2^52", npages);
	return true;
}

/* The words after a request: for whom it is made; of a trace also what became of it there. */
static bool parse_request(const struct script *s, char **rest, struct script_step *step)
{
	static const char *const told[] = {
		"door=", "attrs=", "status=", "verdict=", "answer=", "time=", "recorded=",
	};
	uint64_t vcpu;
	size_t i;
	char *word;

	step->what = SCRIPT_REQUEST;
	if (!parse_range(s, rest, step))
		return false;
	while ((word = next_word(rest))) {
		if (!strncmp(word, "vcpu=", 5)) {
			if (!parse_number(word + 5, &vcpu) || vcpu > VCPU_MAX)
				return expected(s, "vcpu=0 to vcpu=16383", word);
			step->vcpu = vcpu;
			continue;
		}
		for (i = 0; i < COUNT(told) && strncmp(word, told[i], strlen(told[i])); i++)
			;
		if (i == COUNT(told))
			return expected(s, "vcpu=N, or a word of a trace, such as verdict=W", word);
	}
	return true;
}

static bool parse_tune(const struct script *s, char **rest, struct script_step *step)
{
	char *word = next_word(rest), *value = word ? strchr(word, '=') : NULL;

	step->what = SCRIPT_TUNE;
	if (!value || value == word || !value[1])
		return expected(s, "KEY=VALUE", word);
	*value = '\0';
	step->key = word;
	step->value = value + 1;
	return nothing_more(s, rest);
}

static bool parse_counter(const struct script *s, char **rest, struct script_step *step)
{
	char *value;

	step->what = SCRIPT_EXPECT_COUNTER;
	step->key = next_word(rest);
	if (!step->key)
		return expected(s, "the name of a counter", NULL);
	value = next_word(rest);
	if (!parse_number(value, &step->number))
		return expected(s, "the counter's value, a number", value);
	return nothing_more(s, rest);
}

static bool parse_verdict(const struct script *s, const char *word, struct script_step *step)
{
	static const char *const others[] = { SCRIPT_HANDLED, SCRIPT_EXIT, SCRIPT_RETRY };

	step->what = SCRIPT_EXPECT_VERDICT;
	for (size_t i = 0; i < COUNT(others); i++)
		if (!strcmp(word, others[i]))
			step->verdict = others[i];
	for (size_t i = 0; i < COUNT(errnos); i++)
		if (!strcmp(word, errnos[i].name))
			step->verdict = errnos[i].name;
	return step->verdict;
}

static bool parse_expect(const struct script *s, char **rest, struct script_step *step)
{
	static const char what[] =
		"handled, exit, retry, EPERM (or EFAULT, EINVAL, E2BIG, ENOSYS, EOPNOTSUPP), "
		"shared, private, complete, incomplete or counter";
	char *word = next_word(rest);

	if (!word)
		return expected(s, what, NULL);
	step->shared = !strcmp(word, "shared");
	step->complete = !strcmp(word, "complete");
	if (!strcmp(word, "counter"))
		return parse_counter(s, rest, step);
	if (step->shared || !strcmp(word, "private")) {
		step->what = SCRIPT_EXPECT_PAGES;
		return parse_range(s, rest, step) && nothing_more(s, rest);
	}
	if (step->complete || !strcmp(word, "incomplete")) {
		step->what = SCRIPT_EXPECT_COMPLETE;
		return nothing_more(s, rest);
	}
	return parse_verdict(s, word, step) ? nothing_more(s, rest) : expected(s, what, word);
}

static bool parse_step(const struct script *s, char *word, char **rest, struct script_step *step)
{
	step->shared = !strcmp(word, "share");
	if (step->shared || !strcmp(word, "private"))
		return parse_request(s, rest, step);
	if (!strcmp(word, "tune"))
		return parse_tune(s, rest, step);
	if (!strcmp(word, "expect"))
		return parse_expect(s, rest, step);
	return expected(s, "share, private, tune or expect", word);
}

int script_next(struct script *s, struct script_step *step)
{
	char *word, *rest;
	int ret;

	while ((ret = read_line(s)) > 0) {
		rest = s->text;
		word = next_word(&rest);
		if (!word)
			continue;
		*step = (struct script_step) {};
		return parse_step(s, word, &rest, step) ? 1 : -1;
	}
	return ret;
}
