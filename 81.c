#include "quota.h"
#include "hcp_events.bpf.h"

HCPOLICY(both, req)
{
	int verdict = KVM_HCPOLICY_HANDLED;

	if (!quota_ready())
		return KVM_HCPOLICY_RETRY;	/* plain guests only: see quota.bpf.c */
	if (!quota_allows(req, hcp_book_changed(req))) {
		verdict = -EPERM;
		hcp_emit(req, verdict);
	}
	return verdict;
}

char LICENSE[] SEC("license") = "GPL";
