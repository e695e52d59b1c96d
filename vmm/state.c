// SPDX-License-Identifier: GPL-2.0
/*
 * The parts of a VM's state.  For most of them KVM has a pair of calls, to get and to set it.  The
 * parts are sent in the order in which they have to be set.
 *
 * Within a vCPU: KVM_SET_LAPIC needs the APIC base of the sregs, the timers' MSRs need the
 * LAPIC, and events come after both.  (KVM_SET_REGS, which comes later, drops a pending exception,
 * but KVM_GET_VCPU_EVENTS calls every exception injected.)
 *
 * The VM's parts come after those of all vCPUs:
 * - KVM_SET_IRQCHIP delivers what is pending at the IOAPIC to the LAPICs, by their APIC IDs.
 *   A later KVM_SET_LAPIC would undo that.
 * - The PIT starts to tick when it is set, so it comes after the chips.
 * - KVM_SET_CLOCK derives the kvmclock from the TSCs if all of them agree.  They do only once
 *   all are set.  The clock is read after all vCPUs have stopped, so that it does not go
 *   back for any of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <asm/kvm_para.h>

#include "msrs.h"
#include "state.h"
#include "vcpu.h"

#define MAX_CPUID	256

static union {
	struct kvm_irqchip chip;
	struct kvm_pit_state2 pit;
	struct kvm_clock_data clock;
	uint64_t word;
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[MAX_CPUID];
	} cpuid;
	struct kvm_sregs2 sregs;
	struct kvm_lapic_state lapic;
	struct msr_block msrs;
	struct kvm_xcrs xcrs;
	struct kvm_xsave xsave;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp;
	struct kvm_debugregs debug;
	struct kvm_regs regs;
	uint8_t bytes[256 * KIB];	/* xsave may be longer than its struct */
} buf;

/*
 * What each part is called, its size (0: it varies), and KVM's pair of calls for it.  The calls are
 * 0 if save_part() and load_part() have a case for the part, or if it is a part of the VM.
 */
static const struct part {
	const char *name;
	size_t size;
	unsigned long get, set;
} parts[NR_STATE_PARTS] = {
	[STATE_CHIP] = { "interrupt controller", sizeof(buf.chip), 0, 0 },
	[STATE_PIT] = { "PIT", sizeof(buf.pit), 0, 0 },
	[STATE_CLOCK] = { "clock", sizeof(buf.clock), 0, 0 },
	[STATE_DEVICE] = { "device", 0, 0, 0 },
	[STATE_MIGRATION_CONTROL] = { "migration control MSR", sizeof(buf.word), 0, 0 },
	[STATE_CPUID] = { "CPUID", 0, 0, 0 },
	[STATE_TSC_KHZ] = { "TSC frequency", sizeof(buf.word), 0, 0 },
	[STATE_SREGS] = { "sregs", sizeof(buf.sregs), KVM_GET_SREGS2, KVM_SET_SREGS2 },
	[STATE_LAPIC] = { "LAPIC", sizeof(buf.lapic), KVM_GET_LAPIC, KVM_SET_LAPIC },
	[STATE_MSRS] = { "MSRs", 0, 0, 0 },
	[STATE_XCRS] = { "XCRs", sizeof(buf.xcrs), KVM_GET_XCRS, KVM_SET_XCRS },
	[STATE_XSAVE] = { "XSAVE area", 0, 0, 0 },
	[STATE_EVENTS] = { "events", sizeof(buf.events), KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS },
	[STATE_MP] = { "MP state", sizeof(buf.mp), KVM_GET_MP_STATE, KVM_SET_MP_STATE },
	[STATE_DEBUG] = { "debug registers", sizeof(buf.debug), KVM_GET_DEBUGREGS,
			  KVM_SET_DEBUGREGS },
	[STATE_REGS] = { "registers", sizeof(buf.regs), KVM_GET_REGS, KVM_SET_REGS },
	[STATE_HELD] = { "held flag", sizeof(buf.word), 0, 0 },
};

static int put(struct conn *c, enum state_part part, uint32_t index, const void *data,
	       size_t size)
{
	struct frame_state head = { .part = part, .index = index };

	return conn_put(c, FRAME_STATE, &head, sizeof(head), data, size);
}

/* index: of the vCPU, or of the VM's chip. */
static int cannot(struct conn *c, const char *what, enum state_part part, uint32_t index)
{
	return conn_fail(c, part < STATE_CPUID ? "cannot %s the VM's %s, number %u: %s" :
			 "cannot %s the %s of vCPU %u: %s", what, parts[part].name, index,
			 strerror(errno));
}

static size_t xsave_size(const struct vm *vm)
{
	int size = ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);

	return size > (int)sizeof(buf.xsave) ? (size_t)size : sizeof(buf.xsave);
}

