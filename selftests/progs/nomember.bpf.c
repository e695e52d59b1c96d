// SPDX-License-Identifier: GPL-2.0
/* A policy that answers nothing. */
#include "hcpolicy.bpf.h"

SEC(".struct_ops.link") struct kvm_hcpolicy_ops nomember = {
	.name = "nomember",
};

char LICENSE[] SEC("license") = "GPL";
