// SPDX-License-Identifier: GPL-2.0
/* A policy that refuses while it is told to, by the one call that policies have for it. */
#include "hcpolicy.bpf.h"

HCPOLICY_ABOUT(refuse, "refuses while it is told to");
HCP_SETTING(_Bool, refuse, 0, 0, 1, "refuse every request");

HCPOLICY(refuse, req)
{
	if (refuse)
		return hcp_refuse(req, -EPERM);
	hcp_book(req);
	return KVM_HCPOLICY_HANDLED;
}

char LICENSE[] SEC("license") = "GPL";
