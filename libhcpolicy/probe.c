// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Does this kernel have the hook?  If it does, the struct_ops type is in the BTF of kvm, or of
 * the kernel if kvm is built in.  Everybody may read these.  It is enough to find the type's
 * name among the strings.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

static const char type_name[] = "bpf_struct_ops_kvm_hcpolicy_ops";

/* 0: it has the name; -EOPNOTSUPP: it does not; other errors: it cannot be read. */
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
		/* kvm is built in, or the kernel has no BTF. */
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
