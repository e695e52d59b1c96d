// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "../guest/arm64/regs.h"
#include "arm_board.h"
#include "offer.h"
#include "tap.h"

/* In memory, beside the pool: the kernel before it, these behind. */
#define KERNEL		0ULL
#define TREE		(144ULL << 20)
#define TREE_SIZE	(64 << 10)
#define INITRD		(160ULL << 20)

/* Beyond memory. */
#define GIC_DIST	0x40000000ULL
#define GIC_DIST_SIZE	0x10000
#define GIC_REDIST	0x40100000ULL
#define GIC_REDIST_SIZE	0x20000		/* of one vCPU */
#define UART		0x41000000ULL
#define CONSOLE		0x42000000ULL

/* The kernel's messages go to the UART only, so that the console has what init writes. */
#define CMDLINE		"loglevel=5 earlycon=pl011,0x41000000 keep_bootcon console=none printk.devkmsg=on panic=-1"

/* --- the device tree */

#define GIC_PHANDLE	1
#define POOL_PHANDLE	2
/* The GIC's words for an interrupt. */
#define SPI		0
#define PPI		1
#define EDGE		1
#define LEVEL		4

static void cells(void *fdt, const char *name, const uint32_t *values, size_t n)
{
	fdt32_t *to;
	size_t i;

	CHECK_EQ(fdt_property_placeholder(fdt, name, n * sizeof(*to), (void **)&to), 0);
	for (i = 0; i < n; i++)
		to[i] = cpu_to_fdt32(values[i]);
}

#define CELLS(name, ...)	\
	cells(fdt, name, (uint32_t[]){ __VA_ARGS__ }, sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))
#define TEXT(name, value)	CHECK_EQ(fdt_property_string(fdt, name, value), 0)
#define FLAG(name)		CHECK_EQ(fdt_property(fdt, name, NULL, 0), 0)
#define BEGIN(name)		CHECK_EQ(fdt_begin_node(fdt, name), 0)
#define END()			CHECK_EQ(fdt_end_node(fdt), 0)

static void write_tree(void *fdt, uint64_t initrd_size)
{
	CHECK_EQ(fdt_create(fdt, TREE_SIZE), 0);
	CHECK_EQ(fdt_finish_reservemap(fdt), 0);
	BEGIN("");
	TEXT("compatible", "linux,dummy-virt");
	CELLS("#address-cells", 1);
	CELLS("#size-cells", 1);
	CELLS("interrupt-parent", GIC_PHANDLE);

	BEGIN("chosen");
	TEXT("bootargs", CMDLINE);
	CELLS("linux,initrd-start", INITRD);
	CELLS("linux,initrd-end", INITRD + initrd_size);
	END();

	BEGIN("memory@0");
	TEXT("device_type", "memory");
	CELLS("reg", 0, BOARD_MEM);
	END();

	BEGIN("cpus");
	CELLS("#address-cells", 1);
	CELLS("#size-cells", 0);
	BEGIN("cpu@0");
	TEXT("device_type", "cpu");
	TEXT("compatible", "arm,armv8");
	CELLS("reg", 0);
	END();
	END();

	BEGIN("psci");
	TEXT("compatible", "arm,psci-0.2");
	TEXT("method", "hvc");
	END();

	BEGIN("timer");
	TEXT("compatible", "arm,armv8-timer");
	CELLS("interrupts", PPI, 13, LEVEL, PPI, 14, LEVEL, PPI, 11, LEVEL, PPI, 10, LEVEL);
	END();

	BEGIN("interrupt-controller");
	TEXT("compatible", "arm,gic-v3");
	FLAG("interrupt-controller");
	CELLS("#interrupt-cells", 3);
	CELLS("reg", GIC_DIST, GIC_DIST_SIZE, GIC_REDIST, GIC_REDIST_SIZE);
	CELLS("phandle", GIC_PHANDLE);
	END();

	BEGIN("reserved-memory");
	CELLS("#address-cells", 1);
	CELLS("#size-cells", 1);
	FLAG("ranges");
	BEGIN("pool");
	TEXT("compatible", "restricted-dma-pool");
	CELLS("reg", BOARD_POOL, BOARD_POOL_SIZE);
	CELLS("phandle", POOL_PHANDLE);
	END();
	END();

	BEGIN("console");
	TEXT("compatible", "virtio,mmio");
	CELLS("reg", CONSOLE, VIRTIO_CONSOLE_SIZE);
	CELLS("interrupts", SPI, 0, EDGE);
	FLAG("dma-coherent");
	CELLS("memory-region", POOL_PHANDLE);
	END();

	END();
	CHECK_EQ(fdt_finish(fdt), 0);
}

/* --- what is in the machine */

