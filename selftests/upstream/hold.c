// SPDX-License-Identifier: GPL-2.0
/*
 * Holds, until it is killed, one of each thing whose first and last one of a host
 * make its kernel patch its own code: a vCPU without an APIC, one whose APIC is
 * disabled by hardware and by software, and a VM for Xen guests.  An emulated
 * processor may run into the breakpoint that patching leaves for a moment, "Oops:
 * int3"; while these stay, nothing is patched.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define APIC_BASE_ENABLE (1 << 11)

static int get(int fd, unsigned long request, const char *name)
{
	int ret = ioctl(fd, request, 0);

	if (ret < 0)
		err(1, "%s", name);
	return ret;
}

int main(void)
{
	struct kvm_xen_hvm_config xen = { .msr = 0x40000200 };
	struct kvm_sregs sregs;
	int kvm, vm, vcpu;

	kvm = open("/dev/kvm", O_RDWR);
	if (kvm < 0)
		err(1, "/dev/kvm");
	vm = get(kvm, KVM_CREATE_VM, "KVM_CREATE_VM");
	get(vm, KVM_CREATE_VCPU, "KVM_CREATE_VCPU");

	vm = get(kvm, KVM_CREATE_VM, "KVM_CREATE_VM");
	get(vm, KVM_CREATE_IRQCHIP, "KVM_CREATE_IRQCHIP");
	vcpu = get(vm, KVM_CREATE_VCPU, "KVM_CREATE_VCPU");
	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		err(1, "KVM_GET_SREGS");
	sregs.apic_base &= ~APIC_BASE_ENABLE;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs))
		err(1, "KVM_SET_SREGS");
	if (ioctl(vm, KVM_XEN_HVM_CONFIG, &xen))
		err(1, "KVM_XEN_HVM_CONFIG");

	puts("holding");
	fflush(stdout);
	for (;;)
		pause();
}
