/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The VM's state except its memory: vCPUs, interrupt controllers, timers, devices.
 * Callers have parked every vCPU, and hold vm->dev_lock.
 */
#ifndef HCVM_STATE_H
#define HCVM_STATE_H

#include "conn.h"
#include "vm.h"

enum state_part {
	/* Parts of the VM.  They are sent after the vCPUs' parts. */
	STATE_CHIP = 1,		/* index: KVM's number of an interrupt controller */
	STATE_PIT,
	STATE_CLOCK,
	STATE_DEVICE,		/* index: its first port */
	STATE_MIGRATION_CONTROL,	/* MSR_KVM_MIGRATION_CONTROL, which hcvm emulates */
	/* Parts of a vCPU.  index: its number */
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

/* Send all of it as STATE frames, in the order that state.c explains. */
int state_save(struct vm *vm, struct conn *c);
/* Set the part that a STATE frame has.  -1: the reason is in c->why. */
int state_load(struct vm *vm, struct conn *c, const struct frame *f);
/* 0: every part that this VM needs has come; -1: c->why says which has not. */
int state_complete(const struct vm *vm, struct conn *c);

#endif /* HCVM_STATE_H */
