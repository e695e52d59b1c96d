// SPDX-License-Identifier: GPL-2.0
/*
 * What can be had without the hook: an fentry program on the stock KVM keeps the
 * book of one process's VM.  It sees the hypercall only, can neither answer nor
 * suppress the exit, and depends on the arguments of a function inside KVM.
 */
#include "hcpolicy.bpf.h"

#define KVM_HC_MAP_GPA_RANGE	12
#define MAP_GPA_RANGE_ENCRYPTED	(1 << 4)

__u32 tgid;

/* vcpu, nr, gpa, npages, attrs, a3, op_64_bit, cpl */
SEC("fentry/__kvm_emulate_hypercall")
int keep_book(__u64 *arg)
{
	__u64 gfn = arg[2] >> HCP_PAGE_SHIFT, npages = arg[3];
	struct hcp_chunk *chunk;

	if (arg[1] != KVM_HC_MAP_GPA_RANGE || arg[7] ||
	    bpf_get_current_pid_tgid() >> 32 != tgid)
		return 0;

	/* One page at a time is what the benchmark asks for. */
	chunk = hcp_chunk_of(arg[2]);
	if (chunk && npages == 1)
		hcp_book_bits(&chunk->words[gfn / 64 % HCP_CHUNK_WORDS], hcp_bit(gfn),
			      !(arg[4] & MAP_GPA_RANGE_ENCRYPTED));
	else
		hcp_count_unbooked(gfn, npages);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
