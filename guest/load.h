/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For VMMs: put hcguest.elf (x86: or another PVH guest ELF that needs no initrd) into a guest's
 * memory and start vCPUs in it.  The ELF is not trusted.  x86/ and arm64/ have a loader each.
 */
#ifndef HCP_GUEST_LOAD_H
#define HCP_GUEST_LOAD_H

#include <stdint.h>

struct hcguest {
	uint32_t pvh_entry;	/* x86: where vCPU 0 starts */
	uint32_t vcpu_entry;	/* where the others start; 0: this ELF has no way to */
	uint32_t start_info;	/* x86: GPA of hvm_start_info */
	char error[256];	/* why the last call failed */
};

/*
 * mem is the host address of GPA 0, and mem_size the bytes from there.  cmdline may be NULL.  A
 * negative errno and out->error on failure.  x86: GPA 0x10000 to 0x1ffff gets the start_info, the
 * memory map and the command line (at most 32 KiB).  arm64's guest has no command line.
 */
int hcguest_load(const char *path, void *mem, uint64_t mem_size, const char *cmdline,
		 struct hcguest *out);

/*
 * Set the registers of a vCPU (x86: and its MP state, so no SIPI is needed) so that its
 * next KVM_RUN starts in the guest as vCPU index.  CPUID is the caller's.  It may have run before.
 */
int hcguest_start_vcpu(int vm_fd, int vcpu_fd, struct hcguest *g, unsigned int index);

#endif /* HCP_GUEST_LOAD_H */