static int save_vm(struct vm *vm, struct conn *c)
{
	const struct dev *dev;
	uint32_t i;

	for (i = 0; i < 3; i++) {
		memset(&buf.chip, 0, sizeof(buf.chip));
		buf.chip.chip_id = i;
		if (ioctl(vm->fd, KVM_GET_IRQCHIP, &buf.chip))
			return cannot(c, "save", STATE_CHIP, i);
		if (put(c, STATE_CHIP, i, &buf.chip, sizeof(buf.chip)))
			return -1;
	}
	if (ioctl(vm->fd, KVM_GET_PIT2, &buf.pit))
		return cannot(c, "save", STATE_PIT, 0);
	if (put(c, STATE_PIT, 0, &buf.pit, sizeof(buf.pit)))
		return -1;
	if (ioctl(vm->fd, KVM_GET_CLOCK, &buf.clock))
		return cannot(c, "save", STATE_CLOCK, 0);
	/* The clock goes on from this value, whatever the time on the other host is. */
	buf.clock.flags = 0;
	if (put(c, STATE_CLOCK, 0, &buf.clock, sizeof(buf.clock)))
		return -1;
	for (dev = vm->devs; dev < vm->devs + vm->ndevs; dev++)
		if (dev->state_size && put(c, STATE_DEVICE, dev->port, dev->state, dev->state_size))
			return -1;
	return put(c, STATE_MIGRATION_CONTROL, 0, &vm->migration_control,
		   sizeof(vm->migration_control));
}

/* Get a part of a vCPU into buf.  Returns its size, or -1. */
static int save_part(const struct vcpu *vcpu, enum state_part part)
{
	size_t size;
	int khz;

	switch (part) {
	case STATE_CPUID:
		buf.cpuid.head.nent = MAX_CPUID;
		if (ioctl(vcpu->fd, KVM_GET_CPUID2, &buf.cpuid.head))
			return -1;
		return sizeof(buf.cpuid.head) +
		       buf.cpuid.head.nent * sizeof(buf.cpuid.entries[0]);
	case STATE_TSC_KHZ:
		khz = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);
		buf.word = khz > 0 ? khz : 0;
		return sizeof(buf.word);
	case STATE_MSRS:
		return msrs_save(vcpu, &buf.msrs);
	case STATE_XSAVE:
		size = xsave_size(vcpu->vm);
		if (size > sizeof(buf))
			return -1;
		if (ioctl(vcpu->fd, size > sizeof(buf.xsave) ? KVM_GET_XSAVE2 : KVM_GET_XSAVE,
			  &buf))
			return -1;
		return size;
	case STATE_HELD:
		buf.word = vcpu->held;
		return sizeof(buf.word);
	default:
		return ioctl(vcpu->fd, parts[part].get, &buf) ? -1 : (int)parts[part].size;
	}
}

int state_save(struct vm *vm, struct conn *c)
{
	enum state_part part;
	unsigned int i;
	int size;

	/*
	 * Get these two first, and do not use the result.  KVM completes what is pending when it
	 * is asked (an exception's payload, INIT, SIPI), and that can change other parts.
	 */
	for (i = 0; i < vm->nvcpus; i++) {
		if (save_part(&vm->vcpus[i], STATE_EVENTS) < 0)
			return cannot(c, "save", STATE_EVENTS, i);
		if (save_part(&vm->vcpus[i], STATE_MP) < 0)
			return cannot(c, "save", STATE_MP, i);
	}

	for (i = 0; i < vm->nvcpus; i++) {
		for (part = STATE_CPUID; part < NR_STATE_PARTS; part++) {
			size = save_part(&vm->vcpus[i], part);
			if (size < 0)
				return cannot(c, "save", part, i);
			if (put(c, part, i, &buf, size))
				return -1;
		}
	}
	return save_vm(vm, c);
}

static int load_device(struct vm *vm, struct conn *c, uint32_t port, uint32_t size)
{
	struct dev *dev;

	for (dev = vm->devs; dev < vm->devs + vm->ndevs; dev++) {
		if (dev->port != port || dev->state_size != size || !size)
			continue;
		if (dev->valid && !dev->valid(buf.bytes))
			return conn_fail(c, "the peer sent an invalid state of the device at port 0x%x",
					 port);
		memcpy(dev->state, buf.bytes, size);
		vm->devs_loaded |= 1u << (dev - vm->devs);
		return 0;
	}
	return conn_fail(c, "the peer sent %u bytes for the device at port 0x%x: no device here has that port and size",
			 size, port);
}

