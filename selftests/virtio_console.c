// SPDX-License-Identifier: GPL-2.0
#include <string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "tap.h"
#include "virtio_console.h"

#define RING_SIZE	16
#define TRANSMIT	1	/* the queue; what the guest would receive (0) never comes */

/* A register is what was last written to it, but for these. */
uint32_t virtio_console_read(struct virtio_console *c, uint64_t offset)
{
	const uint32_t *queue = c->queues[c->regs[VIRTIO_MMIO_QUEUE_SEL / 4] % 2];

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return 'v' | 'i' << 8 | 'r' << 16 | 't' << 24;
	case VIRTIO_MMIO_VERSION:
		return 2;
	case VIRTIO_MMIO_DEVICE_ID:
		return VIRTIO_ID_CONSOLE;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		if (c->regs[VIRTIO_MMIO_DEVICE_FEATURES_SEL / 4] != 1)
			return 0;
		return 1 << (VIRTIO_F_VERSION_1 - 32) | 1 << (VIRTIO_F_ACCESS_PLATFORM - 32);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return c->regs[VIRTIO_MMIO_QUEUE_SEL / 4] < 2 ? RING_SIZE : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return queue[VIRTIO_MMIO_QUEUE_READY / 4];
	case VIRTIO_MMIO_STATUS:
		return c->regs[VIRTIO_MMIO_STATUS / 4];
	}
	return 0;
}

static void *touch(struct virtio_console *c, uint64_t gpa, uint64_t len)
{
	uint64_t page;

	CHECK(len && gpa < c->mem_size && len <= c->mem_size - gpa);
	for (page = gpa / 4096; page <= (gpa + len - 1) / 4096; page++) {
		c->touched++;
		c->private_ones += !hcp_set__test(c->set, page);
	}
	if (gpa < c->lowest)
		c->lowest = gpa;
	if (gpa + len > c->highest)
		c->highest = gpa + len;
	return c->mem + gpa;
}

/* A part of the ring, whose address is in two registers from reg on. */
static void *ring(struct virtio_console *c, unsigned int reg, uint64_t len)
{
	const uint32_t *at = &c->queues[TRANSMIT][reg / 4];

	return touch(c, at[0] | (uint64_t)at[1] << 32, len);
}

static void transmit(struct virtio_console *c)
{
	uint32_t num = c->queues[TRANSMIT][VIRTIO_MMIO_QUEUE_NUM / 4];
	struct vring_avail *avail;
	struct vring_used *used;
	struct vring_desc *desc;

	CHECK(num && num <= RING_SIZE);
	desc = ring(c, VIRTIO_MMIO_QUEUE_DESC_LOW, num * sizeof(*desc));
	avail = ring(c, VIRTIO_MMIO_QUEUE_AVAIL_LOW, sizeof(*avail) + num * sizeof(avail->ring[0]));
	used = ring(c, VIRTIO_MMIO_QUEUE_USED_LOW, sizeof(*used) + num * sizeof(used->ring[0]));
	while (c->taken != __atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE)) {
		uint16_t i = avail->ring[c->taken % num];
		struct vring_desc d;

		CHECK_CMP(i, <, num);
		d = desc[i];
		CHECK_EQ(d.flags, 0);
		CHECK_CMP(d.len, <, sizeof(c->text) - c->len);
		memcpy(c->text + c->len, touch(c, d.addr, d.len), d.len);
		c->len += d.len;
		used->ring[c->taken % num] = (struct vring_used_elem){ .id = i };
		__atomic_store_n(&used->idx, ++c->taken, __ATOMIC_RELEASE);
	}
}

void virtio_console_write(struct virtio_console *c, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM ... VIRTIO_MMIO_QUEUE_READY:
	case VIRTIO_MMIO_QUEUE_DESC_LOW ... VIRTIO_MMIO_QUEUE_USED_HIGH:
		c->queues[c->regs[VIRTIO_MMIO_QUEUE_SEL / 4] % 2][offset / 4] = value;
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		if (value == TRANSMIT)
			transmit(c);
		break;
	default:
		c->regs[offset / 4] = value;
	}
}
