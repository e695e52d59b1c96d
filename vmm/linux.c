// SPDX-License-Identifier: GPL-2.0
/*
 * Booting a bzImage by the 64-bit boot protocol: the kernel at the address it
 * prefers, the initrd as high as the kernel allows.  Below 640 KiB are:
 *
 *	0x1000	GDT		0x10000	boot_params (the zero page)
 *	0x2000	page tables	0x20000	command line
 *
 * The file is not trusted: each number in it is checked against its size or the
 * guest's memory before it is used.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <asm/bootparam.h>

#include "../guest/map.h"
#include "acpi.h"
#include "linux.h"

#define GDT_GPA		0x1000
#define PT_GPA		0x2000
#define BOOT_GPA	0x10000
#define CMDLINE_GPA	0x20000
#define CMDLINE_ROOM	0x10000
#define LOW_END		0x9fc00
#define BIOS_START	ACPI_RSDP_GPA
#define BIOS_END	0x100000

#define DEFAULT_APPEND	"console=ttyS0 panic=-1"

#define HEADER_OFFSET	0x1f1
#define HEADER_MAGIC	0x53726448	/* "HdrS" */
#define MIN_VERSION	0x20c		/* with xloadflags */
#define ENTRY_64	0x200		/* startup_64 of every 64-bit kernel */
#define LOADER_OTHER	0xff
#define E820_RAM	1
#define E820_RESERVED	2

static int map_file(const char *path, struct hcg_map *map)
{
	int err = hcg_map(path, map);

	return err ? fail("'%s': %s", path, hcg_map_error(err)) : 0;
}

/* Fills hdr from the image; the rest of it stays zero, as the protocol wants. */
static int read_header(const char *path, const struct hcg_map *f, struct setup_header *hdr)
{
	uint64_t end;

	memset(hdr, 0, sizeof(*hdr));
	if (f->size < 1024)
		return fail("kernel '%s': too short for a bzImage", path);
	end = 0x202 + f->data[0x201];
	if (end > HEADER_OFFSET + sizeof(*hdr))
		end = HEADER_OFFSET + sizeof(*hdr);
	memcpy(hdr, f->data + HEADER_OFFSET, end - HEADER_OFFSET);

	if (hdr->boot_flag != 0xaa55 || hdr->header != HEADER_MAGIC)
		return fail("kernel '%s': not a bzImage", path);
	if (hdr->version < MIN_VERSION || !(hdr->loadflags & LOADED_HIGH) ||
	    !(hdr->xloadflags & XLF_KERNEL_64))
		return fail("kernel '%s': no 64-bit entry (boot protocol %d.%02d)", path,
			    hdr->version >> 8, hdr->version & 0xff);
	return 0;
}

static int load_kernel(struct vm *vm, const struct hcg_map *f, const struct setup_header *hdr)
{
	uint64_t start = ((hdr->setup_sects ?: 4) + 1) * 512;
	uint64_t need = hdr->init_size;
	void *to;

	if (f->size <= start)
		return fail("kernel '%s': the file is truncated", vm->cfg->kernel);
	if (need < f->size - start)
		need = f->size - start;
	to = vm_hva(vm, hdr->pref_address, need);
	if (!to)
		return fail("kernel '%s' needs at least --mem %lluM", vm->cfg->kernel,
			    (unsigned long long)((hdr->pref_address + need) / MIB + 1));
	memcpy(to, f->data + start, f->size - start);
	return 0;
}

static int load_initrd(struct vm *vm, const char *path, struct setup_header *hdr)
{
	uint64_t top = vm->slots[0].size;
	struct hcg_map f;
	uint64_t gpa;

	if (map_file(path, &f))
		return -1;
	if (top > (uint64_t)hdr->initrd_addr_max + 1)
		top = (uint64_t)hdr->initrd_addr_max + 1;
	gpa = f.size < top ? (top - f.size) & ~0xfffULL : 0;
	if (gpa < hdr->pref_address + hdr->init_size) {
		hcg_unmap(&f);
		return fail("initrd '%s' (%llu MiB) does not fit beside the kernel (is --mem too small?)",
			    path, (unsigned long long)(f.size / MIB));
	}
	memcpy(vm_hva(vm, gpa, f.size), f.data, f.size);
	hdr->ramdisk_image = gpa;
	hdr->ramdisk_size = f.size;
	hcg_unmap(&f);
	return 0;
}

static int load_cmdline(struct vm *vm, struct setup_header *hdr)
{
	const char *text = vm->cfg->append ?: DEFAULT_APPEND;
	size_t len = strlen(text) + 1;

	if (len > CMDLINE_ROOM || len > (uint64_t)hdr->cmdline_size + 1)
		return fail("--append is longer than the %u bytes that the kernel takes",
			    hdr->cmdline_size);
	memcpy(vm_hva(vm, CMDLINE_GPA, len), text, len);
	hdr->cmd_line_ptr = CMDLINE_GPA;
	return 0;
}

