// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU's model specific registers: all that KVM says it keeps.  One that cannot be
 * read is not there; one that cannot be set and has another value is told.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <asm/kvm_para.h>

#include "state.h"

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

int msrs_save(const struct vcpu *vcpu, struct msr_block *block)
{
	struct kvm_msr_list *list = list_msrs(vcpu->vm->kvm_fd);
	uint64_t value;
	uint32_t i;

	if (!list)
		return -1;
	block->n = 0;
	block->zero = 0;
	for (i = 0; i < list->nmsrs; i++) {
		if (!get_msr(vcpu->fd, list->indices[i], &value))
			continue;
		block->msr[block->n].index = list->indices[i];
		block->msr[block->n].value = value;
		block->n++;
	}
	free(list);
	return 8 + block->n * sizeof(block->msr[0]);
}

/* Setting these makes KVM write the wall clock into guest memory, which has it. */
static bool writes_memory(uint32_t index)
{
	return index == MSR_KVM_WALL_CLOCK || index == MSR_KVM_WALL_CLOCK_NEW;
}

int msrs_load(const struct vcpu *vcpu, const struct msr_block *block)
{
	uint64_t value;
	uint32_t i;

	for (i = 0; i < block->n; i++) {
		uint32_t index = block->msr[i].index;

		if (writes_memory(index) || set_msr(vcpu->fd, index, block->msr[i].value))
			continue;
		if (!get_msr(vcpu->fd, index, &value) || value != block->msr[i].value)
			note("vCPU %u: MSR 0x%x cannot be set to 0x%llx here: left as it is",
			     vcpu->index, index, (unsigned long long)block->msr[i].value);
	}
	return 0;
}
