// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * uses-set FILE OTHER: a program of somebody else's, in C and in C++.  It saves a set to FILE,
 * restores it, and prints its ranges.  OTHER is the same set, and not complete.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <hcpolicy/stream.h>
#include <hcpolicy/tracker.h>
#include <hcpolicy/version.h>

#define PAGES	(6 * HCP_CHUNK_PAGES)

static int put(void *file, const void *buf, size_t len)
{
	return fwrite(buf, len, 1, (FILE *)file) == 1 ? 0 : -EIO;
}

static int get(void *file, void *buf, size_t len)
{
	return fread(buf, len, 1, (FILE *)file) == 1 ? 0 : -ENODATA;
}

static struct hcp_set *shares(void)
{
	struct hcp_set *set = hcp_set__new(PAGES);

	hcp_set__update(set, 0, 2, true);
	hcp_set__update(set, 0x100, 1, true);
	/* Over two chunks, a whole chunk, one that wants a bitmap, and the last page. */
	hcp_set__update(set, HCP_CHUNK_PAGES - 1, 2, true);
	hcp_set__update(set, 2 * HCP_CHUNK_PAGES, HCP_CHUNK_PAGES, true);
	for (int i = 0; i < 2000; i++)
		hcp_set__update(set, 3 * HCP_CHUNK_PAGES + 3 * i, 1 + i % 2, true);
	hcp_set__update(set, PAGES - 1, 1, true);
	return set;
}

int main(int argc, char **argv)
{
	struct hcp_set *set = shares(), *other = hcp_set__new(PAGES);
	struct hcp_tracker *tracker = hcp_tracker__new(set, NULL);
	struct hcp_range range = { 0, 0 };
	struct hcp_stream_info info;
	struct hcp_stream_opts opts;
	FILE *file = argc == 3 ? fopen(argv[1], "w+") : NULL;
	FILE *lacks = argc == 3 ? fopen(argv[2], "w") : NULL;

	memset(&info, 0, sizeof(info));
	memset(&opts, 0, sizeof(opts));
	info.sz = sizeof(info);
	opts.sz = sizeof(opts);
	opts.any_label = true;
	opts.info = &info;
	if (!file || !lacks || hcp_set__set_label(set, "web1") || hcp_set__save(set, put, file, &opts))
		return 1;
	rewind(file);
	if (hcp_set__restore(other, get, file, &opts) || strcmp(info.label, "web1"))
		return 1;
	while (hcp_set__next(other, &range))
		printf("%llu %llu\n", (unsigned long long)range.gfn, (unsigned long long)range.npages);
	if (hcp_tracker__add_slot(tracker, 0, 0, PAGES) || hcp_tracker__pending(tracker) != PAGES)
		return 1;
	hcp_tracker__free(tracker);
	hcp_set__lost(set, 7, 1);
	opts.force = true;
	if (hcp_set__save(set, put, lacks, &opts) || fclose(lacks))
		return 1;
	hcp_set__free(other);
	hcp_set__free(set);
	return fclose(file) ? 1 : 0;
}
