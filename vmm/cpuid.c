// SPDX-License-Identifier: GPL-2.0
/*
 * The vCPUs' CPUID: what KVM supports here, with all vCPUs as cores of one package, and what
 * the caller adds.  Virtualization is left out, because the state of a guest's own guests
 * would not migrate.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cpuid.h"

#define MAX_ENTRIES	256
/* What the caller may add to what KVM supports. */
#define SPARE_ENTRIES	4

static struct kvm_cpuid2 *get_supported(struct vm *vm)
{
	struct kvm_cpuid2 *cpuid;

	cpuid = calloc(1, sizeof(*cpuid) + MAX_ENTRIES * sizeof(cpuid->entries[0]));
	if (!cpuid) {
		fail("out of memory");
		return NULL;
	}
	cpuid->nent = MAX_ENTRIES - SPARE_ENTRIES;
	if (ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid)) {
		fail_errno("KVM_GET_SUPPORTED_CPUID");
		free(cpuid);
		return NULL;
	}
	return cpuid;
}

struct kvm_cpuid_entry2 *cpuid_leaf(struct kvm_cpuid2 *cpuid, uint32_t function)
{
	struct kvm_cpuid_entry2 *e;

	for (e = cpuid->entries; e < cpuid->entries + cpuid->nent; e++)
		if (e->function == function && !e->index)
			return e;
	/* get_supported() has left room for SPARE_ENTRIES. */
	cpuid->nent++;
	e->function = function;
	return e;
}

static unsigned int order(unsigned int n)
{
	return n > 1 ? 32 - __builtin_clz(n - 1) : 0;
}

static void set_own(struct vm *vm, struct kvm_cpuid2 *cpuid, unsigned int index)
{
	unsigned int cores = vm->nvcpus;
	struct kvm_cpuid_entry2 *e;

	for (e = cpuid->entries; e < cpuid->entries + cpuid->nent; e++) {
		switch (e->function) {
		case 1:
			e->ebx = (e->ebx & 0xffff) | cores << 16 | index << 24;
			e->edx &= ~(1U << 28);
			if (cores > 1)
				e->edx |= 1U << 28;
			/* There is a hypervisor, and leaf 0x40000000 says which. */
			e->ecx |= 1U << 31;
			e->ecx &= ~(1U << 5);	/* VMX */
			/* KVM reports its TSC deadline timer elsewhere. */
			if (ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
				e->ecx |= 1U << 24;
			break;
		case 4:
			/* Each core has its caches to itself. */
			e->eax = (e->eax & 0x3fff) | ((1U << order(cores)) - 1) << 26;
			break;
		case 0xb:
		case 0x1f:
			e->edx = index;
			break;
		case 0x80000001:
			e->ecx &= ~(1U << 2);	/* SVM */
			break;
		case 0x80000008:
			e->ecx = (cores - 1) | order(cores) << 12;
			break;
		case 0x8000001e:
			e->eax = index;
			e->ebx = index;
			break;
		}
	}
}

int cpuid_setup(struct vm *vm, void (*add)(struct kvm_cpuid2 *cpuid))
{
	struct kvm_cpuid2 *cpuid = get_supported(vm);
	unsigned int i;
	int ret = 0;

	if (!cpuid)
		return -1;
	if (add)
		add(cpuid);
	for (i = 0; i < vm->nvcpus && !ret; i++) {
		set_own(vm, cpuid, i);
		if (ioctl(vm->vcpus[i].fd, KVM_SET_CPUID2, cpuid))
			ret = fail_errno("KVM_SET_CPUID2 of vCPU %u", i);
	}
	free(cpuid);
	return ret;
}
