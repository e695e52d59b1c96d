// SPDX-License-Identifier: GPL-2.0
/*
 * The page-table walk.  One pass finds the direct map, then one pass for each
 * class of mapping covers that class' range of addresses.
 *
 * What bounds it: within a pass a table is read once for each level at which it
 * turns up, and a huge page is marked once, however many entries point there.
 * That loses nothing, because what an entry says about a page does not depend on
 * the address by which it was reached, only the class does.  Tables that reach
 * beyond the pass' range are not remembered; a level has at most two of them.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "walk.h"

#define PAGE_SHIFT	12
#define GIB		(1ULL << 30)
#define IMAGE_START	0xffffffff80000000ULL
#define IMAGE_END	0xffffffffc0000000ULL	/* then come modules and fixmap */
#define VA_END		0xfffffffffffff000ULL	/* so that an end fits in 64 bits */

#define PTE_PRESENT	(1ULL << 0)
#define PTE_HUGE	(1ULL << 7)
#define PTE_ADDR	0x000ffffffffff000ULL
#define CR0_PG		(1ULL << 31)
#define CR4_PAE		(1ULL << 5)
#define CR4_LA57	(1ULL << 12)

/* seen[]: the table as level 1 to 5; the huge page of level 2 or 3, by C-bit. */
#define SEEN_TABLE(level)		(1 << (level))
#define SEEN_HUGE(level, shared)	(1 << (2 + 2 * (level) + (shared)))

/* Candidates for the direct map's base, by how many pages they explain. */
#define MAX_BASES	256

struct base {
	uint64_t va;
	uint64_t pages;
};

struct pass {
	const struct core *core;
	struct walk *w;
	uint64_t cbit;		/* as a mask */
	uint64_t start, end;	/* addresses of interest */
	enum walk_class class;
	uint16_t *seen;
	struct base *bases;	/* if set: vote, and mark nothing */
	unsigned int nbases;
};

__attribute__((format(printf, 3, 4)))
static int fail(struct walk *w, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->error, sizeof(w->error), fmt, ap);
	va_end(ap);
	return -err;
}

/* Linux puts the direct map at a multiple of 1 GiB, with and without KASLR. */
static void vote(struct pass *p, uint64_t base, uint64_t pages)
{
	unsigned int i;

	if (base % GIB)
		return;
	for (i = 0; i < p->nbases && p->bases[i].va != base; i++)
		;
	if (i == p->nbases) {
		if (p->nbases == MAX_BASES)
			return;
		p->bases[p->nbases++].va = base;
	}
	p->bases[i].pages += pages;
}

/* Which address to keep: one that shows a page shared if any does, else a judging one. */
static unsigned int rank(uint8_t how)
{
	if (how & (WALK_SHARED(WALK_DIRECT) | WALK_SHARED(WALK_IMAGE)))
		return 4;
	if (how & WALK_SHARED(WALK_OTHER))
		return 3;
	return how & (WALK_PRIVATE(WALK_DIRECT) | WALK_PRIVATE(WALK_IMAGE)) ? 2 : how != 0;
}

static void mark(struct pass *p, uint64_t frame, uint64_t va, bool shared)
{
	uint8_t old = p->w->how[frame];
	uint8_t now = old | (shared ? WALK_SHARED(p->class) : WALK_PRIVATE(p->class));

	if (rank(now) > rank(old))
		p->w->va[frame] = va;
	p->w->how[frame] = now;
}

/* One mapping, of 1, 512 or 512 * 512 pages; what of it is not RAM does not matter. */
static void leaf(struct pass *p, uint64_t va, uint64_t entry, int level)
{
	uint64_t pages = 1ULL << 9 * (level - 1);
	uint64_t start = (entry & PTE_ADDR & ~p->cbit) >> PAGE_SHIFT & ~(pages - 1);
	bool shared = !(entry & p->cbit);
	uint64_t gfn, frame, found = 0;

	for (gfn = core_next_ram(p->core, start); gfn < start + pages;
	     gfn = core_next_ram(p->core, gfn + 1)) {
		frame = core_frame(p->core, gfn);
		if (!found++ && level > 1) {
			if (p->seen[frame] & SEEN_HUGE(level, shared))
				return;
			p->seen[frame] |= SEEN_HUGE(level, shared);
		}
		if (!p->bases)
			mark(p, frame, va + ((gfn - start) << PAGE_SHIFT), shared);
	}
	if (p->bases && found)
		vote(p, va - (start << PAGE_SHIFT), found);
}

static uint64_t canonical(uint64_t va, int levels)
{
	int shift = 64 - PAGE_SHIFT - 9 * levels;

	return (uint64_t)((int64_t)(va << shift) >> shift);
}

