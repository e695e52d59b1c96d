/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_MSRS_H
#define HCVM_MSRS_H

#include "conn.h"
#include "vm.h"

#define MAX_MSRS	1024
struct msr_block {
	uint32_t n, zero;
	struct { uint64_t index, value; } msr[MAX_MSRS];
};

/* Read all registers of the vCPU into block.  Returns how many bytes of block are used, or -1. */
int msrs_save(const struct vcpu *vcpu, struct msr_block *block);
/* Set them.  -1: c->why says which register cannot be set. */
int msrs_load(const struct vcpu *vcpu, const struct msr_block *block, struct conn *c);

#endif /* HCVM_MSRS_H */
