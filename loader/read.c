// SPDX-License-Identifier: GPL-2.0
/* ranges and draw: the set of a running VM, read while the guest changes it. */
#include <errno.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "draw.h"
#include "loader.h"
#include "out.h"
#include "ranges.h"
#include "state.h"

static struct hcpolicy *open_set(const char *name)
{
	struct hcpolicy *policy;
	bool gone;

	policy = pins_open(name, &gone);
	if (gone)
		err("policy '%s' ended with its VM", name);
	return policy;
}

/* Who reads a set that misses something must hear it, and ranges -j has no field. */
static void warn_incomplete(const struct hcpolicy *policy)
{
	char state[256];

	state_text(state, sizeof(state), policy);
	if (strcmp(state, "complete"))
		fprintf(stderr, "hcpolicy: warning: the set is %s\n", state);
}

int cmd_ranges(const struct args *args)
{
	struct hcpolicy *policy = open_set(args->words[0]);

	if (!policy)
		return EXIT_FAIL;
	warn_incomplete(policy);
	if (out_json)
		ranges_print_json(stdout, hcpolicy__set(policy), out_pretty);
	else
		ranges_print_text(stdout, hcpolicy__set(policy));
	hcpolicy__close(policy);
	return EXIT_OK;
}

static unsigned int terminal_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	int width;

	if (columns && parse_int(columns, &width) && width)
		return width;
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col)
		return size.ws_col;
	return 80;
}

static void put_grid(struct json_object *obj, const struct draw_grid *grid)
{
	struct json_object *cells = json_object_new_array();

	for (uint64_t i = 0; i < (uint64_t)grid->rows * grid->columns; i++)
		json_object_array_add(cells, json_object_new_uint64(grid->cells[i]));
	put_u64(obj, "rows", grid->rows);
	put_u64(obj, "columns", grid->columns);
	put_u64(obj, "cell_pages", grid->cell_pages);
	put_u64(obj, "shared_pages", grid->shared);
	put_u64(obj, "shared_ranges", grid->ranges);
	json_object_object_add(obj, "cells", cells);
}

int cmd_draw(const struct args *args)
{
	struct draw_style style = {
		.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8"),
		.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
	};
	struct hcpolicy *policy = open_set(args->words[0]);
	struct draw_grid grid;
	int ret;

	if (!policy)
		return EXIT_FAIL;
	ret = draw_read(&grid, hcpolicy__set(policy), terminal_width());
	if (ret) {
		err("draw: %s", strerror(-ret));
	} else if (out_json) {
		struct json_object *obj = json_object_new_object();

		put_identity(obj, policy);
		put_state(obj, policy);
		put_grid(obj, &grid);
		out_value(obj);
	} else {
		warn_incomplete(policy);
		draw_print(stdout, &grid, &style);
	}
	free(grid.cells);
	hcpolicy__close(policy);
	return ret ? EXIT_FAIL : EXIT_OK;
}
