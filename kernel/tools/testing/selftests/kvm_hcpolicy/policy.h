/* SPDX-License-Identifier: GPL-2.0 */
/* What the policy and the test share: the policy's .bss, which the test maps. */
#ifndef SELFTEST_KVM_HCPOLICY_H
#define SELFTEST_KVM_HCPOLICY_H

#include <linux/types.h>
#include "../../../../include/linux/kvm_hcpolicy_abi.h"

struct policy_state {
	/* Orders: answer, but then from call number change_at (if not 0) on. */
	__s32 answer, then;
	__u64 change_at;

	__u64 calls;
	/* What the last call saw. */
	__u64 gpa, npages, attrs;
	__u32 shared, flags;
};

#endif
