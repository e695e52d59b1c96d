// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Reads a BPF ring buffer by mmap alone.  libbpf's reader calls bpf(2), which a VMM may be forbidden
 * to do.
 *
 * The kernel's layout: the page with the consumer's position; that with the producer's; and the
 * data, twice, so that a record never wraps.  A record begins with its length, in which two bits
 * say that it is not finished yet, or is to be skipped, and ends at a multiple of 8.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "internal.h"

struct ring {
	unsigned long *consumer;
	const unsigned long *producer;
	const char *data;
	size_t page, size;
	unsigned long seen;		/* all before this was read, here or by another reader */
};

struct ring *ring_open(int fd)
{
	struct bpf_map_info map;
	struct ring *ring;
	void *mem;
	int err;

	err = map_info(fd, &map);
	if (!err && map.type != BPF_MAP_TYPE_RINGBUF)
		err = -EINVAL;
	ring = err ? NULL : calloc(1, sizeof(*ring));
	if (!ring) {
		errno = err ? -err : ENOMEM;
		return NULL;
	}
	ring->page = sysconf(_SC_PAGESIZE);
	ring->size = map.max_entries;
	mem = mmap(NULL, ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem != MAP_FAILED) {
		ring->consumer = mem;
		mem = mmap(NULL, ring->page + 2 * ring->size, PROT_READ, MAP_SHARED, fd, ring->page);
	}
	if (mem != MAP_FAILED) {
		ring->producer = mem;
		ring->data = (const char *)mem + ring->page;
		ring->seen = __atomic_load_n(ring->consumer, __ATOMIC_RELAXED);
		if (*ring->producer - ring->seen > ring->size || ring->seen % 8)
			ring->seen = *ring->producer;
		return ring;
	}
	err = errno;
	ring_close(ring);
	errno = err;
	return NULL;
}

void ring_close(struct ring *ring)
{
	if (!ring)
		return;
	if (ring->consumer)
		munmap(ring->consumer, ring->page);
	if (ring->producer)
		munmap((void *)ring->producer, ring->page + 2 * ring->size);
	free(ring);
}

/*
 * Where to read from.  Others can write the consumer's position too: another reader, and whoever else
 * has the map.  So it counts only if it lies between what was read and what was written.
 */
static unsigned long ring_at(struct ring *ring, unsigned long end, bool *lost)
{
	unsigned long at = __atomic_load_n(ring->consumer, __ATOMIC_RELAXED);

	if (at - ring->seen > end - ring->seen || at % 8) {
		at = ring->seen;
		__atomic_store_n(ring->consumer, at, __ATOMIC_RELEASE);
	}
	/* The kernel was told to write over what nobody has read. */
	if (end - at > ring->size) {
		*lost = true;
		at = ring->seen = end;
		__atomic_store_n(ring->consumer, at, __ATOMIC_RELEASE);
	}
	return at;
}

/* At most what the ring has now, so that who reads several gets to the others. */
int ring_read(struct ring *ring, ring_fn fn, void *ctx, bool *lost)
{
	unsigned long end = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE), at = ring_at(ring, end, lost);
	const char *record;
	__u32 len, size;
	int n = 0;

	while (at < end) {
		record = ring->data + (at & (ring->size - 1));
		len = __atomic_load_n((const __u32 *)record, __ATOMIC_ACQUIRE);
		if (len & BPF_RINGBUF_BUSY_BIT)
			break;
		size = len & ~BPF_RINGBUF_DISCARD_BIT;
		/* No record is longer than the ring: this is none, but something that was written over. */
		if (size > ring->size) {
			*lost = true;
			at = end;
		} else {
			if (!(len & BPF_RINGBUF_DISCARD_BIT)) {
				fn(ctx, record + BPF_RINGBUF_HDR_SZ, size);
				n++;
			}
			at += (size + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
		}
		ring->seen = at;
		/* Only now the kernel may write there. */
		__atomic_store_n(ring->consumer, at, __ATOMIC_RELEASE);
	}
	return n;
}
