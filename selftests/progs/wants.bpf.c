// SPDX-License-Identifier: GPL-2.0
/*
 * A policy that calls what looks for the bpf_run_ctx of its caller, or behind its
 * arguments.  The test says what, and the verifier sees nothing else of it.
 */
#include "hcpolicy.bpf.h"
#include "wants.h"

/* As 7.3 has it, and 6.12. */
extern __ksym __weak _Bool bpf_session_is_return___ctx(void *ctx);
extern __ksym __weak _Bool bpf_session_is_return___void(void);

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, struct bpf_cgroup_storage_key);
	__type(value, __u64);
} storage SEC(".maps");

const volatile __u32 wants;

SEC("struct_ops/map_gpa_range")
int wants_map_gpa_range(struct kvm_hcpolicy_ctx **args)
{
	__u64 value = 0;

	switch (wants) {
	case WANTS_NOTHING:
		return bpf_get_prandom_u32();
	case WANTS_COOKIE:
		return bpf_get_attach_cookie(args);
	case WANTS_FUNC_IP:
		return bpf_get_func_ip(args);
	case WANTS_FUNC_ARG:
		return bpf_get_func_arg(args, 0, &value);
	case WANTS_FUNC_ARG_CNT:
		return bpf_get_func_arg_cnt(args);
	case WANTS_FUNC_RET:
		return bpf_get_func_ret(args, &value);
	case WANTS_GET_RETVAL:
		return bpf_get_retval();
	case WANTS_SET_RETVAL:
		return bpf_set_retval(0);
	case WANTS_LOCAL_STORAGE:
		return !!bpf_get_local_storage(&storage, 0);
	case WANTS_SETSOCKOPT:
		return bpf_setsockopt(args, 0, 0, &value, sizeof(value));
	case WANTS_SESSION:
		return bpf_ksym_exists(bpf_session_is_return___ctx) ?
		       bpf_session_is_return___ctx(args) : bpf_session_is_return___void();
	}
	return KVM_HCPOLICY_DEFAULT;
}

SEC(".struct_ops.link") struct kvm_hcpolicy_ops wants_ops = {
	.map_gpa_range = (void *)wants_map_gpa_range,
	.name = "wants",
};

char LICENSE[] SEC("license") = "GPL";
