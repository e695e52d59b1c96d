// SPDX-License-Identifier: GPL-2.0
/* vcpu.h for x86: CPUID, the doorbell's port, and the hypercall's exit. */
#include <errno.h>
#include <linux/kvm_para.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../mailbox.h"
#include "../vcpu.h"

#define CPUID_ADDR_WIDTHS	0x80000008u
#define CPUID_MAX		256

static int set_cpuid(int kvm_fd, int vcpu_fd, unsigned int phys_bits)
{
	union {
		struct kvm_cpuid2 cpuid;
		char room[sizeof(struct kvm_cpuid2) + CPUID_MAX * sizeof(struct kvm_cpuid_entry2)];
	} u = { .cpuid.nent = CPUID_MAX };
	struct kvm_cpuid_entry2 *e;

	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, &u.cpuid))
		return -errno;
	for (e = u.cpuid.entries; e < u.cpuid.entries + u.cpuid.nent; e++)
		if (e->function == CPUID_ADDR_WIDTHS)
			e->eax = (e->eax & ~0xff00ffu) | phys_bits;
	return ioctl(vcpu_fd, KVM_SET_CPUID2, &u.cpuid) ? -errno : 0;
}

int hcguest_new_vcpu(int kvm_fd, int vm_fd, unsigned int id, unsigned int phys_bits)
{
	int fd = ioctl(vm_fd, KVM_CREATE_VCPU, id), err;

	if (fd < 0)
		return -errno;
	err = set_cpuid(kvm_fd, fd, phys_bits);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int64_t hcguest_run(int vcpu_fd, struct kvm_run *run)
{
	uint32_t *data;

	for (;;) {
		if (ioctl(vcpu_fd, KVM_RUN, NULL))
			return errno == EINTR ? -KVM_EXIT_INTR : INT64_MIN;
		if (run->exit_reason != KVM_EXIT_IO || run->io.port != HCG_PORT || run->io.size != 4)
			return -(int64_t)run->exit_reason;
		data = (void *)((uint8_t *)run + run->io.data_offset);
		if (run->io.direction == KVM_EXIT_IO_OUT)
			return *data;
		*data = HCG_MAGIC;
	}
}

int hcguest_enable_exits(int vm_fd)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_EXIT_HYPERCALL,
		.args[0] = 1 << KVM_HC_MAP_GPA_RANGE,
	};

	return ioctl(vm_fd, KVM_ENABLE_CAP, &cap) ? -errno : 0;
}

int hcguest_take_exit(int vcpu_fd, struct kvm_run *run, int64_t answer, struct hcguest_exit *e)
{
	if (run->hypercall.nr != KVM_HC_MAP_GPA_RANGE)
		return -ENOMSG;
	e->gpa = run->hypercall.args[0];
	e->npages = run->hypercall.args[1];
	e->attrs = run->hypercall.args[2];
	run->hypercall.ret = answer;
	return 0;
}
