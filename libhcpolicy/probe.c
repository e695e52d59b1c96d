// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Does this kernel have the hook?  A struct_ops type that kvm can offer has its
 * value type in the BTF of kvm, or of the kernel if kvm is built in; anybody
 * may read these.  The name among the strings is enough to know.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

static const char type_name[] = "bpf_struct_ops_kvm_hcpolicy_ops";

/* 0: it names the type, -EOPNOTSUPP: it does not, else it cannot be read. */
static int names_type(const char *path)
{
	void *bytes;
	size_t size;
	int err;

	err = read_file(path, &bytes, &size);
	if (err)
		return err;
	if (!memmem(bytes, size, type_name, sizeof(type_name)))
		err = -EOPNOTSUPP;
	free(bytes);
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
