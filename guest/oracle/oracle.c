// SPDX-License-Identifier: GPL-2.0
/*
 * hcp-oracle: is the shared-page set of a dump (hcvm --dump) what the guest's own
 * page tables say?  Exit status: 0 yes, 1 no, 2 it cannot be told.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "judge.h"

#define CBIT	39

static const char usage[] =
	"usage: hcp-oracle [--flip GFN] [--ranges FILE] CORE\n"
	"\n"
	"Compare the shared-page set in CORE, a guest dump, with the guest's page tables.\n"
	"\n"
	"  --flip GFN     flip the set's bit of this page first, in memory: it must be noticed\n"
	"  --ranges FILE  the set is in lines GFN NPAGES in FILE, for a dump of QEMU; the C-bit is\n"
	"                 that of hcvm --sev-lookalike, 39\n"
	"\n"
	"Exit status: 0 no page is missing or extra, 1 some are, 2 it cannot be told.\n";

static void print(const struct core *c, const struct walk *w, const struct judge *j)
{
	unsigned int i;

	if (w->paging_off)
		printf("oracle: %u of %u vCPUs have paging off and are left out\n", w->paging_off,
		       c->nvcpus);
	printf("oracle: direct map at 0x%" PRIx64 ", C-bit %u, %" PRIu64 " page tables",
	       w->direct_base, c->cbit, w->tables);
	printf(w->outside ? ", %" PRIu64 " outside RAM skipped\n" : "\n", w->outside);
	if (j->disputed)
		printf("oracle: %" PRIu64 " pages only other kernel mappings share, not judged; "
		       "the first is gfn 0x%" PRIx64 " at 0x%" PRIx64 "\n",
		       j->disputed, j->disputed_first.gfn, j->disputed_first.va);
	if (j->ram - j->mapped)
		printf("oracle: %" PRIu64 " pages of RAM not mapped, not judged; %" PRIu64 " of them shared in the set\n",
		       j->ram - j->mapped, j->unmapped_set);
	if (j->set_other)
		printf("oracle: %" PRIu64 " pages that are not RAM are shared in the set\n",
		       j->set_other);
	for (i = 0; i < j->nshown; i++)
		printf("oracle: %s gfn 0x%" PRIx64 ": mapped %s the C-bit at 0x%" PRIx64 "\n",
		       j->shown[i].missing ? "missing" : "extra", j->shown[i].gfn,
		       j->shown[i].missing ? "without" : "with", j->shown[i].va);
	if (j->missing + j->extra > j->nshown)
		printf("oracle: and %" PRIu64 " more\n", j->missing + j->extra - j->nshown);
	printf("oracle: %" PRIu64 " pages of RAM, %" PRIu64 " mapped, %" PRIu64 " shared "
	       "(%" PRIu64 " by the direct map, %" PRIu64 " by the kernel image only); "
	       "set: %" PRIu64 " shared; missing %" PRIu64 ", extra %" PRIu64 "\n",
	       j->ram, j->mapped, j->direct + j->image_only, j->direct, j->image_only, j->set_ram,
	       j->missing, j->extra);
}

static int parse_gfn(const char *s, uint64_t *gfn)
{
	char *end;

	errno = 0;
	*gfn = strtoull(s, &end, 0);
	if (errno || end == s || *end || *s == '-') {
		fprintf(stderr, "hcp-oracle: --flip '%s': not a page number\n", s);
		return -EINVAL;
	}
	return 0;
}

static int flip_bit(struct core *c, uint64_t gfn)
{
	if (gfn >= c->npages) {
		fprintf(stderr, "hcp-oracle: --flip 0x%" PRIx64 ": the set ends at page 0x%" PRIx64 "\n",
			gfn, c->npages);
		return -ERANGE;
	}
	c->words[gfn / 64] ^= 1ULL << gfn % 64;
	printf("oracle: flipped gfn 0x%" PRIx64 "\n", gfn);
	return 0;
}

static int compare(struct core *c, const char *path, bool flip, uint64_t gfn)
{
	struct judge j;
	struct walk w;

	if (!c->has_set) {
		fprintf(stderr, "hcp-oracle: core '%s': it holds no shared-page set; hcvm --dump writes one, or give --ranges\n",
			path);
		return 2;
	}
	if (flip && flip_bit(c, gfn))
		return 2;
	if (walk_core(c, &w)) {
		fprintf(stderr, "hcp-oracle: core '%s': %s\n", path, w.error);
		return 2;
	}
	judge_set(c, &w, &j);
	print(c, &w, &j);
	walk_free(&w);
	return j.missing || j.extra;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "flip", required_argument, NULL, 'f' },
		{ "ranges", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{}
	};
	const char *ranges = NULL;
	uint64_t gfn = 0;
	bool flip = false;
	struct core c;
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (opt) {
		case 'f':
			if (parse_gfn(optarg, &gfn))
				return 2;
			flip = true;
			break;
		case 'r':
			ranges = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind != argc - 1) {
		fputs(usage, stderr);
		return 2;
	}
	if (core_open(&c, argv[optind])) {
		fprintf(stderr, "hcp-oracle: %s\n", c.error);
		return 2;
	}
	if (ranges && core_take_ranges(&c, ranges, CBIT)) {
		fprintf(stderr, "hcp-oracle: %s\n", c.error);
		ret = 2;
	} else {
		ret = compare(&c, argv[optind], flip, gfn);
	}
	core_close(&c);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "hcp-oracle: cannot write the result\n");
		return 2;
	}
	return ret;
}
