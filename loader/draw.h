/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest's memory map as a picture: a grid of equal slices of guest memory,
 * row by row from address 0.
 */
#ifndef DRAW_H
#define DRAW_H

#include <stdio.h>
#include <hcpolicy/set.h>

struct draw_grid {
	unsigned int columns, rows;
	uint64_t cell_pages;	/* pages in a cell, a power of two */
	uint64_t npages;	/* the set's size: cells from there on are empty */
	uint64_t shared, ranges;
	uint64_t *cells;	/* the number of shared pages in each; free() it */
};

/* How much of a cell is shared. */
enum shade { PRIVATE, FEW, SOME, MOST, ALL, OUTSIDE, NSHADES };
enum shade draw_shade(const struct draw_grid *grid, uint64_t cell);

struct draw_style {
	bool utf8, colour;
};

/*
 * Read set into a grid that fits into width characters of text and into height rows.  The grid
 * ends with the last shared page, or with the set if no page is shared.  -ENOMEM.
 */
#define DRAW_HEIGHT	24
int draw_read(struct draw_grid *grid, const struct hcp_set *set, unsigned int width,
	      unsigned int height);
int draw_hex_digits(uint64_t value);

/* "N pages shared (SIZE) in N ranges", and what comes after the picture's end. */
void draw_summary(FILE *file, const struct draw_grid *grid);

/* svg.c: the same as an SVG picture; note is a second line, or empty. */
void draw_svg(FILE *file, const struct draw_grid *grid, const char *title, const char *note);
void draw_print(FILE *file, const struct draw_grid *grid, const struct draw_style *style);

#endif /* DRAW_H */
