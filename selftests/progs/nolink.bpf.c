// SPDX-License-Identifier: GPL-2.0
/* A policy whose map cannot have a link: attaching it would be for ever. */
#include "hcpolicy.bpf.h"

SEC("struct_ops/map_gpa_range")
int nolink_map_gpa_range(struct kvm_hcpolicy_ctx **args)
{
	return KVM_HCPOLICY_DEFAULT;
}

SEC(".struct_ops") struct kvm_hcpolicy_ops nolink = {
	.map_gpa_range = (void *)nolink_map_gpa_range,
	.name = "nolink",
};

char LICENSE[] SEC("license") = "GPL";
