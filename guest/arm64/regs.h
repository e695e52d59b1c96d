/* SPDX-License-Identifier: GPL-2.0 */
/* A vCPU's registers, by KVM's numbers for them: ARM64_REG(regs.pc).  0 or a negative errno. */
#ifndef HCP_GUEST_ARM64_REGS_H
#define HCP_GUEST_ARM64_REGS_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>

#define ARM64_REG(name)								\
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(name))

static inline int arm64_get(int vcpu_fd, uint64_t id, uint64_t *value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)value };

	return ioctl(vcpu_fd, KVM_GET_ONE_REG, &reg) ? -errno : 0;
}

static inline int arm64_set(int vcpu_fd, uint64_t id, uint64_t value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	return ioctl(vcpu_fd, KVM_SET_ONE_REG, &reg) ? -errno : 0;
}

#endif /* HCP_GUEST_ARM64_REGS_H */
