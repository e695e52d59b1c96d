// SPDX-License-Identifier: GPL-2.0
/*
 * I/O ports: finds the device of a port.  A port without one reads as all ones.  The devices in
 * this file are those by which a guest ends the VM.
 */
#include <string.h>

#include "acpi.h"
#include "ports.h"
#include "vcpu.h"

#define KBD_COMMAND_PORT	0x64
#define KBD_RESET		0xfe
/* "Not busy".  Otherwise a guest would wait long for a controller that is not there. */
#define KBD_STATUS		0xfd

#define SLP_TYP(v)		((v) >> 10 & 7)
#define SLP_EN			(1 << 13)

static struct dev *find_dev(struct vm *vm, uint16_t port)
{
	struct dev *dev;

	for (dev = vm->devs; dev < vm->devs + vm->ndevs; dev++)
		if (port >= dev->port && port - dev->port < dev->nports)
			return dev;
	return NULL;
}

void ports_access(struct vm *vm, const struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	struct dev *dev = find_dev(vm, run->io.port);
	bool in = run->io.direction == KVM_EXIT_IO_IN;
	uint32_t i;

	pthread_mutex_lock(&vm->dev_lock);
	for (i = 0; i < run->io.count; i++, data += run->io.size) {
		if (in)
			memset(data, 0xff, run->io.size);
		if (in && dev && dev->in)
			dev->in(vm, dev->state, run->io.port, data, run->io.size);
		else if (!in && dev && dev->out)
			dev->out(vm, dev->state, run->io.port, data, run->io.size);
	}
	pthread_mutex_unlock(&vm->dev_lock);
}

static void exit_out(struct vm *vm, void *state, uint16_t port, const uint8_t *data,
		     unsigned int size)
{
	vm_end(vm, END_EXIT, data[0]);
}

static void keyboard_in(struct vm *vm, void *state, uint16_t port, uint8_t *data,
			unsigned int size)
{
	data[0] = KBD_STATUS;
}

static void keyboard_out(struct vm *vm, void *state, uint16_t port, const uint8_t *data,
			 unsigned int size)
{
	if (data[0] == KBD_RESET)
		vm_end(vm, END_RESET, 0);
}

/* The registers in acpi.c's FADT.  What is written can be read; going to S5 ends the VM. */
struct pm {
	uint8_t regs[ACPI_PM_SIZE];
};

static void pm_in(struct vm *vm, void *state, uint16_t port, uint8_t *data, unsigned int size)
{
	struct pm *pm = state;
	unsigned int reg = port - ACPI_PM_PORT;

	if (size <= ACPI_PM_SIZE - reg)
		memcpy(data, pm->regs + reg, size);
}

static void pm_out(struct vm *vm, void *state, uint16_t port, const uint8_t *data,
		   unsigned int size)
{
	struct pm *pm = state;
	unsigned int reg = port - ACPI_PM_PORT;
	uint16_t control;

	if (size > ACPI_PM_SIZE - reg)
		return;
	/* Status bits are cleared by writing them, and the VM sets none. */
	if (reg + size <= ACPI_PM_ENABLE)
		return;
	memcpy(pm->regs + reg, data, size);

	memcpy(&control, pm->regs + ACPI_PM_CONTROL, sizeof(control));
	if (control & SLP_EN && SLP_TYP(control) == ACPI_S5)
		vm_end(vm, END_POWEROFF, 0);
}

int ports_init(struct vm *vm)
{
	static struct pm pm = { .regs[ACPI_PM_CONTROL] = ACPI_SCI_EN };

	if (vm_add_dev(vm, &(struct dev){ .port = EXIT_PORT, .nports = 1, .out = exit_out }) ||
	    vm_add_dev(vm, &(struct dev){ .port = KBD_COMMAND_PORT, .nports = 1,
					  .in = keyboard_in, .out = keyboard_out }) ||
	    vm_add_dev(vm, &(struct dev){ .port = ACPI_PM_PORT, .nports = ACPI_PM_SIZE,
					  .in = pm_in, .out = pm_out,
					  .state = &pm, .state_size = sizeof(pm) }))
		return -1;
	return 0;
}