static void add_e820(struct boot_params *bp, uint64_t start, uint64_t end, uint32_t type)
{
	struct boot_e820_entry *e = &bp->e820_table[bp->e820_entries++];

	e->addr = start;
	e->size = end - start;
	e->type = type;
}

static void write_boot_params(struct vm *vm, const struct setup_header *hdr)
{
	struct boot_params *bp = vm_hva(vm, BOOT_GPA, sizeof(*bp));
	const struct memslot *slot;

	memset(bp, 0, sizeof(*bp));
	bp->hdr = *hdr;
	bp->hdr.type_of_loader = LOADER_OTHER;
	bp->acpi_rsdp_addr = ACPI_RSDP_GPA;
	add_e820(bp, 0, LOW_END, E820_RAM);
	add_e820(bp, BIOS_START, BIOS_END, E820_RESERVED);
	for (slot = vm->slots; slot < vm->slots + vm->nslots; slot++)
		add_e820(bp, slot->gpa ?: BIOS_END, slot->gpa + slot->size, E820_RAM);
}

/*
 * An identity map of the first 4 GiB, by pages of 2 MiB.  If the VM has a C-bit, RAM and these
 * tables are mapped with it, that is, as private.
 */
static void write_page_tables(struct vm *vm)
{
	enum { PRESENT = 1, WRITE = 2, LARGE = 0x80, TABLE = PRESENT | WRITE };
	uint64_t *pml4 = vm_hva(vm, PT_GPA, 6 * 4096);
	uint64_t *pdpt = pml4 + 512, *pd = pdpt + 512;
	uint64_t gpa;
	int i;

	memset(pml4, 0, 2 * 4096);
	pml4[0] = (PT_GPA + 0x1000) | vm->cbit | TABLE;
	for (i = 0; i < 4; i++)
		pdpt[i] = (PT_GPA + 0x2000 + i * 0x1000) | vm->cbit | TABLE;
	for (i = 0; i < 4 * 512; i++) {
		gpa = i * 2 * MIB;
		pd[i] = gpa | (vm_hva(vm, gpa, 1) ? vm->cbit : 0) | LARGE | TABLE;
	}
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, bool code)
{
	return (struct kvm_segment){
		.limit = 0xffffffff, .selector = selector, .type = type,
		.present = 1, .s = 1, .g = 1, .l = code, .db = !code,
	};
}

static int set_registers(struct vm *vm, uint64_t entry)
{
	enum { CR0_PE = 1, CR0_ET = 0x10, CR0_PG = 1U << 31, CR4_PAE = 0x20 };
	enum { EFER_LME = 0x100, EFER_LMA = 0x400 };
	/* 0x10: 64-bit code, 0x18: data, as the boot protocol wants */
	static const uint64_t gdt[] = { 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
	struct kvm_regs regs = { .rip = entry, .rsi = BOOT_GPA, .rflags = 2 };
	struct kvm_sregs sregs;
	int fd = vm->vcpus[0].fd;

	if (ioctl(fd, KVM_GET_SREGS, &sregs))
		return fail_errno("KVM_GET_SREGS");
	memcpy(vm_hva(vm, GDT_GPA, sizeof(gdt)), gdt, sizeof(gdt));
	sregs.gdt.base = GDT_GPA;
	sregs.gdt.limit = sizeof(gdt) - 1;
	sregs.cs = segment(0x10, 0xb, true);
	sregs.ds = segment(0x18, 0x3, false);
	sregs.es = sregs.ss = sregs.fs = sregs.gs = sregs.ds;
	sregs.cr0 = CR0_PE | CR0_ET | CR0_PG;
	sregs.cr3 = PT_GPA | vm->cbit;
	sregs.cr4 = CR4_PAE;
	sregs.efer = EFER_LME | EFER_LMA;
	if (ioctl(fd, KVM_SET_SREGS, &sregs))
		return fail_errno("KVM_SET_SREGS");
	if (ioctl(fd, KVM_SET_REGS, &regs))
		return fail_errno("KVM_SET_REGS");
	return 0;
}

int linux_load(struct vm *vm)
{
	struct setup_header hdr;
	struct hcg_map f;
	int ret = -1;

	if (map_file(vm->cfg->kernel, &f))
		return -1;
	if (read_header(vm->cfg->kernel, &f, &hdr) || load_kernel(vm, &f, &hdr) || load_cmdline(vm, &hdr))
		goto out;
	if (vm->cfg->initrd && load_initrd(vm, vm->cfg->initrd, &hdr))
		goto out;
	if (acpi_write(vm))
		goto out;
	write_boot_params(vm, &hdr);
	write_page_tables(vm);
	ret = set_registers(vm, hdr.pref_address + ENTRY_64);
out:
	hcg_unmap(&f);
	return ret;
}
