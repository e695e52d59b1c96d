// SPDX-License-Identifier: GPL-2.0
/*
 * Prints ranges one at a time, so a large set is never held in memory.  JSON is exactly
 * [{"gfn":N,"npages":N},...], and other programs rely on that.
 */
#include <inttypes.h>
#include "loader.h"
#include "out.h"
#include "ranges.h"

struct json_object *range_json(const struct hcp_range *range)
{
	struct json_object *obj = json_object_new_object();

	put_u64(obj, "gfn", range->gfn);
	put_u64(obj, "npages", range->npages);
	return obj;
}

void ranges_print_text(FILE *file, const struct hcp_set *set)
{
	struct hcp_range r = {};
	char size[32], gpa[64];

	fprintf(file, "%-12s %-10s %-30s %s\n", "gfn", "npages", "gpa", "size");
	while (hcp_set__next(set, &r)) {
		snprintf(gpa, sizeof(gpa), "0x%" PRIx64 "-0x%" PRIx64, r.gfn << HCP_PAGE_SHIFT,
			 ((r.gfn + r.npages) << HCP_PAGE_SHIFT) - 1);
		fprintf(file, "0x%-10" PRIx64 " %-10" PRIu64 " %-30s %s\n", r.gfn, r.npages, gpa,
			size_text(size, r.npages << HCP_PAGE_SHIFT));
	}
}

void ranges_print_json(FILE *file, const struct hcp_set *set, bool pretty)
{
	struct hcp_range r = {};
	struct out_array array;

	out_array_begin(&array, file, pretty);
	while (hcp_set__next(set, &r))
		out_array_item(&array, range_json(&r));
	out_array_end(&array);
}
