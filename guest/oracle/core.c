// SPDX-License-Identifier: GPL-2.0
/* The reader of guest dumps.  No offset or size is used before it is checked. */
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "../dump.h"

#define PAGE_SHIFT	12
#define PAGE_MASK	4095ULL
#define MAX_GPA		(1ULL << 52)
#define MAX_VCPUS	4096

__attribute__((format(printf, 3, 4)))
static int fail(struct core *c, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->error, sizeof(c->error), fmt, ap);
	va_end(ap);
	return -err;
}

static int check_header(struct core *c, const char *path, Elf64_Ehdr *eh)
{
	if (c->file.size >= sizeof(*eh))
		memcpy(eh, c->file.data, sizeof(*eh));
	if (c->file.size < sizeof(*eh) || memcmp(eh->e_ident, ELFMAG, SELFMAG) ||
	    eh->e_type != ET_CORE)
		return fail(c, ENOEXEC, "core '%s': not an ELF core", path);
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB ||
	    eh->e_machine != EM_X86_64)
		return fail(c, ENOEXEC, "core '%s': not of an x86-64 guest", path);
	if (eh->e_phnum == PN_XNUM)
		return fail(c, ENOEXEC, "core '%s': more than %d blocks of RAM", path, PN_XNUM - 1);
	if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phoff > c->file.size ||
	    (uint64_t)eh->e_phnum * sizeof(Elf64_Phdr) > c->file.size - eh->e_phoff)
		return fail(c, ENOEXEC, "core '%s': its program headers lie outside the file", path);
	return 0;
}

static int take_block(struct core *c, const char *path, const Elf64_Phdr *ph)
{
	if (!ph->p_memsz)
		return 0;
	if ((ph->p_paddr | ph->p_memsz) & PAGE_MASK || ph->p_filesz != ph->p_memsz ||
	    ph->p_paddr >= MAX_GPA || ph->p_memsz > MAX_GPA - ph->p_paddr)
		return fail(c, ENOEXEC, "core '%s': the block of RAM at 0x%llx is not made of whole pages",
			    path, (unsigned long long)ph->p_paddr);
	c->blocks[c->nblocks++] = (struct core_block){
		.gfn = ph->p_paddr >> PAGE_SHIFT,
		.nframes = ph->p_memsz >> PAGE_SHIFT,
		.data = c->file.data + ph->p_offset,
	};
	return 0;
}

static int take_vcpu(struct core *c, const char *path, const unsigned char *desc, uint32_t size)
{
	struct qemu_cpu_state s;
	struct core_vcpu *v;

	/* kernel_gs_base came later, and nobody here needs it. */
	if (size < offsetof(struct qemu_cpu_state, kernel_gs_base))
		return fail(c, ENOEXEC, "core '%s': vCPU %u: its note is too short", path, c->nvcpus);
	if (c->nvcpus == MAX_VCPUS)
		return fail(c, ENOEXEC, "core '%s': more than %d vCPUs", path, MAX_VCPUS);
	memcpy(&s, desc, offsetof(struct qemu_cpu_state, kernel_gs_base));
	if (s.version != QEMU_NOTE_VERSION)
		return fail(c, ENOEXEC, "core '%s': vCPU %u: version %u of its note is not known",
			    path, c->nvcpus, s.version);
	v = realloc(c->vcpus, (c->nvcpus + 1) * sizeof(*v));
	if (!v)
		return fail(c, ENOMEM, "core '%s': out of memory", path);
	c->vcpus = v;
	v[c->nvcpus++] = (struct core_vcpu){ s.rip, s.cr[0], s.cr[3], s.cr[4] };
	return 0;
}

static int take_set(struct core *c, const char *path, const unsigned char *desc, uint32_t size)
{
	struct hcg_dump_note n;
	uint64_t bytes;

	if (c->has_set)
		return fail(c, ENOEXEC, "core '%s': it holds two sets", path);
	if (size < sizeof(n))
		return fail(c, ENOEXEC, "core '%s': the set's note is too short", path);
	memcpy(&n, desc, sizeof(n));
	if (n.version != HCG_DUMP_VERSION)
		return fail(c, ENOEXEC, "core '%s': version %u of the set's note is not known", path,
			    n.version);
	if (n.cbit && (n.cbit < 32 || n.cbit > 51))
		return fail(c, ENOEXEC, "core '%s': bit %u cannot be the C-bit", path, n.cbit);
	bytes = size - sizeof(n);
	if (n.npages > bytes * 8 || (n.npages + 63) / 64 * 8 != bytes)
		return fail(c, ENOEXEC, "core '%s': a set of %llu pages in %llu bytes", path,
			    (unsigned long long)n.npages, (unsigned long long)bytes);
	c->words = malloc(bytes + 1);
	if (!c->words)
		return fail(c, ENOMEM, "core '%s': out of memory", path);
	memcpy(c->words, desc + sizeof(n), bytes);
	c->npages = n.npages;
	c->cbit = n.cbit;
	c->has_set = true;
	return 0;
}

