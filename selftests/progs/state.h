/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the test policies and the tests share: the policy's .bss, which the test
 * maps.  The test writes the orders at any time, the program writes the rest.
 */
#ifndef HCST_STATE_H
#define HCST_STATE_H

#include <linux/types.h>

#define STATE_VCPUS	8

struct policy_state {
	/* Orders: answer this, but `then` from call number `change_at` (if not 0) on. */
	__s32 answer;
	__s32 then;
	__u64 change_at;
	__u64 spin_ns;		/* stay in each call so long */
	__u64 book;		/* book requests in the set */

	__u64 calls;		/* begun */
	__u64 in_call;		/* begun and not ended */
	__u64 pages;		/* of all calls */
	__u64 most_pages;	/* of a call */
	__u64 failed, lost;	/* calls in which a map did, events without room (maps.bpf.c) */

	__u64 by_vcpu[STATE_VCPUS];	/* calls, by vcpu_id */

	/* The request of the last call. */
	__u64 gpa, npages, attrs;
	__u32 vcpu_id, source, shared, flags;
};

#endif /* HCST_STATE_H */
