/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The machine's state but its memory: vCPUs, interrupt controllers, timers, devices.
 * Every vCPU is parked, and vm->dev_lock held.
 */
#ifndef HCVM_STATE_H
#define HCVM_STATE_H

#include "stream.h"
#include "vm.h"

enum state_part {
	/* The VM's: after every vCPU's. */
	STATE_CHIP = 1,		/* index: KVM's number of an interrupt controller */
	STATE_PIT,
	STATE_CLOCK,
	STATE_DEVICE,		/* index: its first port */
	STATE_MACHINE,		/* what hcvm itself remembers */
	/* A vCPU's, which is index. */
	STATE_CPUID,
	STATE_TSC_KHZ,
	STATE_SREGS,
	STATE_LAPIC,
	STATE_MSRS,
	STATE_XCRS,
	STATE_XSAVE,
	STATE_EVENTS,
	STATE_MP,
	STATE_DEBUG,
	STATE_REGS,
	STATE_HELD,
	NR_STATE_PARTS
};

/* All of it as STATE frames, in the order that state.c explains. */
int state_save(struct vm *vm, struct stream *s);
/* A STATE frame; the reason of a failure is in s->why. */
int state_load(struct vm *vm, struct stream *s, const struct frame *f);
/* Has every part come that a machine like this needs? */
int state_complete(const struct vm *vm, struct stream *s);

/* msrs.c: all that KVM lists.  A size, or -1; and 0, or -1 and the MSR in s->why. */
#define MAX_MSRS	1024
struct msr_block {
	uint32_t n, zero;
	struct { uint64_t index, value; } msr[MAX_MSRS];
};
int msrs_save(const struct vcpu *vcpu, struct msr_block *block);
int msrs_load(const struct vcpu *vcpu, const struct msr_block *block, struct stream *s);

#endif /* HCVM_STATE_H */
