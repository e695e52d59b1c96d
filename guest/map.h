/* SPDX-License-Identifier: GPL-2.0 */
/* A whole file as memory.  It must not be cut short while it is mapped. */
#ifndef HCP_GUEST_MAP_H
#define HCP_GUEST_MAP_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct hcg_map {
	const unsigned char *data;
	uint64_t size;
};

/* 0 or a negative errno; -ENOEXEC: not a regular file, or an empty one. */
static inline int hcg_map(const char *path, struct hcg_map *map)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	void *data = MAP_FAILED;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode) || !st.st_size)
		err = -ENOEXEC;
	else
		data = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
	if (!err && data == MAP_FAILED)
		err = -errno;
	close(fd);
	if (!err)
		*map = (struct hcg_map){ data, st.st_size };
	return err;
}

static inline void hcg_unmap(struct hcg_map *map)
{
	munmap((void *)map->data, map->size);
}

/* Why hcg_map() failed. */
static inline const char *hcg_map_error(int err)
{
	return err == -ENOEXEC ? "not a regular file, or empty" : strerror(-err);
}

#endif /* HCP_GUEST_MAP_H */
