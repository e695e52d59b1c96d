/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where members lie in structures of kvm.ko, or of the kernel if KVM is built in.  hcpolicyd has this
 * file too.
 *
 * libbpf looks a type up in the kernel's own BTF first, and does not look into a module's if it
 * finds one of that name.  The kernel knows a struct kvm that is not that of a rebuilt kvm.ko.
 */
#ifndef KVM_OFFSETS_H
#define KVM_OFFSETS_H

#include <linux/types.h>

struct kvm_member {
	const char *type, *name;	/* NULL: the last one was before */
	__u32 *offset;			/* in bytes */
};

/* 0, or a negative errno, which is in errno too.  -EOPNOTSUPP: this KVM has no such member. */
int kvm_offsets(const struct kvm_member *members);

#endif /* KVM_OFFSETS_H */
