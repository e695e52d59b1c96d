// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Read a whole file into memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "internal.h"

#define MAX_SIZE	(256 << 20)	/* larger than any BPF object or BTF */

static int read_all(int fd, char *bytes, size_t size)
{
	size_t used = 0;
	ssize_t n;

	while (used < size) {
		n = read(fd, bytes + used, size - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		used += n;
	}
	return 0;
}

int read_file(const char *path, void **bytes, size_t *size)
{
	struct stat st;
	int fd, err;

	/* Or the open of a pipe would wait for its other end. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else
		err = S_ISREG(st.st_mode) && st.st_size <= MAX_SIZE ? 0 : -EINVAL;
	if (!err) {
		*size = st.st_size;
		*bytes = malloc(*size + 1);
		err = *bytes ? read_all(fd, *bytes, *size) : -ENOMEM;
		if (err)
			free(*bytes);
	}
	close(fd);
	return err;
}
