/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a loader and a PVH guest share: the start_info of Xen's PVH boot
 * protocol, and the ELF notes that name the entry points.  Usable from assembly.
 */
#ifndef HCP_GUEST_BOOT_H
#define HCP_GUEST_BOOT_H

/* Entered in 32-bit protected mode, paging off, ebx = GPA of hvm_start_info. */
#define XEN_ELFNOTE_PHYS32_ENTRY	18

/*
 * Our own, for vCPUs that a VMM starts directly: the same state, and esi = the
 * vCPU's index.
 */
#define HCG_NOTE_NAME			"HCGUEST"
#define HCG_NOTE_VCPU_ENTRY		1

#ifndef __ASSEMBLER__
#include <stdint.h>

#define HVM_START_MAGIC		0x336ec578
#define HVM_MEMMAP_RAM		1

struct hvm_start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist_paddr;
	uint64_t cmdline_paddr;
	uint64_t rsdp_paddr;
	uint64_t memmap_paddr;	/* version 1 */
	uint32_t memmap_entries;
	uint32_t reserved;
};

struct hvm_memmap_table_entry {
	uint64_t addr;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};
#endif

#endif /* HCP_GUEST_BOOT_H */
