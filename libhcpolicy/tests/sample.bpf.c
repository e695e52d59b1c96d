// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A policy for the library's tests: books, and has a parameter of each kind.
 * WITHOUT_x leaves out what makes it a policy, or its parameters; BROKEN is for the verifier;
 * TAGGED and MANY are for hostile.c.  NEWER_x needs what no kernel has yet.
 */
#if defined(WITHOUT_INFO) || defined(OTHER_INFO)
#define hcp_info not_hcp_info
#endif
#include "hcpolicy.bpf.h"
#undef hcp_info

#ifdef OTHER_INFO
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64[30]);
} hcp_info SEC(".maps");
#endif

#ifdef WITHOUT_PARAMS
#define volatile volatile static
#endif
const volatile _Bool flag = 0;
const volatile signed char s8 = -1;
const volatile __u16 u16 = 16;
const volatile int s32 = -32;
const volatile __u64 u64 = 64;
const volatile long s64 = -64;
const volatile char text[8] = "text";
#undef volatile
#ifdef TAGGED
HCPOLICY_ABOUT(sample, "says little");
#define TEN(x)	x x x x x x x x x x
HCP_PARAM(__u16, tagged, 16, 1, 1000, "own" TEN(TEN("123")));
#endif
#ifdef MANY
#define FOUR(name)	name##0 = 0, name##1 = 0, name##2 = 0, name##3 = 0
#define SIXTEEN(name)	FOUR(name##0), FOUR(name##1), FOUR(name##2), FOUR(name##3)
const volatile int SIXTEEN(a), SIXTEEN(b), SIXTEEN(c), SIXTEEN(d);
#endif
static const volatile int hidden __attribute__((unused)) = 1;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} extra SEC(".maps");

#ifdef WITHOUT_OPS
SEC("socket")
int nothing(void *ctx)
{
	return 0;
}
#else
#ifdef NEWER_KFUNC
extern __u64 bpf_hcpolicy_of_tomorrow(struct kvm_hcpolicy_ctx *req) __ksym;
#define newer()	bpf_hcpolicy_of_tomorrow(req)
#elif defined(NEWER_HELPER)
static __u64 (*const helper_of_tomorrow)(void) = (void *)9999;
#define newer()	helper_of_tomorrow()
#elif defined(NEWER_FIELD)
#define newer()	(*(const volatile __u64 *)(req + 1))
#else
#define newer()	0
#endif

static __always_inline __attribute__((unused)) int answer(struct kvm_hcpolicy_ctx *req)
{
	__u64 *count, sum = flag + s8 + u16 + s32 + u64 + s64 + text[0] + hidden;
	__u32 key = 0;

#ifdef BROKEN
	/* Not a constant: newer verifiers know which of those are in an array. */
	key = req->gpa;
	*(__u64 *)bpf_map_lookup_elem(&extra, &key) = 0;
#endif
	count = bpf_map_lookup_elem(&extra, &key);
	if (count)
		*count += sum;
	if (newer())
		return KVM_HCPOLICY_RETRY;
	hcp_book(req);
	return req->flags & KVM_HCPOLICY_MAY_HANDLE ? KVM_HCPOLICY_HANDLED :
						      KVM_HCPOLICY_DEFAULT;
}

#ifdef WITHOUT_MEMBER
SEC(".struct_ops.link") struct kvm_hcpolicy_ops sample = { .name = "sample" };
#elif defined(NEWER_MEMBER) || defined(NEWER_FLAGS)
struct kvm_hcpolicy_ops___newer {
	__s32 vm_fd;
	__u32 flags;
	int (*map_gpa_range)(struct kvm_hcpolicy_ctx *ctx);
	char name[KVM_HCPOLICY_NAME_LEN];
	int (*tomorrow)(struct kvm_hcpolicy_ctx *ctx);
} __attribute__((preserve_access_index));

SEC("struct_ops/map_gpa_range")
int sample_map_gpa_range(struct kvm_hcpolicy_ctx **args)
{
	return answer(args[0]);
}

SEC(".struct_ops.link") struct kvm_hcpolicy_ops___newer sample = {
	.map_gpa_range = (void *)sample_map_gpa_range,
	.name = "sample",
#ifdef NEWER_FLAGS
	.flags = 1 << 30,
#else
	.tomorrow = (void *)sample_map_gpa_range,
#endif
};
#else
HCPOLICY(sample, req)
{
	return answer(req);
}
#endif
#endif

char LICENSE[] SEC("license") = "GPL";
