// SPDX-License-Identifier: GPL-2.0
/*
 * Policies in native C, for the benchmark only: what a request costs at the hook if
 * BPF costs nothing.  native-kvm appends this to virt/kvm/hcpolicy.c of a KVM that no
 * release carries.  One VM at a time:
 *
 *	echo FD KIND > /sys/module/kvm/parameters/hcpolicy_native	attach
 *	echo -1 > /sys/module/kvm/parameters/hcpolicy_native		detach
 *
 * Only locks and bounds are here; what is kept, and how, is in rivals.h.
 */
#include <linux/moduleparam.h>
#include <linux/mm.h>

#define rival_alloc(size)	kmalloc(size, GFP_ATOMIC)
#define rival_free(p)		kfree(p)
#include "rivals.h"

#define NATIVE_PAGES	BIT_ULL(28)	/* 1 TiB of guest addresses */

static DEFINE_SPINLOCK(native_lock);
static __u64 *native_words;
static struct rival_range *native_list;

#define NATIVE(kind, update)							\
static int native_##kind(struct kvm_hcpolicy_ctx *ctx)				\
{										\
	u64 gfn = gpa_to_gfn(ctx->gpa);						\
										\
	if (gfn + ctx->npages <= NATIVE_PAGES) {				\
		update;								\
	}									\
	return ctx->flags & KVM_HCPOLICY_MAY_HANDLE ? KVM_HCPOLICY_HANDLED :	\
						      KVM_HCPOLICY_DEFAULT;	\
}
NATIVE(bits, rival_bits_update(native_words, gfn, ctx->npages, ctx->shared))
NATIVE(bits21, scoped_guard(spinlock, &native_lock)
		       rival_bits21_update(native_words, gfn, ctx->npages, ctx->shared))
NATIVE(list21, scoped_guard(spinlock, &native_lock)
		       rival_list21_update(&native_list, gfn, ctx->npages, ctx->shared))

static struct kvm_hcpolicy_ops native_ops[] = {
	{ .map_gpa_range = native_bits, .name = "bits" },
	{ .map_gpa_range = native_bits21, .name = "bits21" },
	{ .map_gpa_range = native_list21, .name = "list21" },
};

static struct bpf_link native_link;	/* never taken: its count is 0 */

static int native_set(const char *val, const struct kernel_param *kp)
{
	char name[KVM_HCPOLICY_NAME_LEN] = "";
	int fd, i, r = -EINVAL;

	if (sscanf(val, "%d %15s", &fd, name) < 1)
		return -EINVAL;
	if (fd < 0) {
		hcpolicy_unreg(NULL, &native_link);
		rival_list21_free(&native_list);
		kvfree(native_words);
		native_words = NULL;
		return 0;
	}

	if (!native_words)
		native_words = kvzalloc(NATIVE_PAGES / 8, GFP_KERNEL);
	if (!native_words)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(native_ops); i++) {
		if (strcmp(native_ops[i].name, name))
			continue;
		native_ops[i].vm_fd = fd;
		r = hcpolicy_reg(&native_ops[i], &native_link);
	}
	return r;
}
static const struct kernel_param_ops native_param = { .set = native_set };
module_param_cb(hcpolicy_native, &native_param, NULL, 0200);
