// SPDX-License-Identifier: GPL-2.0
/* Offsets in KVM's structures: kvm_offsets.h. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <bpf/btf.h>
#include "kvm_offsets.h"

/* Of the types from first on. */
static bool find_member(const struct btf *btf, unsigned int first, const struct kvm_member *member)
{
	for (unsigned int id = first; id < btf__type_cnt(btf); id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);

		if (!btf_is_struct(t) || strcmp(btf__name_by_offset(btf, t->name_off), member->type))
			continue;
		for (int i = 0; i < btf_vlen(t); i++) {
			const struct btf_member *m = &btf_members(t)[i];

			if (strcmp(btf__name_by_offset(btf, m->name_off), member->name))
				continue;
			*member->offset = btf_member_bit_offset(t, i) / 8;
			return true;
		}
	}
	return false;
}

int kvm_offsets(const struct kvm_member *members)
{
	struct btf *vmlinux = btf__load_vmlinux_btf(), *kvm;
	unsigned int first = 1;
	int err = 0;

	if (!vmlinux)
		return -errno;
	kvm = btf__load_module_btf("kvm", vmlinux);
	if (kvm)
		first = btf__type_cnt(vmlinux);
	for (; members->type && !err; members++)
		err = find_member(kvm ?: vmlinux, first, members) ? 0 : -EOPNOTSUPP;
	btf__free(kvm);
	btf__free(vmlinux);
	if (err)
		errno = -err;
	return err;
}
