// SPDX-License-Identifier: GPL-2.0
/* ranges and draw: read the set of a running VM while the guest changes it. */
#include <errno.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "draw.h"
#include "file.h"
#include "loader.h"
#include "out.h"
#include "ranges.h"
#include "state.h"

/* Whoever reads an incomplete set must be told, and ranges -j has no field for that. */
static void warn_incomplete(const struct hcpolicy *policy)
{
	char state[256];

	/* The same for a set that is complete only up to its reach. */
	if (!state_text(state, sizeof(state), policy) || strcmp(state, "complete"))
		fprintf(stderr, "hcpolicy: warning: the set is %s\n", state);
}

int cmd_ranges(const struct args *args)
{
	struct hcpolicy *policy = pins_open_alive(args->words[0]);

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

/* A picture need not fit into columns of text.  64 cells are readable on every screen. */
#define SVG_WIDTH	80

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

static bool draw_to_file(const struct hcpolicy *policy, const struct draw_grid *grid,
			 const char *path)
{
	const struct hcp_info copy = info_copy(policy), *info = &copy;
	char title[384], state[256], *text;
	FILE *stream;
	size_t size;
	bool ok;

	stream = open_memstream(&text, &size);
	if (!stream)
		abort();
	snprintf(title, sizeof(title), "The memory that the guest of %s shares (process %d, "
		 "policy %s)", info->name, info->pid, info->policy);
	state_text(state, sizeof(state), policy);
	draw_svg(stream, grid, title, strcmp(state, "complete") ? state : "");
	if (fclose(stream))
		abort();
	ok = file_write(path, text, size);
	free(text);
	return ok;
}

static int draw_once(const struct hcpolicy *policy, const struct draw_style *style,
		     const char *svg)
{
	struct draw_grid grid;
	int ret;

	ret = draw_read(&grid, hcpolicy__set(policy), svg ? SVG_WIDTH : terminal_width(),
			DRAW_HEIGHT);
	if (ret) {
		err("draw: %s", strerror(-ret));
		return ret;
	}
	if (svg && !draw_to_file(policy, &grid, svg)) {
		ret = -EIO;
	} else if (out_json) {
		struct json_object *obj = json_object_new_object();

		put_identity(obj, policy);
		put_state(obj, policy);
		put_grid(obj, &grid);
		if (svg)
			put_str(obj, "file", svg);
		out_value(obj);
	} else {
		warn_incomplete(policy);
		if (svg) {
			printf("%s: ", svg);
			draw_summary(stdout, &grid);
			putchar('\n');
		} else {
			draw_print(stdout, &grid, style);
		}
	}
	free(grid.cells);
	return ret;
}

int cmd_draw(const struct args *args)
{
	struct draw_style style = {
		.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8"),
		.colour = out_terminal() && !getenv("NO_COLOR"),
	};
	struct hcpolicy *policy;
	int ret;

	if (args->follow && args->svg) {
		err("draw: --follow and --svg do not go together: one is for the eye, one for a file");
		return EXIT_USAGE;
	}
	policy = pins_open_alive(args->words[0]);
	if (!policy)
		return EXIT_FAIL;
	if (args->follow) {
		warn_incomplete(policy);
		ret = draw_follow(policy, &style, terminal_width);
	} else {
		ret = draw_once(policy, &style, args->svg);
	}
	hcpolicy__close(policy);
	return ret ? EXIT_FAIL : EXIT_OK;
}
