// SPDX-License-Identifier: GPL-2.0
/* A set from a file of lines `GFN NPAGES`. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core.h"

#define MAX_PAGES	(1ULL << 40)	/* the physical addresses of a guest */

static int bad_line(struct core *c, const char *path, unsigned int line)
{
	snprintf(c->error, sizeof(c->error), "ranges '%s': line %u: not a first page and a number of pages",
		 path, line);
	return -EINVAL;
}

/* Make room for pages up to end; what is new is private. */
static int grow(struct core *c, uint64_t end)
{
	uint64_t i = (c->npages + 63) / 64, words = (end + 63) / 64, *new;

	if (end <= c->npages)
		return 0;
	new = realloc(c->words, words * sizeof(*new));
	if (!new) {
		snprintf(c->error, sizeof(c->error), "ranges: out of memory for %" PRIu64 " pages", end);
		return -ENOMEM;
	}
	for (; i < words; i++)
		new[i] = 0;
	c->words = new;
	c->npages = end;
	return 0;
}

static int take_lines(struct core *c, const char *path, FILE *f)
{
	uint64_t gfn, npages;
	unsigned int line;
	char text[80];
	int end, err;

	for (line = 1; fgets(text, sizeof(text), f); line++) {
		end = 0;
		if (sscanf(text, "%" SCNu64 " %" SCNu64 " %n", &gfn, &npages, &end) != 2 || text[end] ||
		    gfn >= MAX_PAGES || npages > MAX_PAGES - gfn)
			return bad_line(c, path, line);
		err = grow(c, gfn + npages);
		if (err)
			return err;
		for (; npages; npages--, gfn++)
			c->words[gfn / 64] |= 1ULL << gfn % 64;
	}
	return 0;
}

int core_take_ranges(struct core *c, const char *path, uint32_t cbit)
{
	FILE *f = fopen(path, "re");
	int err;

	if (!f) {
		err = -errno;
		snprintf(c->error, sizeof(c->error), "ranges '%s': %m", path);
		return err;
	}
	free(c->words);
	c->words = NULL;
	c->npages = 0;
	err = take_lines(c, path, f);
	fclose(f);
	c->cbit = cbit;
	c->has_set = !err;
	return err;
}