static void table(struct pass *p, uint64_t gfn, uint64_t base, int level, int levels)
{
	const unsigned char *entries = core_page(p->core, gfn);
	int shift = PAGE_SHIFT + 9 * (level - 1), i;
	uint64_t span = 1ULL << shift, va, entry, frame;

	if (!entries) {
		p->w->outside++;
		return;
	}
	/* The highest address of the table, not its end, which may be 2^64. */
	if (level < levels && base >= p->start && base + (span * 512 - 1) < p->end) {
		frame = core_frame(p->core, gfn);
		if (p->seen[frame] & SEEN_TABLE(level))
			return;
		p->seen[frame] |= SEEN_TABLE(level);
	}
	p->w->tables++;
	for (i = 0; i < 512; i++) {
		va = base + i * span;
		if (level == levels)
			va = canonical(va, levels);
		if (va >= p->end || va + (span - 1) < p->start)
			continue;
		memcpy(&entry, entries + i * sizeof(entry), sizeof(entry));
		if (!(entry & PTE_PRESENT))
			continue;
		if (level == 1 || (level <= 3 && entry & PTE_HUGE))
			leaf(p, va, entry, level);
		else
			table(p, (entry & PTE_ADDR & ~p->cbit) >> PAGE_SHIFT, va, level - 1, levels);
	}
}

static bool has_paging(const struct core_vcpu *v)
{
	return v->cr0 & CR0_PG && v->cr4 & CR4_PAE;
}

static void run_pass(struct pass *p, uint64_t start, uint64_t end)
{
	const struct core *c = p->core;
	unsigned int i, j;

	p->start = start;
	p->end = end;
	for (i = 0; i < c->nvcpus; i++) {
		if (!has_paging(&c->vcpus[i]))
			continue;
		for (j = 0; j < i; j++)
			if (c->vcpus[j].cr3 == c->vcpus[i].cr3 && has_paging(&c->vcpus[j]) &&
			    !((c->vcpus[j].cr4 ^ c->vcpus[i].cr4) & CR4_LA57))
				break;
		if (j == i)
			table(p, (c->vcpus[i].cr3 & PTE_ADDR & ~p->cbit) >> PAGE_SHIFT, 0,
			      c->vcpus[i].cr4 & CR4_LA57 ? 5 : 4,
			      c->vcpus[i].cr4 & CR4_LA57 ? 5 : 4);
	}
}

static uint64_t ram_end(const struct core *c)
{
	const struct core_block *b = &c->blocks[c->nblocks - 1];

	return (((b->gfn + b->nframes) << PAGE_SHIFT) + GIB - 1) & ~(GIB - 1);
}

static int find_direct_map(struct pass *p)
{
	struct base bases[MAX_BASES] = {}, *best = bases;
	unsigned int i;

	p->bases = bases;
	run_pass(p, 1ULL << 63, IMAGE_START);
	p->bases = NULL;
	for (i = 1; i < p->nbases; i++)
		if (bases[i].pages > best->pages)
			best = &bases[i];
	if (!best->pages)
		return fail(p->w, ENOENT, "no direct map in the vCPUs' page tables: no Linux guest, or all were stopped in user mode with page-table isolation");
	if (best->va > IMAGE_START - ram_end(p->core))
		return fail(p->w, ENOENT, "the direct map at 0x%llx would reach into the kernel image",
			    (unsigned long long)best->va);
	p->w->direct_base = best->va;
	return 0;
}

static void classify(struct pass *p)
{
	uint64_t direct = p->w->direct_base, direct_end = direct + ram_end(p->core);
	const struct {
		enum walk_class class;
		uint64_t start, end;
	} parts[] = {
		{ WALK_DIRECT, direct, direct_end },
		{ WALK_IMAGE, IMAGE_START, IMAGE_END },
		{ WALK_OTHER, 1ULL << 63, direct },
		{ WALK_OTHER, direct_end, IMAGE_START },
		{ WALK_OTHER, IMAGE_END, VA_END },
	};
	unsigned int i;

	for (i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		memset(p->seen, 0, p->core->nframes * sizeof(*p->seen));
		p->class = parts[i].class;
		run_pass(p, parts[i].start, parts[i].end);
	}
}

int walk_core(const struct core *core, struct walk *w)
{
	struct pass p = { .core = core, .w = w, .cbit = 1ULL << core->cbit };
	unsigned int i;
	int err;

	memset(w, 0, sizeof(*w));
	for (i = 0; i < core->nvcpus; i++)
		w->paging_off += !has_paging(&core->vcpus[i]);
	if (!core->cbit)
		return fail(w, EINVAL, "the guest has no C-bit: its page tables say nothing about sharing");
	if (w->paging_off == core->nvcpus)
		return fail(w, EINVAL, "none of the %u vCPUs has paging on", core->nvcpus);

	w->how = calloc(core->nframes, sizeof(*w->how));
	w->va = calloc(core->nframes, sizeof(*w->va));
	p.seen = calloc(core->nframes, sizeof(*p.seen));
	if (!w->how || !w->va || !p.seen) {
		err = fail(w, ENOMEM, "out of memory for %llu pages of RAM",
			   (unsigned long long)core->nframes);
		goto out;
	}
	err = find_direct_map(&p);
	if (!err)
		classify(&p);
out:
	free(p.seen);
	if (err)
		walk_free(w);
	return err;
}

void walk_free(struct walk *w)
{
	free(w->how);
	free(w->va);
	w->how = NULL;
	w->va = NULL;
}