static bool is_note(const Elf64_Nhdr *nh, const unsigned char *name, const char *want,
		    uint32_t type)
{
	return nh->n_type == type && nh->n_namesz == strlen(want) + 1 &&
	       !memcmp(name, want, nh->n_namesz);
}

static int take_notes(struct core *c, const char *path, const Elf64_Phdr *ph)
{
	uint64_t pos = ph->p_offset, end = pos + ph->p_filesz, name, desc;
	Elf64_Nhdr nh;
	int err = 0;

	while (!err && end - pos >= sizeof(nh)) {
		memcpy(&nh, c->file.data + pos, sizeof(nh));
		name = pos + sizeof(nh);
		desc = name + (((uint64_t)nh.n_namesz + 3) & ~3ULL);
		pos = desc + (((uint64_t)nh.n_descsz + 3) & ~3ULL);
		if (pos > end)
			return fail(c, ENOEXEC, "core '%s': a note is longer than its segment", path);
		if (is_note(&nh, c->file.data + name, QEMU_NOTE_NAME, QEMU_NOTE_TYPE))
			err = take_vcpu(c, path, c->file.data + desc, nh.n_descsz);
		else if (is_note(&nh, c->file.data + name, HCG_DUMP_NOTE_NAME, HCG_DUMP_NOTE_TYPE))
			err = take_set(c, path, c->file.data + desc, nh.n_descsz);
	}
	return err;
}

static int by_gfn(const void *a, const void *b)
{
	const struct core_block *x = a, *y = b;

	return x->gfn < y->gfn ? -1 : x->gfn > y->gfn;
}

static int number_frames(struct core *c, const char *path)
{
	unsigned int i;

	qsort(c->blocks, c->nblocks, sizeof(*c->blocks), by_gfn);
	for (i = 0; i < c->nblocks; i++) {
		if (i && c->blocks[i].gfn - c->blocks[i - 1].gfn < c->blocks[i - 1].nframes)
			return fail(c, ENOEXEC, "core '%s': two blocks of RAM hold gfn 0x%llx", path,
				    (unsigned long long)c->blocks[i].gfn);
		c->blocks[i].first = c->nframes;
		c->nframes += c->blocks[i].nframes;
	}
	return 0;
}

static int read_core(struct core *c, const char *path)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	int i, err;

	err = check_header(c, path, &eh);
	if (err)
		return err;
	c->blocks = calloc(eh.e_phnum + 1, sizeof(*c->blocks));
	if (!c->blocks)
		return fail(c, ENOMEM, "core '%s': out of memory", path);

	for (i = 0; !err && i < eh.e_phnum; i++) {
		memcpy(&ph, c->file.data + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type != PT_LOAD && ph.p_type != PT_NOTE)
			continue;
		if (ph.p_offset > c->file.size || ph.p_filesz > c->file.size - ph.p_offset)
			return fail(c, ENOEXEC, "core '%s': it is truncated: segment %d ends beyond it",
				    path, i);
		err = ph.p_type == PT_LOAD ? take_block(c, path, &ph) : take_notes(c, path, &ph);
	}
	if (err)
		return err;
	if (!c->nblocks)
		return fail(c, ENOEXEC, "core '%s': it holds no RAM", path);
	return number_frames(c, path);
}

int core_open(struct core *core, const char *path)
{
	int err;

	memset(core, 0, sizeof(*core));
	err = hcg_map(path, &core->file);
	if (err)
		return fail(core, -err, "core '%s': %s", path, hcg_map_error(err));
	err = read_core(core, path);
	if (err)
		core_close(core);
	return err;
}

void core_close(struct core *core)
{
	hcg_unmap(&core->file);
	free(core->blocks);
	free(core->vcpus);
	free(core->words);
}

/* The block that holds gfn, or the last one below it, or NULL. */
static const struct core_block *block_of(const struct core *c, uint64_t gfn)
{
	unsigned int lo = 0, hi = c->nblocks, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (c->blocks[mid].gfn <= gfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? &c->blocks[lo - 1] : NULL;
}

uint64_t core_frame(const struct core *core, uint64_t gfn)
{
	const struct core_block *b = block_of(core, gfn);

	return b && gfn - b->gfn < b->nframes ? b->first + gfn - b->gfn : CORE_NO_FRAME;
}

uint64_t core_next_ram(const struct core *core, uint64_t gfn)
{
	const struct core_block *b = block_of(core, gfn);

	if (b && gfn - b->gfn < b->nframes)
		return gfn;
	b = b ? b + 1 : core->blocks;
	return b < core->blocks + core->nblocks ? b->gfn : CORE_NO_FRAME;
}

const unsigned char *core_page(const struct core *core, uint64_t gfn)
{
	const struct core_block *b = block_of(core, gfn);

	if (!b || gfn - b->gfn >= b->nframes)
		return NULL;
	return b->data + ((gfn - b->gfn) << PAGE_SHIFT);
}

bool core_set_test(const struct core *core, uint64_t gfn)
{
	return gfn < core->npages && core->words[gfn / 64] >> gfn % 64 & 1;
}
