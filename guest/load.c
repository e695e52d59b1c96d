// SPDX-License-Identifier: GPL-2.0
/*
 * The loader of PVH guest ELFs.  Every number in the file is checked against the
 * size of the file or of the guest's memory before it is used.
 */
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>

#include "boot.h"
#include "load.h"
#include "mailbox.h"
#include "map.h"

#define BOOT_GPA	0x10000		/* hvm_start_info, then the memory map */
#define CMDLINE_GPA	0x18000
#define CMDLINE_MAX	0x8000
#define LOW_RAM_END	0x9fc00
#define IMAGE_MIN	0x100000

__attribute__((format(printf, 3, 4)))
static int fail(struct hcguest *g, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(g->error, sizeof(g->error), fmt, ap);
	va_end(ap);
	return -err;
}

static int check_header(const char *path, const struct hcg_map *img, Elf64_Ehdr *eh,
			struct hcguest *g)
{
	if (img->size >= sizeof(*eh))
		memcpy(eh, img->data, sizeof(*eh));
	if (img->size < sizeof(*eh) || memcmp(eh->e_ident, ELFMAG, SELFMAG))
		return fail(g, ENOEXEC, "guest '%s': not an ELF file", path);
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB ||
	    eh->e_machine != EM_X86_64 || eh->e_type != ET_EXEC)
		return fail(g, ENOEXEC, "guest '%s': not a static x86-64 executable", path);
	if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phoff > img->size ||
	    (uint64_t)eh->e_phnum * sizeof(Elf64_Phdr) > img->size - eh->e_phoff)
		return fail(g, ENOEXEC, "guest '%s': its program headers lie outside the file", path);
	return 0;
}

static int load_segment(const char *path, const struct hcg_map *img, const Elf64_Phdr *ph,
			unsigned char *mem, uint64_t mem_size, struct hcguest *g)
{
	if (ph->p_offset > img->size || ph->p_filesz > img->size - ph->p_offset ||
	    ph->p_filesz > ph->p_memsz)
		return fail(g, ENOEXEC, "guest '%s': the segment at 0x%llx is longer than the file",
			    path, (unsigned long long)ph->p_paddr);
	if (ph->p_paddr < IMAGE_MIN)
		return fail(g, ENOEXEC, "guest '%s': the segment at 0x%llx lies below 1 MiB, which is the loader's",
			    path, (unsigned long long)ph->p_paddr);
	if (ph->p_paddr > mem_size || ph->p_memsz > mem_size - ph->p_paddr)
		return fail(g, ENOMEM, "guest '%s': the segment at 0x%llx, %llu bytes, does not fit in %llu MiB of memory",
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
		return fail(g, ENOEXEC, "guest '%s': its notes lie outside the file", path);
	end = ph->p_offset + ph->p_filesz;

	while (end - pos >= sizeof(nh)) {
		memcpy(&nh, img->data + pos, sizeof(nh));
		name = pos + sizeof(nh);
		desc = name + (((uint64_t)nh.n_namesz + 3) & ~3ULL);
		next = desc + (((uint64_t)nh.n_descsz + 3) & ~3ULL);
		if (next > end)
			return fail(g, ENOEXEC, "guest '%s': a note is longer than its segment", path);
		take_note(&nh, (const char *)img->data + name, img->data + desc, g);
		pos = next;
	}
	return 0;
}

static int load_image(const char *path, const struct hcg_map *img, unsigned char *mem,
		      uint64_t mem_size, struct hcguest *g)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	int i, err;

	err = check_header(path, img, &eh, g);
	for (i = 0; !err && i < eh.e_phnum; i++) {
		memcpy(&ph, img->data + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_LOAD)
			err = load_segment(path, img, &ph, mem, mem_size, g);
		else if (ph.p_type == PT_NOTE)
			err = read_notes(path, img, &ph, g);
	}
	if (err)
		return err;
	if (!g->pvh_entry)
		return fail(g, ENOEXEC, "guest '%s': no PVH entry (XEN_ELFNOTE_PHYS32_ENTRY note)", path);
	if (g->pvh_entry < IMAGE_MIN || g->pvh_entry >= mem_size ||
	    (g->vcpu_entry && (g->vcpu_entry < IMAGE_MIN || g->vcpu_entry >= mem_size)))
		return fail(g, ENOEXEC, "guest '%s': an entry point lies outside the memory", path);
	return 0;
}

