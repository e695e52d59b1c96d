/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A console by virtio-mmio, of which only what Linux writes is read.  Linux waits for that without
 * an interrupt, so there is none.  The device insists on addresses by the DMA API
 * (VIRTIO_F_ACCESS_PLATFORM), so Linux takes what it hands over from the device's pool.
 *
 * Like the VMM of a protected guest it may touch shared pages only, and counts what is not so.
 */
#ifndef HCST_VIRTIO_CONSOLE_H
#define HCST_VIRTIO_CONSOLE_H

#include <stddef.h>
#include <stdint.h>
#include <hcpolicy/set.h>

#define VIRTIO_CONSOLE_SIZE	0x200	/* of its registers */

struct virtio_console {
	uint8_t *mem;			/* the guest's, from 0 on */
	uint64_t mem_size;
	const struct hcp_set *set;	/* the shared pages */

	char text[4096];		/* what was written, with a 0 at its end */
	size_t len;
	uint64_t lowest, highest;	/* addresses that it has touched */
	uint64_t touched, private_ones;	/* so many pages, and those of them that are not in the set */

	uint32_t regs[VIRTIO_CONSOLE_SIZE / 4];
	uint32_t queues[2][VIRTIO_CONSOLE_SIZE / 4];	/* registers of which each queue has its own */
	uint16_t taken;			/* so many buffers, of the ring's 16-bit count */
};

uint32_t virtio_console_read(struct virtio_console *c, uint64_t offset);
void virtio_console_write(struct virtio_console *c, uint64_t offset, uint32_t value);

#endif /* HCST_VIRTIO_CONSOLE_H */