static int load_vm(struct vm *vm, struct conn *c, enum state_part part, uint32_t index,
		   uint32_t size)
{
	unsigned long request;

	switch (part) {
	case STATE_CHIP:
		if (index >= 3 || buf.chip.chip_id != index)
			return conn_fail(c, "the peer sent interrupt controller %u as %u: wanted 0 to 2, and both alike",
					 buf.chip.chip_id, index);
		vm->chips_loaded |= 1u << index;
		request = KVM_SET_IRQCHIP;
		break;
	case STATE_PIT:
		request = KVM_SET_PIT2;
		break;
	case STATE_CLOCK:
		buf.clock.flags = 0;
		request = KVM_SET_CLOCK;
		break;
	case STATE_DEVICE:
		return load_device(vm, c, index, size);
	default:
		vm->migration_control = buf.word & KVM_MIGRATION_READY;
		return 0;
	}
	return ioctl(vm->fd, request, &buf) ? cannot(c, "set", part, index) : 0;
}

static int load_tsc_khz(const struct vcpu *vcpu)
{
	int khz = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);

	if (!buf.word || buf.word > 100000000 || khz == (int)buf.word)
		return 0;
	return ioctl(vcpu->fd, KVM_SET_TSC_KHZ, (unsigned long)buf.word);
}

static int load_part(struct vcpu *vcpu, struct conn *c, enum state_part part, uint32_t size)
{
	errno = EINVAL;
	switch (part) {
	case STATE_CPUID:
		if (size < sizeof(buf.cpuid.head) || buf.cpuid.head.nent > MAX_CPUID ||
		    size != sizeof(buf.cpuid.head) +
			    buf.cpuid.head.nent * sizeof(buf.cpuid.entries[0]))
			return -1;
		return ioctl(vcpu->fd, KVM_SET_CPUID2, &buf.cpuid.head);
	case STATE_TSC_KHZ:
		return load_tsc_khz(vcpu);
	case STATE_MSRS:
		if (size < 8 || buf.msrs.n > MAX_MSRS ||
		    size != 8 + buf.msrs.n * sizeof(buf.msrs.msr[0]))
			return -1;
		return msrs_load(vcpu, &buf.msrs, c);
	case STATE_XSAVE:
		if (size != xsave_size(vcpu->vm))
			return -1;
		return ioctl(vcpu->fd, KVM_SET_XSAVE, &buf);
	case STATE_HELD:
		vcpu_hold(vcpu, buf.word & 1);
		return 0;
	default:
		return ioctl(vcpu->fd, parts[part].set, &buf);
	}
}

static int vcpus_complete(const struct vm *vm, struct conn *c)
{
	enum state_part part;
	unsigned int i;

	for (i = 0; i < vm->nvcpus; i++)
		for (part = STATE_CPUID; part < NR_STATE_PARTS; part++)
			if (!(vm->vcpus[i].parts_loaded & 1u << part))
				return conn_fail(c, "the peer did not send the %s of vCPU %u",
						 parts[part].name, i);
	return 0;
}

int state_load(struct vm *vm, struct conn *c, const struct frame *f)
{
	struct frame_state head;
	uint32_t size;

	if (f->len < sizeof(head))
		return conn_fail(c, "the peer sent a frame of type STATE that is too short");
	memcpy(&head, f->data, sizeof(head));
	size = f->len - sizeof(head);
	if (!head.part || head.part >= NR_STATE_PARTS || size > sizeof(buf) ||
	    (parts[head.part].size && parts[head.part].size != size) ||
	    (head.part >= STATE_CPUID && head.index >= vm->nvcpus))
		return conn_fail(c, "the peer sent part %u, index %u, with %u bytes: a VM's state has no such part",
				 head.part, head.index, size);
	memset(&buf, 0, sizeof(buf));
	memcpy(&buf, f->data + sizeof(head), size);
	if (head.part < STATE_CPUID) {
		if (vcpus_complete(vm, c))
			return -1;
		vm->parts_loaded |= 1u << head.part;
		return load_vm(vm, c, head.part, head.index, size);
	}
	vm->vcpus[head.index].parts_loaded |= 1u << head.part;
	if (load_part(&vm->vcpus[head.index], c, head.part, size))
		return cannot(c, "set", head.part, head.index);
	return 0;
}

int state_complete(const struct vm *vm, struct conn *c)
{
	enum state_part part;
	unsigned int i;

	for (part = 1; part < STATE_CPUID; part++)
		if (!(vm->parts_loaded & 1u << part))
			return conn_fail(c, "the peer did not send the %s", parts[part].name);
	if (vm->chips_loaded != 7)
		return conn_fail(c, "the peer did not send every interrupt controller");
	for (i = 0; i < vm->ndevs; i++)
		if (vm->devs[i].state_size && !(vm->devs_loaded & 1u << i))
			return conn_fail(c, "the peer did not send the device at port 0x%x",
					 vm->devs[i].port);
	return vcpus_complete(vm, c);
}
