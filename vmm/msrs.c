// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU's model specific registers: all that KVM lists, and the MTRRs, which KVM has but does
 * not list.  A register that cannot be read is not saved.
 *
 * If the target cannot set a register, and the register has another value there, the migration
 * fails: the guest must not go on with a wrong register.  Between two hcvm on one host this does
 * not happen.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <asm/kvm_para.h>

#include "msrs.h"

static const uint32_t mtrrs[] = {
	0x2ff,							/* the default */
	0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f, /* fixed */
	0x200, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x207,	/* pairs of base and mask */
	0x208, 0x209, 0x20a, 0x20b, 0x20c, 0x20d, 0x20e, 0x20f,
};

struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

static bool get_msr(int fd, uint32_t index, uint64_t *value)
{
	struct one_msr m = { .head.nmsrs = 1, .entry.index = index };

	if (ioctl(fd, KVM_GET_MSRS, &m) != 1)
		return false;
	*value = m.entry.data;
	return true;
}

static bool set_msr(int fd, uint32_t index, uint64_t value)
{
	struct one_msr m = { .head.nmsrs = 1, .entry.index = index, .entry.data = value };

	return ioctl(fd, KVM_SET_MSRS, &m) == 1;
}

static struct kvm_msr_list *list_msrs(int kvm_fd)
{
	struct kvm_msr_list *list;

	list = calloc(1, sizeof(*list) + MAX_MSRS * sizeof(list->indices[0]));
	if (!list)
		return NULL;
	list->nmsrs = MAX_MSRS;
	if (ioctl(kvm_fd, KVM_GET_MSR_INDEX_LIST, list)) {
		fail_errno("KVM_GET_MSR_INDEX_LIST");
		free(list);
		return NULL;
	}
	return list;
}

static void save_all(const struct vcpu *vcpu, const uint32_t *indices, size_t n,
		     struct msr_block *block)
{
	uint64_t value;

	for (; n && block->n < MAX_MSRS; n--, indices++) {
		if (!get_msr(vcpu->fd, *indices, &value))
			continue;
		block->msr[block->n].index = *indices;
		block->msr[block->n].value = value;
		block->n++;
	}
}

int msrs_save(const struct vcpu *vcpu, struct msr_block *block)
{
	struct kvm_msr_list *list = list_msrs(vcpu->vm->kvm_fd);

	if (!list)
		return -1;
	block->n = 0;
	block->zero = 0;
	save_all(vcpu, list->indices, list->nmsrs, block);
	save_all(vcpu, mtrrs, sizeof(mtrrs) / sizeof(mtrrs[0]), block);
	free(list);
	return 8 + block->n * sizeof(block->msr[0]);
}

/*
 * Setting these makes KVM write the wall clock into guest memory.  That came with the pages, so
 * these registers are not set.  Linux does not read them back.
 */
static bool writes_memory(uint32_t index)
{
	return index == MSR_KVM_WALL_CLOCK || index == MSR_KVM_WALL_CLOCK_NEW;
}

int msrs_load(const struct vcpu *vcpu, const struct msr_block *block, struct conn *c)
{
	uint64_t value;
	uint32_t i;

	for (i = 0; i < block->n; i++) {
		uint32_t index = block->msr[i].index;

		if (writes_memory(index) || set_msr(vcpu->fd, index, block->msr[i].value))
			continue;
		if (!get_msr(vcpu->fd, index, &value) || value != block->msr[i].value)
			return conn_fail(c, "the target cannot set MSR 0x%x of vCPU %u to 0x%llx: take a host with the same kind of CPU and KVM",
					 index, vcpu->index,
					 (unsigned long long)block->msr[i].value);
	}
	return 0;
}
