// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A policy for the library's tests: books, and has a parameter of each kind.
 * WITHOUT_x leaves out what makes it a policy, or its parameters; BROKEN is for the verifier;
 * TAGGED and MANY are for hostile.c.
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
static __always_inline __attribute__((unused)) int answer(struct kvm_hcpolicy_ctx *req)
{
	__u64 *count, sum = flag + s8 + u16 + s32 + u64 + s64 + text[0] + hidden;
	__u32 key = 0;

	count = bpf_map_lookup_elem(&extra, &key);
#ifdef BROKEN
	*count = 0;
#endif
	if (count)
		*count += sum;
	hcp_book(req);
	return req->flags & KVM_HCPOLICY_MAY_HANDLE ? KVM_HCPOLICY_HANDLED :
						      KVM_HCPOLICY_DEFAULT;
}

#ifdef WITHOUT_MEMBER
SEC(".struct_ops.link") struct kvm_hcpolicy_ops sample = { .name = "sample" };
#else
HCPOLICY(sample, req)
{
	return answer(req);
}
#endif
#endif

char LICENSE[] SEC("license") = "GPL";
