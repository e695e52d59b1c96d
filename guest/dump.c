// SPDX-License-Identifier: GPL-2.0
/*
 * The writer of guest dumps.  Layout of the file: ELF header, program headers
 * (the notes first), notes, and from a page boundary on the blocks of RAM back to
 * back.  Sizes are computed first, in the order in which things are written.
 */
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump.h"

#define PAGE		4096ULL
#define PIECE		(64 * PAGE)	/* zero pages are looked for within one */

struct note_head {
	Elf64_Nhdr nh;
	char name[12];
};

static uint64_t round_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) / to * to;
}

static int write_at(int fd, const void *buf, uint64_t len, uint64_t pos)
{
	const char *p = buf;
	ssize_t n;

	while (len) {
		n = pwrite(fd, p, len, pos);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		p += n;
		pos += n;
		len -= n;
	}
	return 0;
}

static bool is_zero(const void *page)
{
	const uint64_t *w = page;

	return !w[0] && !memcmp(w, w + 1, PAGE - sizeof(*w));
}

/* Runs of non-zero pages are written in one go, up to a piece; the rest is skipped. */
static int write_sparse(int fd, const char *mem, uint64_t size, uint64_t pos)
{
	uint64_t i = 0, start;
	int err;

	while (i < size) {
		if (is_zero(mem + i)) {
			i += PAGE;
			continue;
		}
		for (start = i; i < size && i - start < PIECE && !is_zero(mem + i); i += PAGE)
			;
		err = write_at(fd, mem + start, i - start, pos + start);
		if (err)
			return err;
	}
	return 0;
}

static struct qemu_segment segment(const struct kvm_segment *s)
{
	return (struct qemu_segment){
		.selector = s->selector, .limit = s->limit, .base = s->base,
		.flags = s->type << 8 | s->s << 12 | s->dpl << 13 | s->present << 15 |
			 s->avl << 20 | s->l << 21 | s->db << 22 | (uint32_t)s->g << 23,
	};
}

static struct qemu_cpu_state cpu_state(const struct hcg_dump_vcpu *v)
{
	const struct kvm_regs *r = &v->regs;
	const struct kvm_sregs *s = &v->sregs;

	return (struct qemu_cpu_state){
		.version = QEMU_NOTE_VERSION, .size = sizeof(struct qemu_cpu_state),
		.rax = r->rax, .rbx = r->rbx, .rcx = r->rcx, .rdx = r->rdx,
		.rsi = r->rsi, .rdi = r->rdi, .rsp = r->rsp, .rbp = r->rbp,
		.r8 = r->r8, .r9 = r->r9, .r10 = r->r10, .r11 = r->r11,
		.r12 = r->r12, .r13 = r->r13, .r14 = r->r14, .r15 = r->r15,
		.rip = r->rip, .rflags = r->rflags,
		.cs = segment(&s->cs), .ds = segment(&s->ds), .es = segment(&s->es),
		.fs = segment(&s->fs), .gs = segment(&s->gs), .ss = segment(&s->ss),
		.ldt = segment(&s->ldt), .tr = segment(&s->tr),
		.gdt = { .limit = s->gdt.limit, .base = s->gdt.base },
		.idt = { .limit = s->idt.limit, .base = s->idt.base },
		.cr = { s->cr0, 0, s->cr2, s->cr3, s->cr4 },
	};
}

static struct note_head note_head(const char *name, uint32_t type, uint32_t descsz)
{
	struct note_head h = { .nh = { strlen(name) + 1, descsz, type } };

	memcpy(h.name, name, strlen(name));
	return h;
}

static uint64_t note_head_size(const char *name)
{
	return sizeof(Elf64_Nhdr) + round_up(strlen(name) + 1, 4);
}

static uint64_t words_size(const struct hcg_dump *d)
{
	return (d->npages + 63) / 64 * sizeof(uint64_t);
}

static uint64_t notes_size(const struct hcg_dump *d)
{
	return d->nvcpus * (note_head_size(QEMU_NOTE_NAME) + sizeof(struct qemu_cpu_state)) +
	       note_head_size(HCG_DUMP_NOTE_NAME) + sizeof(struct hcg_dump_note) + words_size(d);
}

static int write_notes(int fd, const struct hcg_dump *d, uint64_t pos)
{
	struct hcg_dump_note set = { HCG_DUMP_VERSION, d->cbit, d->npages };
	struct qemu_cpu_state cpu;
	struct note_head h;
	unsigned int i;
	int err = 0;

	h = note_head(QEMU_NOTE_NAME, QEMU_NOTE_TYPE, sizeof(cpu));
	for (i = 0; !err && i < d->nvcpus; i++) {
		cpu = cpu_state(&d->vcpus[i]);
		err = write_at(fd, &h, note_head_size(QEMU_NOTE_NAME), pos);
		pos += note_head_size(QEMU_NOTE_NAME);
		if (!err)
			err = write_at(fd, &cpu, sizeof(cpu), pos);
		pos += sizeof(cpu);
	}
	if (err)
		return err;

	h = note_head(HCG_DUMP_NOTE_NAME, HCG_DUMP_NOTE_TYPE, sizeof(set) + words_size(d));
	err = write_at(fd, &h, note_head_size(HCG_DUMP_NOTE_NAME), pos);
	pos += note_head_size(HCG_DUMP_NOTE_NAME);
	if (!err)
		err = write_at(fd, &set, sizeof(set), pos);
	if (!err)
		err = write_at(fd, d->words, words_size(d), pos + sizeof(set));
	return err;
}

static bool sane(const struct hcg_dump *d)
{
	unsigned int i;

	for (i = 0; i < d->nblocks; i++)
		if (d->blocks[i].gpa % PAGE || d->blocks[i].size % PAGE || !d->blocks[i].size)
			return false;
	return d->nblocks && d->nblocks < PN_XNUM - 1 && words_size(d) < UINT32_MAX - PAGE;
}

int hcg_dump_write(int fd, const struct hcg_dump *d)
{
	uint64_t table, notes, pos;
	Elf64_Ehdr eh = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
		.e_phoff = sizeof(eh), .e_ehsize = sizeof(eh),
		.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = d->nblocks + 1,
	};
	Elf64_Phdr *ph;
	unsigned int i;
	int err;

	if (!sane(d))
		return -EINVAL;
	ph = calloc(d->nblocks + 1, sizeof(*ph));
	if (!ph)
		return -ENOMEM;

	table = (d->nblocks + 1) * sizeof(*ph);
	notes = sizeof(eh) + table;
	ph[0] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = notes, .p_filesz = notes_size(d),
			      .p_memsz = notes_size(d) };
	pos = round_up(notes + notes_size(d), PAGE);
	for (i = 0; i < d->nblocks; i++) {
		ph[i + 1] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = pos,
					  .p_paddr = d->blocks[i].gpa,
					  .p_filesz = d->blocks[i].size,
					  .p_memsz = d->blocks[i].size };
		pos += d->blocks[i].size;
	}

	err = write_at(fd, &eh, sizeof(eh), 0);
	if (!err)
		err = write_at(fd, ph, table, sizeof(eh));
	if (!err)
		err = write_notes(fd, d, notes);
	if (!err && ftruncate(fd, pos))
		err = -errno;
	for (i = 0; !err && i < d->nblocks; i++)
		err = write_sparse(fd, d->blocks[i].mem, d->blocks[i].size, ph[i + 1].p_offset);

	free(ph);
	return err;
}
