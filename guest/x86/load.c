// SPDX-License-Identifier: GPL-2.0
/* The loader of PVH guest ELFs. */
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>

#include "../boot.h"
#include "../image.h"
#include "../mailbox.h"

#define BOOT_GPA	0x10000		/* hvm_start_info, then the memory map */
#define CMDLINE_GPA	0x18000
#define CMDLINE_MAX	0x8000
#define LOW_RAM_END	0x9fc00

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
	int err;

	if (!cmdline)
		cmdline = "";
	err = hcguest_image(path, EM_X86_64, mem, mem_size, out);
	if (err)
		return err;
	if (strlen(cmdline) >= CMDLINE_MAX)
		return hcguest_fail(out, E2BIG, "guest '%s': the command line is longer than %d bytes", path,
				    CMDLINE_MAX - 1);
	if (!out->pvh_entry)
		return hcguest_fail(out, ENOEXEC, "guest '%s': no PVH entry (XEN_ELFNOTE_PHYS32_ENTRY note)",
				    path);
	write_start_info(mem, mem_size, cmdline, out);
	return 0;
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

int hcguest_start_vcpu(int vm_fd, int vcpu_fd, struct hcguest *g, unsigned int index)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (index && !g->vcpu_entry)
		return hcguest_fail(g, ENOEXEC, "vCPU %u: this guest has an entry for one vCPU only", index);
	if (index >= HCG_MAX_VCPUS)
		return hcguest_fail(g, EINVAL, "vCPU %u: the guest serves vCPUs 0 to %d", index,
			    HCG_MAX_VCPUS - 1);

	if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs))
		return hcguest_fail(g, errno, "vCPU %u: KVM_GET_SREGS: %s", index, strerror(errno));
	pvh_state(&sregs, &regs, g, index);
	if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs))
		return hcguest_fail(g, errno, "vCPU %u: KVM_SET_SREGS: %s", index, strerror(errno));
	if (ioctl(vcpu_fd, KVM_SET_REGS, &regs))
		return hcguest_fail(g, errno, "vCPU %u: KVM_SET_REGS: %s", index, strerror(errno));
	if (ioctl(vcpu_fd, KVM_SET_MP_STATE, &mp))
		return hcguest_fail(g, errno, "vCPU %u: KVM_SET_MP_STATE: %s", index, strerror(errno));
	return 0;
}