static void write_start_info(unsigned char *mem, uint64_t mem_size, const char *cmdline,
			     struct hcguest *g)
{
	struct hvm_memmap_table_entry map[2] = {
		{ .addr = 0, .size = LOW_RAM_END, .type = HVM_MEMMAP_RAM },
		{ .addr = IMAGE_MIN, .size = mem_size - IMAGE_MIN, .type = HVM_MEMMAP_RAM },
	};
	struct hvm_start_info si = {
		.magic = HVM_START_MAGIC,
		.version = 1,
		.cmdline_paddr = CMDLINE_GPA,
		.memmap_paddr = BOOT_GPA + sizeof(si),
		.memmap_entries = 2,
	};

	memcpy(mem + BOOT_GPA, &si, sizeof(si));
	memcpy(mem + BOOT_GPA + sizeof(si), map, sizeof(map));
	memcpy(mem + CMDLINE_GPA, cmdline, strlen(cmdline) + 1);
	g->start_info = BOOT_GPA;
}

int hcguest_load(const char *path, void *mem, uint64_t mem_size, const char *cmdline,
		 struct hcguest *out)
{
	struct hcg_map img = {};
	int err;

	memset(out, 0, sizeof(*out));
	if (!cmdline)
		cmdline = "";
	if (mem_size < HCG_FREE_GPA)
		return fail(out, ENOMEM, "guest '%s': needs at least %u MiB of memory", path,
			    HCG_FREE_GPA >> 20);
	if (strlen(cmdline) >= CMDLINE_MAX)
		return fail(out, E2BIG, "guest '%s': the command line is longer than %d bytes", path,
			    CMDLINE_MAX - 1);

	err = hcg_map(path, &img);
	if (err)
		return fail(out, -err, "guest '%s': %s", path, hcg_map_error(err));
	err = load_image(path, &img, mem, mem_size, out);
	if (!err)
		write_start_info(mem, mem_size, cmdline, out);
	hcg_unmap(&img);
	return err;
}

/* What PVH promises: flat 32-bit segments, paging off, a valid TSS, ebx. */
static void pvh_state(struct kvm_sregs *s, struct kvm_regs *r, const struct hcguest *g,
		      unsigned int index)
{
	struct kvm_segment code = { .limit = 0xffffffff, .selector = 0x08, .type = 0xb,
				    .present = 1, .db = 1, .s = 1, .g = 1 };
	struct kvm_segment data = { .limit = 0xffffffff, .selector = 0x10, .type = 0x3,
				    .present = 1, .db = 1, .s = 1, .g = 1 };

	s->cs = code;
	s->ds = s->es = s->fs = s->gs = s->ss = data;
	s->tr = (struct kvm_segment){ .limit = 0x67, .type = 0xb, .present = 1 };
	s->ldt = (struct kvm_segment){ .type = 0x2, .unusable = 1 };
	s->gdt = s->idt = (struct kvm_dtable){};
	s->cr0 = 0x11;	/* PE, ET */
	s->cr3 = 0;
	s->cr4 = 0;
	s->efer = 0;

	*r = (struct kvm_regs){
		.rip = index ? g->vcpu_entry : g->pvh_entry,
		.rbx = g->start_info,
		.rsi = index,
		.rflags = 2,
	};
}

int hcguest_start_vcpu(int vcpu_fd, struct hcguest *g, unsigned int index)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (index && !g->vcpu_entry)
		return fail(g, ENOEXEC, "vCPU %u: this guest has an entry for one vCPU only", index);
	if (index >= HCG_MAX_VCPUS)
		return fail(g, EINVAL, "vCPU %u: the guest serves vCPUs 0 to %d", index,
			    HCG_MAX_VCPUS - 1);

	if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs))
		return fail(g, errno, "vCPU %u: KVM_GET_SREGS: %s", index, strerror(errno));
	pvh_state(&sregs, &regs, g, index);
	if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs))
		return fail(g, errno, "vCPU %u: KVM_SET_SREGS: %s", index, strerror(errno));
	if (ioctl(vcpu_fd, KVM_SET_REGS, &regs))
		return fail(g, errno, "vCPU %u: KVM_SET_REGS: %s", index, strerror(errno));
	if (ioctl(vcpu_fd, KVM_SET_MP_STATE, &mp))
		return fail(g, errno, "vCPU %u: KVM_SET_MP_STATE: %s", index, strerror(errno));
	return 0;
}
