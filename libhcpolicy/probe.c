// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Does this kernel have the hook?  A struct_ops type that kvm can offer has its
 * value type in the BTF of kvm, or of the kernel if kvm is built in; anybody
 * may read these.  The name among the strings is enough to know.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

static const char type_name[] = "bpf_struct_ops_kvm_hcpolicy_ops";

/* 0: it names the type, -EOPNOTSUPP: it does not, else it cannot be read. */
static int names_type(const char *path)
{
	size_t used = 0, size = 0;
	char *buf = NULL, *more;
	ssize_t n = -1;
	int fd, err;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		if (used == size) {
			size = size ? 2 * size : 1 << 20;
			more = realloc(buf, size);
			if (!more) {
				errno = ENOMEM;
				n = -1;
				break;
			}
			buf = more;
		}
		n = read(fd, buf + used, size - used);
		used += n > 0 ? n : 0;
	} while (n > 0);

	if (n < 0)
		err = -errno;
	else
		err = memmem(buf, used, type_name, sizeof(type_name)) ? 0 : -EOPNOTSUPP;
	free(buf);
	close(fd);
	return err;
}

int hcpolicy__probe(void)
{
	int err = names_type("/sys/kernel/btf/kvm");

	if (err == -ENOENT && !access("/sys/module/kvm", F_OK)) {
		/* Built in, or the kernel has no BTF. */
		err = names_type("/sys/kernel/btf/vmlinux");
		if (err == -ENOENT)
			err = -EOPNOTSUPP;
	}
	if (err == -EACCES)
		err = -EPERM;
	if (err)
		errno = -err;
	return err;
}
