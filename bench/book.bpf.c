// SPDX-License-Identifier: GPL-2.0
/*
 * The set as a policy writes it, without KVM: set.c runs this by BPF_PROG_TEST_RUN, which works
 * on kernels that have no hook.
 */
#include "hcpolicy.bpf.h"

struct job {
	__u64 npages;		/* 0: all but the booking */
	__u64 mask;		/* which of the ranges of so many pages, from address 0 on */
	__u64 n;
};

/* Ranges are shared and hidden again. */
__weak __noinline int flip_many(__u64 i, __u64 npages, __u64 mask, __u64 n)
{
	struct kvm_hcpolicy_ctx req = { .npages = npages };

	for (; i < n && hcp_can_loop; i++) {
		req.gpa = (i / 2 * 0x9e3779b1 & mask) * npages << HCP_PAGE_SHIFT;
		req.shared = i % 2 == 0;
		if (npages)
			hcp_book(&req);
	}
	return 0;
}

SEC("syscall")
int flips(struct job *job)
{
	return flip_many(0, job->npages, job->mask, job->n);
}

char LICENSE[] SEC("license") = "GPL";
