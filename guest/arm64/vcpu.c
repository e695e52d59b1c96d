// SPDX-License-Identifier: GPL-2.0
/* vcpu.h for arm64: the doorbell's address, and the exits of forwarded calls. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../mailbox.h"
#include "../vcpu.h"
#include "calls.h"
#include "filter.h"
#include "regs.h"

int hcguest_new_vcpu(int kvm_fd, int vm_fd, unsigned int id, unsigned int phys_bits)
{
	int fd = ioctl(vm_fd, KVM_CREATE_VCPU, id);

	return fd < 0 ? -errno : fd;
}

int64_t hcguest_run(int vcpu_fd, struct kvm_run *run)
{
	uint32_t data = HCG_MAGIC;

	for (;;) {
		if (ioctl(vcpu_fd, KVM_RUN, NULL))
			return errno == EINTR ? -KVM_EXIT_INTR : INT64_MIN;
		if (run->exit_reason != KVM_EXIT_MMIO ||
		    run->mmio.phys_addr != HCG_DOORBELL_GPA || run->mmio.len != sizeof(data))
			return -(int64_t)run->exit_reason;
		if (run->mmio.is_write)
			break;
		memcpy(run->mmio.data, &data, sizeof(data));
	}
	memcpy(&data, run->mmio.data, sizeof(data));
	return data;
}

int hcguest_enable_exits(int vm_fd)
{
	/* The two are neighbours. */
	return arm64_filter(vm_fd, SMCCC_KVM_MEM_SHARE, 2, KVM_SMCCC_FILTER_FWD_TO_USER);
}

int hcguest_take_exit(int vcpu_fd, struct kvm_run *run, int64_t answer, struct hcguest_exit *e)
{
	uint64_t function = run->hypercall.nr;
	int err;

	if (function != SMCCC_KVM_MEM_SHARE && function != SMCCC_KVM_MEM_UNSHARE)
		return -ENOMSG;
	err = arm64_get(vcpu_fd, ARM64_REG(regs.regs[1]), &e->gpa);
	e->npages = 1;
	e->attrs = function == SMCCC_KVM_MEM_SHARE ? 0 : HCG_PRIVATE;
	return err ?: arm64_set(vcpu_fd, ARM64_REG(regs.regs[0]), answer);
}
