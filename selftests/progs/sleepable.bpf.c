// SPDX-License-Identifier: GPL-2.0
/* A policy whose program may sleep, which the kernel must not load. */
#include "hcpolicy.bpf.h"

SEC("struct_ops.s/map_gpa_range")
int sleepable_map_gpa_range(struct kvm_hcpolicy_ctx **args)
{
	return KVM_HCPOLICY_DEFAULT;
}

SEC(".struct_ops.link") struct kvm_hcpolicy_ops sleepable = {
	.map_gpa_range = (void *)sleepable_map_gpa_range,
	.name = "sleepable",
};

char LICENSE[] SEC("license") = "GPL";
