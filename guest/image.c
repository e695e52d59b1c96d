// SPDX-License-Identifier: GPL-2.0
/*
 * The segments and the notes of a guest's ELF.  Every number in the file is checked against
 * the size of the file or of the guest's memory before it is used.
 */
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "boot.h"
#include "image.h"
#include "mailbox.h"
#include "map.h"

int hcguest_fail(struct hcguest *g, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(g->error, sizeof(g->error), fmt, ap);
	va_end(ap);
	return -err;
}

static int check_header(const char *path, uint16_t machine, const struct hcg_map *img,
			Elf64_Ehdr *eh, struct hcguest *g)
{
	if (img->size >= sizeof(*eh))
		memcpy(eh, img->data, sizeof(*eh));
	if (img->size < sizeof(*eh) || memcmp(eh->e_ident, ELFMAG, SELFMAG))
		return hcguest_fail(g, ENOEXEC, "guest '%s': not an ELF file", path);
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB ||
	    eh->e_machine != machine || eh->e_type != ET_EXEC)
		return hcguest_fail(g, ENOEXEC, "guest '%s': not a static executable for %s", path,
				    machine == EM_X86_64 ? "x86-64" : "arm64");
	if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phoff > img->size ||
	    (uint64_t)eh->e_phnum * sizeof(Elf64_Phdr) > img->size - eh->e_phoff)
		return hcguest_fail(g, ENOEXEC, "guest '%s': its program headers lie outside the file", path);
	return 0;
}

static int load_segment(const char *path, const struct hcg_map *img, const Elf64_Phdr *ph,
			unsigned char *mem, uint64_t mem_size, struct hcguest *g)
{
	if (ph->p_offset > img->size || ph->p_filesz > img->size - ph->p_offset ||
	    ph->p_filesz > ph->p_memsz)
		return hcguest_fail(g, ENOEXEC, "guest '%s': the segment at 0x%llx is longer than the file",
			    path, (unsigned long long)ph->p_paddr);
	if (ph->p_paddr < IMAGE_MIN)
		return hcguest_fail(g, ENOEXEC, "guest '%s': the segment at 0x%llx lies below 1 MiB, which is the loader's",
			    path, (unsigned long long)ph->p_paddr);
	if (ph->p_paddr > mem_size || ph->p_memsz > mem_size - ph->p_paddr)
		return hcguest_fail(g, ENOMEM, "guest '%s': the segment at 0x%llx, %llu bytes, does not fit in %llu MiB of memory",
			    path, (unsigned long long)ph->p_paddr, (unsigned long long)ph->p_memsz,
			    (unsigned long long)mem_size >> 20);

	memcpy(mem + ph->p_paddr, img->data + ph->p_offset, ph->p_filesz);
	memset(mem + ph->p_paddr + ph->p_filesz, 0, ph->p_memsz - ph->p_filesz);
	return 0;
}

/* The first four bytes of a note's descriptor: both notes of interest have them. */
static void take_note(const Elf64_Nhdr *nh, const char *name, const unsigned char *desc,
		      struct hcguest *g)
{
	uint32_t value;

	if (nh->n_descsz < sizeof(value))
		return;
	memcpy(&value, desc, sizeof(value));
	if (nh->n_type == XEN_ELFNOTE_PHYS32_ENTRY && nh->n_namesz == 4 && !memcmp(name, "Xen", 4))
		g->pvh_entry = value;
	if (nh->n_type == HCG_NOTE_VCPU_ENTRY && nh->n_namesz == sizeof(HCG_NOTE_NAME) &&
	    !memcmp(name, HCG_NOTE_NAME, sizeof(HCG_NOTE_NAME)))
		g->vcpu_entry = value;
}

static int read_notes(const char *path, const struct hcg_map *img, const Elf64_Phdr *ph,
		      struct hcguest *g)
{
	uint64_t pos = ph->p_offset, end, name, desc, next;
	Elf64_Nhdr nh;

	if (ph->p_offset > img->size || ph->p_filesz > img->size - ph->p_offset)
		return hcguest_fail(g, ENOEXEC, "guest '%s': its notes lie outside the file", path);
	end = ph->p_offset + ph->p_filesz;

	while (end - pos >= sizeof(nh)) {
		memcpy(&nh, img->data + pos, sizeof(nh));
		name = pos + sizeof(nh);
		desc = name + (((uint64_t)nh.n_namesz + 3) & ~3ULL);
		next = desc + (((uint64_t)nh.n_descsz + 3) & ~3ULL);
		if (next > end)
			return hcguest_fail(g, ENOEXEC, "guest '%s': a note is longer than its segment", path);
		take_note(&nh, (const char *)img->data + name, img->data + desc, g);
		pos = next;
	}
	return 0;
}

static int load_segments(const char *path, uint16_t machine, const struct hcg_map *img,
			 unsigned char *mem, uint64_t mem_size, struct hcguest *g)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	int i, err;

	err = check_header(path, machine, img, &eh, g);
	for (i = 0; !err && i < eh.e_phnum; i++) {
		memcpy(&ph, img->data + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_LOAD)
			err = load_segment(path, img, &ph, mem, mem_size, g);
		else if (ph.p_type == PT_NOTE)
			err = read_notes(path, img, &ph, g);
	}
	return err;
}

int hcguest_image(const char *path, uint16_t machine, void *mem, uint64_t mem_size,
		  struct hcguest *g)
{
	struct hcg_map img = {};
	int err;

	memset(g, 0, sizeof(*g));
	if (mem_size < HCG_FREE_GPA)
		return hcguest_fail(g, ENOMEM, "guest '%s': needs at least %u MiB of memory", path,
				    HCG_FREE_GPA >> 20);
	err = hcg_map(path, &img);
	if (err)
		return hcguest_fail(g, -err, "guest '%s': %s", path, hcg_map_error(err));
	err = load_segments(path, machine, &img, mem, mem_size, g);
	hcg_unmap(&img);
	if (err)
		return err;
	if ((g->pvh_entry && (g->pvh_entry < IMAGE_MIN || g->pvh_entry >= mem_size)) ||
	    (g->vcpu_entry && (g->vcpu_entry < IMAGE_MIN || g->vcpu_entry >= mem_size)))
		return hcguest_fail(g, ENOEXEC, "guest '%s': an entry point lies outside the memory", path);
	return 0;
}
