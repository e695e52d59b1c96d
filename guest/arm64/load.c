// SPDX-License-Identifier: GPL-2.0
/* The loader of arm64's hcguest.elf.  Memory begins at 0, as for the guest of x86. */
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>

#include "../boot.h"
#include "../image.h"
#include "../mailbox.h"
#include "regs.h"

/* EL1 on its own stack pointer; debug exceptions, SError, IRQ and FIQ masked. */
#define PSTATE		(PSR_MODE_EL1h | PSR_D_BIT | PSR_A_BIT | PSR_I_BIT | PSR_F_BIT)

int hcguest_load(const char *path, void *mem, uint64_t mem_size, const char *cmdline,
		 struct hcguest *out)
{
	int err = hcguest_image(path, EM_AARCH64, mem, mem_size, out);

	if (err)
		return err;
	if (!out->vcpu_entry)
		return hcguest_fail(out, ENOEXEC, "guest '%s': no entry (" HCG_NOTE_NAME " note)", path);
	return 0;
}

/* KVM_ARM_VCPU_INIT makes of the vCPU what it was at first, whatever it has done since. */
int hcguest_start_vcpu(int vm_fd, int vcpu_fd, struct hcguest *g, unsigned int index)
{
	struct kvm_vcpu_init init = {};
	int err;

	if (index >= HCG_MAX_VCPUS)
		return hcguest_fail(g, EINVAL, "vCPU %u: the guest serves vCPUs 0 to %d", index,
				    HCG_MAX_VCPUS - 1);

	if (ioctl(vm_fd, KVM_ARM_PREFERRED_TARGET, &init))
		return hcguest_fail(g, errno, "vCPU %u: KVM_ARM_PREFERRED_TARGET: %s", index,
				    strerror(errno));
	init.features[0] = 1 << KVM_ARM_VCPU_PSCI_0_2;
	if (ioctl(vcpu_fd, KVM_ARM_VCPU_INIT, &init))
		return hcguest_fail(g, errno, "vCPU %u: KVM_ARM_VCPU_INIT: %s", index, strerror(errno));
	err = arm64_set(vcpu_fd, ARM64_REG(regs.pstate), PSTATE) ?:
	      arm64_set(vcpu_fd, ARM64_REG(regs.pc), g->vcpu_entry) ?:
	      arm64_set(vcpu_fd, ARM64_REG(regs.regs[0]), index);
	if (err)
		return hcguest_fail(g, -err, "vCPU %u: its registers: %s", index, strerror(-err));
	return 0;
}
