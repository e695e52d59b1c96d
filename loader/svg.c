// SPDX-License-Identifier: GPL-2.0
/*
 * The memory map as an SVG picture: draw.h.  Neighbouring cells of one shade are one rectangle,
 * so the picture is small.  Text is text, so it can be searched and read aloud.
 */
#include <inttypes.h>
#include "draw.h"
#include "loader.h"

#define CELL	12	/* a cell's width and height */
#define LINE	20	/* of text */
#define EDGE	16	/* around everything */
#define GLYPH	9	/* the widest character of the addresses */

static const struct {
	const char *colour, *name;
} shades[NSHADES] = {
	[PRIVATE] = { "#e4e7eb", "private" },
	[FEW]	  = { "#fde3b4", "less than a third shared" },
	[SOME]	  = { "#f9c35c", "less than two thirds" },
	[MOST]	  = { "#ef9a1a", "more" },
	[ALL]	  = { "#c2410c", "shared" },
	[OUTSIDE] = { "none", NULL },
};

static void put_text(FILE *file, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", file);
			break;
		case '>':
			fputs("&gt;", file);
			break;
		case '&':
			fputs("&amp;", file);
			break;
		default:
			/* XML allows no other control characters. */
			fputc((unsigned char)*text < ' ' ? ' ' : *text, file);
		}
	}
}

static void put_rect(FILE *file, unsigned int x, unsigned int y, unsigned int cells, enum shade s)
{
	fprintf(file, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%d\" fill=\"%s\"/>\n",
		x, y, cells * CELL, CELL - 1, shades[s].colour);
}

static void put_row(FILE *file, const struct draw_grid *grid, unsigned int row, unsigned int x,
		    unsigned int y)
{
	uint64_t first = (uint64_t)row * grid->columns;

	for (unsigned int col = 0, n; col < grid->columns; col += n) {
		enum shade s = draw_shade(grid, first + col);

		for (n = 1; col + n < grid->columns && draw_shade(grid, first + col + n) == s; n++)
			;
		if (s != OUTSIDE)
			put_rect(file, x + col * CELL, y, n, s);
	}
}

void draw_svg(FILE *file, const struct draw_grid *grid, const char *title, const char *note)
{
	uint64_t row_bytes = grid->columns * grid->cell_pages << HCP_PAGE_SHIFT;
	int digits = draw_hex_digits((grid->rows - 1) * row_bytes);
	unsigned int left = EDGE + (digits + 2) * GLYPH + CELL, top = EDGE + 3 * LINE;
	unsigned int legend = top + grid->rows * CELL + LINE, width, height, x;
	char size[32];

	/* Wide enough for the lines of text as well. */
	width = left + (grid->columns < 64 ? 64 : grid->columns) * CELL + EDGE;
	height = legend + (ALL + 2) * LINE + EDGE;
	fprintf(file, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"%u\" height=\"%u\" "
		"viewBox=\"0 0 %u %u\" font-family=\"monospace\" font-size=\"14\" fill=\"#1f2933\">\n",
		width, height, width, height);
	fputs("<title>", file);
	put_text(file, title);
	fprintf(file, "</title>\n<rect width=\"%u\" height=\"%u\" fill=\"#ffffff\"/>\n", width, height);
	fprintf(file, "<text x=\"%d\" y=\"%d\" font-size=\"18\">", EDGE, EDGE + LINE - 5);
	put_text(file, title);
	fprintf(file, "</text>\n<text x=\"%d\" y=\"%d\">", EDGE, EDGE + 2 * LINE - 5);
	draw_summary(file, grid);
	fprintf(file, "</text>\n<text x=\"%d\" y=\"%d\" fill=\"#b91c1c\">", EDGE, EDGE + 3 * LINE - 5);
	put_text(file, note);
	fputs("</text>\n", file);

	for (unsigned int row = 0; row < grid->rows; row++) {
		unsigned int y = top + row * CELL;

		fprintf(file, "<text x=\"%d\" y=\"%u\" font-size=\"12\">0x%0*" PRIx64 "</text>\n",
			EDGE, y + CELL - 2, digits, row * row_bytes);
		put_row(file, grid, row, left, y);
	}

	fprintf(file, "<text x=\"%d\" y=\"%u\">one cell is %s:</text>\n", EDGE, legend + CELL,
		size_text(size, grid->cell_pages << HCP_PAGE_SHIFT));
	x = EDGE + CELL;
	for (enum shade s = PRIVATE; s <= ALL; s++) {
		unsigned int y = legend + (s + 1) * LINE;

		put_rect(file, x, y, 1, s);
		fprintf(file, "<text x=\"%u\" y=\"%u\">%s</text>\n", x + 2 * CELL, y + CELL - 1,
			shades[s].name);
	}
	fputs("</svg>\n", file);
}
