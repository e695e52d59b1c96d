// SPDX-License-Identifier: GPL-2.0
/*
 * The picture of a guest's memory: draw.h.  Columns and the size of a cell are powers of
 * two, so rows begin at round addresses.  A single shared page is never rounded away.  The
 * set may change while it is read.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include "draw.h"
#include "loader.h"

#define MIN_COLUMNS	16
#define MAX_COLUMNS	256

static const char *const shades_utf8[NSHADES] = { "·", "░", "▒", "▓", "█", " " };
static const char *const shades_ascii[NSHADES] = { ".", "-", "+", "*", "#", " " };

int draw_hex_digits(uint64_t value)
{
	int digits = 1;

	while (value >>= 4)
		digits++;
	return digits;
}

int draw_read(struct draw_grid *grid, const struct hcp_set *set, unsigned int width,
	      unsigned int height)
{
	struct hcp_range r = {};
	uint64_t end = 0, rows;
	int frame;

	*grid = (struct draw_grid) { .npages = hcp_set__npages(set), .cell_pages = 1 };
	while (hcp_set__next(set, &r))
		end = r.gfn + r.npages;
	if (!end)
		end = grid->npages;

	/* Around the cells are "0x", digits, a blank and two borders. */
	frame = draw_hex_digits((end - 1) << HCP_PAGE_SHIFT) + 5;
	grid->columns = MIN_COLUMNS;
	while (grid->columns < MAX_COLUMNS && grid->columns * 2 + frame <= width)
		grid->columns *= 2;
	while ((rows = (end - 1) / (grid->columns * grid->cell_pages) + 1) > height)
		grid->cell_pages *= 2;
	grid->rows = rows;
	end = rows * grid->columns * grid->cell_pages;

	grid->cells = calloc(rows * grid->columns, sizeof(*grid->cells));
	if (!grid->cells)
		return -ENOMEM;
	r = (struct hcp_range) {};
	while (hcp_set__next(set, &r)) {
		uint64_t gfn = r.gfn, stop = r.gfn + r.npages;

		grid->ranges++;
		grid->shared += r.npages;
		while (gfn < stop && gfn < end) {
			uint64_t cell = gfn / grid->cell_pages;
			uint64_t next = (cell + 1) * grid->cell_pages;

			if (next > stop)
				next = stop;
			grid->cells[cell] += next - gfn;
			gfn = next;
		}
	}
	return 0;
}

enum shade draw_shade(const struct draw_grid *grid, uint64_t cell)
{
	uint64_t shared = grid->cells[cell];

	if (cell * grid->cell_pages >= grid->npages)
		return OUTSIDE;
	if (!shared)
		return PRIVATE;
	if (shared == grid->cell_pages)
		return ALL;
	return FEW + 3 * shared / grid->cell_pages;
}

void draw_summary(FILE *file, const struct draw_grid *grid)
{
	uint64_t shown = grid->rows * grid->columns * grid->cell_pages;
	char size[32];

	fprintf(file, "%" PRIu64 " page%s shared (%s) in %" PRIu64 " range%s",
		grid->shared, grid->shared == 1 ? "" : "s",
		size_text(size, grid->shared << HCP_PAGE_SHIFT),
		grid->ranges, grid->ranges == 1 ? "" : "s");
	if (shown < grid->npages)
		fprintf(file, "; private from here to %s",
			size_text(size, grid->npages << HCP_PAGE_SHIFT));
}

void draw_print(FILE *file, const struct draw_grid *grid, const struct draw_style *style)
{
	const char *const *shades = style->utf8 ? shades_utf8 : shades_ascii;
	const char *side = style->utf8 ? "│" : "|";
	uint64_t row_bytes = grid->columns * grid->cell_pages << HCP_PAGE_SHIFT;
	int digits = draw_hex_digits((grid->rows - 1) * row_bytes);
	char size[32];

	for (unsigned int row = 0; row < grid->rows; row++) {
		int colour = 0;

		fprintf(file, "0x%0*" PRIx64 " %s", digits, row * row_bytes, side);
		for (unsigned int col = 0; col < grid->columns; col++) {
			enum shade s = draw_shade(grid, (uint64_t)row * grid->columns + col);
			int want = s == PRIVATE || s == OUTSIDE ? 2 : 33;

			/* Dim for private, yellow for shared; printed where it changes. */
			if (style->colour && want != colour)
				fprintf(file, "\033[0;%dm", want);
			colour = want;
			fputs(shades[s], file);
		}
		fprintf(file, "%s%s\n", style->colour ? "\033[0m" : "", side);
	}
	fprintf(file, "one cell is %s:  %s private  %s %s %s partly shared  %s shared\n",
		size_text(size, grid->cell_pages << HCP_PAGE_SHIFT),
		shades[PRIVATE], shades[FEW], shades[SOME], shades[MOST], shades[ALL]);
	draw_summary(file, grid);
	fputc('\n', file);
}