/* A file's size, which is loaded at gpa, below end. */
static uint64_t load(struct vm *vm, const char *file, uint64_t gpa, uint64_t end)
{
	FILE *f = fopen(file, "r");
	size_t n;

	if (!f)
		tap_fail(__FILE__, __LINE__, "%s", file);
	n = fread(vm->mem + gpa, 1, end - gpa, f);
	CHECK(n && n < end - gpa);
	fclose(f);
	return n;
}

/* The kernel's header says how much memory it needs, and where. */
static void load_kernel(struct vm *vm, const char *file)
{
	struct {
		uint32_t code[2];
		uint64_t text_offset, image_size;
	} head;

	load(vm, file, KERNEL, BOARD_POOL);
	memcpy(&head, vm->mem + KERNEL, sizeof(head));
	CHECK_EQ(head.text_offset, 0);
	CHECK_CMP(head.image_size, <, BOARD_POOL - KERNEL);
}

static void gic_attr(int fd, uint32_t group, uint64_t attr, void *value)
{
	struct kvm_device_attr a = { .group = group, .attr = attr, .addr = (uintptr_t)value };

	CHECK_EQ(ioctl(fd, KVM_SET_DEVICE_ATTR, &a), 0);
}

/* After the last vCPU. */
static void new_gic(struct vm *vm)
{
	struct kvm_create_device gic = { .type = KVM_DEV_TYPE_ARM_VGIC_V3 };
	uint64_t dist = GIC_DIST, redist = GIC_REDIST;
	uint32_t interrupts = 64;

	CHECK_EQ(ioctl(vm->fd, KVM_CREATE_DEVICE, &gic), 0);
	gic_attr(gic.fd, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &interrupts);
	gic_attr(gic.fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, &dist);
	gic_attr(gic.fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST, &redist);
	gic_attr(gic.fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
}

struct arm_board *arm_board_new(const char *kernel, const char *initrd)
{
	struct kvm_userspace_memory_region slot = { .memory_size = BOARD_MEM };
	struct arm_board *b = calloc(1, sizeof(*b));
	struct vm *vm = vm_new_empty();

	CHECK(b);
	vm->mem = mmap(NULL, BOARD_MEM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(vm->mem != MAP_FAILED);
	slot.userspace_addr = (uintptr_t)vm->mem;
	CHECK_EQ(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot), 0);
	load_kernel(vm, kernel);
	write_tree(vm->mem + TREE, load(vm, initrd, INITRD, BOARD_MEM));

	/* The test guest's state but for where it begins, and its argument. */
	b->vm = vm;
	b->vcpu = vm_add_vcpu(vm);
	CHECK_EQ(arm64_set(b->vcpu->fd, ARM64_REG(regs.pc), KERNEL), 0);
	CHECK_EQ(arm64_set(b->vcpu->fd, ARM64_REG(regs.regs[0]), TREE), 0);
	new_gic(vm);
	CHECK_EQ(offer_calls(vm->fd), 0);
	b->console = (struct virtio_console){ .mem = vm->mem, .mem_size = BOARD_MEM, .lowest = -1 };
	return b;
}

/* --- while it runs */

/* A line is shown when it ends: if the guest hangs, its last one is the best hint. */
static void print(struct arm_board *b, char c)
{
	if (c == '\r' || b->log_len == sizeof(b->log) - 1)
		return;
	b->log[b->log_len++] = c;
	if (c == '\n') {
		tap_note("guest| %.*s", (int)(b->log_len - 1 - b->line), b->log + b->line);
		b->line = b->log_len;
	}
}

/* The UART's first register takes what is written.  The others say 0: it is not busy. */
static void mmio(struct arm_board *b, struct kvm_run *run)
{
	bool console = run->mmio.phys_addr - CONSOLE < VIRTIO_CONSOLE_SIZE;
	uint64_t offset = run->mmio.phys_addr - CONSOLE;
	uint32_t value = 0;

	CHECK_CMP(run->mmio.len, <=, sizeof(value));
	if (run->mmio.is_write) {
		memcpy(&value, run->mmio.data, run->mmio.len);
		if (console)
			virtio_console_write(&b->console, offset, value);
		else if (run->mmio.phys_addr == UART)
			print(b, value);
		return;
	}
	if (console)
		value = virtio_console_read(&b->console, offset);
	memcpy(run->mmio.data, &value, sizeof(value));
}

uint32_t arm_board_run(struct arm_board *b)
{
	struct kvm_run *run = b->vcpu->run;

	for (;;) {
		if (ioctl(b->vcpu->fd, KVM_RUN, NULL)) {
			CHECK_EQ(errno, EINTR);
			continue;
		}
		switch (run->exit_reason) {
		case KVM_EXIT_MMIO:
			mmio(b, run);
			break;
		case KVM_EXIT_HYPERCALL:
			CHECK_EQ(answer_call(b->vcpu->fd, run), 1);
			break;
		case KVM_EXIT_SYSTEM_EVENT:
			return run->system_event.type;
		default:
			tap_fail(__FILE__, __LINE__, "exit reason %u", run->exit_reason);
		}
	}
}
