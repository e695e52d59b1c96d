// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <sys/ioctl.h>

#include "filter.h"

int arm64_filter(int vm_fd, uint32_t base, uint32_t n, enum kvm_smccc_filter_action action)
{
	struct kvm_smccc_filter filter = { .base = base, .nr_functions = n, .action = action };
	struct kvm_device_attr attr = {
		.group = KVM_ARM_VM_SMCCC_CTRL,
		.attr = KVM_ARM_VM_SMCCC_FILTER,
		.addr = (uintptr_t)&filter,
	};

	return ioctl(vm_fd, KVM_SET_DEVICE_ATTR, &attr) ? -errno : 0;
}
