// SPDX-License-Identifier: GPL-2.0
/*
 * throttle: bitmap, but a guest that asks too often has to wait.
 *
 * A token bucket for the whole VM: `rate` requests a second, and `burst` of them at once.  Beyond
 * that the guest's instruction is run again until there is a token; after 16 times in a row KVM
 * lets such a vCPU sleep a tick each time.
 *
 * So this is bounded, for a guest that asks in a loop:
 *  - the requests that are booked and answered: `rate` a second, after a burst;
 *  - how often it is asked in vain: 16 times for each of these, and once a tick for each vCPU.
 *    docs/bench.md has what one such time costs.
 * The burst has to be more than what comes in a tick, rate / 250: while a vCPU sleeps, the bucket
 * fills no further, and the guest gets less than the rate.  And each 256 MiB of a request takes one of
 * the burst: a request that needs more than there can be never ends.
 * This is not bounded: what the guest does with its vCPUs otherwise.  Any other exit is as easy to make.
 *
 * Where the door cannot run an instruction again (SEV-ES, SEV-SNP, TDX), no request waits.  It is
 * booked, and counted in `over`.  If the VMM has enabled the exit, it gets the request, and may let
 * the vCPU wait; else the request is answered, because to refuse it would not make it cheaper.
 *
 * Good for: many guests on a host, one of which may be hostile.  Not good for: a guest that converts
 * much memory page by page at boot; give it a burst that it needs.
 */
#include "hcpolicy.bpf.h"

HCPOLICY_ABOUT(throttle, "makes a guest wait that asks too often");
HCP_SETTING(__u64, rate, 10000, 1, 1000000000, "requests a second");
HCP_SETTING(__u64, burst, 10000, 1, 1000000000, "requests that may come at once");
HCP_COUNTER(waited, "times that a request had to be made again");
HCP_COUNTER(over, "requests above the rate that could not wait");

/* When the bucket is full again, in ns of bpf_ktime_get_ns(): the one word of its state. */
volatile __u64 full_at;

static __always_inline _Bool take_token(void)
{
	__u64 now = bpf_ktime_get_ns(), each = 1000000000 / rate, before, then;
	int i;

	for (i = 0; i < 4; i++) {
		before = full_at;
		then = (before > now ? before : now) + each;
		if (then - now > each * burst)
			return 0;
		if (__sync_val_compare_and_swap(&full_at, before, then) == before)
			return 1;
	}
	return 0;	/* that many others at once */
}

HCPOLICY(throttle, req)
{
	_Bool in_time = take_token();

	if (!in_time && !(req->flags & KVM_HCPOLICY_NO_RETRY)) {
		__sync_fetch_and_add(&waited, 1);
		return KVM_HCPOLICY_RETRY;
	}
	hcp_book(req);
	if (!in_time) {
		__sync_fetch_and_add(&over, 1);
		if (req->flags & KVM_HCPOLICY_EXIT_ENABLED)
			return KVM_HCPOLICY_DEFAULT;
	}
	return req->flags & KVM_HCPOLICY_MAY_HANDLE ? KVM_HCPOLICY_HANDLED : KVM_HCPOLICY_DEFAULT;
}

char LICENSE[] SEC("license") = "GPL";
