// SPDX-License-Identifier: GPL-2.0
/* A policy that writes to its request, which the kernel must not load. */
#include "hcpolicy.bpf.h"

HCPOLICY(meddle, req)
{
	req->npages = 1;
	return KVM_HCPOLICY_HANDLED;
}

char LICENSE[] SEC("license") = "GPL";
