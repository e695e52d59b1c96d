// SPDX-License-Identifier: GPL-2.0
/*
 * Checks words of the command line: a word must be valid from its first to its last character.
 * And words, sizes and times.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <time.h>
#include <hcpolicy/abi.h>
#include "text.h"

#define MAX_WORD	32
#define MAX_ERRNO	4095	/* as the kernel has it */

/* Digits and at most one of K, M, G, T (powers of 1024; a B or iB may follow). */
bool parse_size(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	unsigned long long value;
	const char *unit;
	int shift = 0;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno)
		return false;
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit)
			return false;
		shift = 10 * (unit - units + 1);
		end++;
		if (*end && strcmp(end, "B") && strcmp(end, "iB"))
			return false;
	}
	if (!value || value > UINT64_MAX >> shift)
		return false;
	*bytes = (uint64_t)value << shift;
	return true;
}

bool parse_set_size(const char *text, uint64_t *bytes)
{
	return parse_size(text, bytes) && *bytes >= 1 << 20;
}

bool parse_int(const char *text, int *value)
{
	char *end;
	long n;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || *end || n > INT_MAX)
		return false;
	*value = n;
	return true;
}

/* A name becomes a directory in bpffs, which reserves names with dots. */
bool valid_name(const char *name)
{
	size_t len = strlen(name);

	return len && len < HCP_NAME_LEN && name[0] != '-' &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			    "0123456789_-") == len;
}

/* The number of letters that are wrong, missing, extra, or swapped with their neighbour. */
static size_t distance(const char *a, const char *b)
{
	size_t row[3][MAX_WORD + 1], *before = row[0], *above = row[1], *now = row[2];
	size_t na = strlen(a), nb = strlen(b);

	for (size_t j = 0; j <= nb; j++)
		now[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t *last = before;

		before = above;
		above = now;
		now = last;
		now[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			now[j] = MIN(MIN(above[j], now[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = MIN(now[j], before[j - 2] + 1);
		}
	}
	return now[nb];
}

/* The one of n names that is nearest to a mistyped word; NULL: none is near. */
const char *nearest(const char *word, const char *const *names, size_t n)
{
	size_t best = strlen(word) > 5 ? 3 : 2, d;
	const char *found = NULL;

	if (strlen(word) > MAX_WORD)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		d = strlen(names[i]) > MAX_WORD ? best : distance(word, names[i]);
		if (d < best) {
			best = d;
			found = names[i];
		}
	}
	return found;
}

char *printable(char *text)
{
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return text;
}

/* "64 GiB", "506.2 MiB": the largest unit that leaves at least 1. */
const char *size_text(char buf[32], uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	int unit = 0;

	while (unit < 6 && bytes >> (10 * (unit + 1)))
		unit++;
	if (bytes & ((1ULL << (10 * unit)) - 1))
		snprintf(buf, 32, "%.1f %s", (double)bytes / (1ULL << (10 * unit)), units[unit]);
	else
		snprintf(buf, 32, "%llu %s", (unsigned long long)bytes >> (10 * unit), units[unit]);
	return buf;
}

const char *verdict_text(int verdict)
{
	static const char *const names[] = {
		[KVM_HCPOLICY_DEFAULT] = "default", [KVM_HCPOLICY_HANDLED] = "handled",
		[KVM_HCPOLICY_RETRY] = "retry",
	};

	return verdict >= 0 && verdict < (int)(sizeof(names) / sizeof(*names)) ? names[verdict] : NULL;
}

const char *verdict_name(char buf[32], int verdict)
{
	const char *name = verdict < 0 && verdict >= -MAX_ERRNO ? strerrorname_np(-verdict) :
								  verdict_text(verdict);

	snprintf(buf, 32, "%d", verdict);
	return name ?: buf;
}

const char *door_name(char buf[32], unsigned int source)
{
	static const char *const names[] = { "hypercall", "snp-msr", "snp-psc", "tdx", "smccc" };

	snprintf(buf, 32, "%u", source);
	return source < sizeof(names) / sizeof(*names) ? names[source] : buf;
}

uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}
