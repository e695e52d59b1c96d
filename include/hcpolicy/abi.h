/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * What the kernel hook, the BPF policies and userspace agree on: in kvm.h what the
 * kernel's tree has of it, verdicts and the context of a request; here the names
 * of a policy's maps and the layout of the shared-page set, which KVM knows
 * nothing of.  Shapes only, no logic.  Everything is little-endian.
 */
#ifndef HCPOLICY_ABI_H
#define HCPOLICY_ABI_H

#include <hcpolicy/kvm.h>

/*
 * The shared-page set: bit n % 64 of word n / 64 is guest frame n, 1 = shared.
 * With the hook the words are the values of an mmapable array map, one chunk
 * of 4 KiB a value, back to back; without it the same words in the VMM's memory.
 */
#define HCP_PAGE_SHIFT		12
#define HCP_CHUNK_WORDS		512
#define HCP_CHUNK_PAGES		(HCP_CHUNK_WORDS * 64)	/* 32,768: 128 MiB of guest */

/* A policy's maps go by these names. */
#define HCP_MAP_SHARED		"hcp_shared"	/* the set; required */
#define HCP_MAP_INFO		"hcp_info"	/* struct hcp_info; required */

/* Why a set is not complete: hcp_info.state, zero if it is. */
enum hcp_state {
	/* Attached after a vCPU had run, or restored late: earlier requests are unknown. */
	HCP_LATE = 1 << 0,
	/* No policy is attached any more: later requests are unknown. */
	HCP_DETACHED = 1 << 1,
	/* Not attached yet, or to nobody. */
	HCP_UNATTACHED = 1 << 2,
};

#define HCP_NAME_LEN		64
#define HCP_INFO_VERSION	1

/*
 * The one value of hcp_info (mmapable): whose set this is and whether it can
 * be trusted.  A set is complete if state and missed are both zero.  Programs
 * write missed only, atomically; the library writes the rest.
 */
struct hcp_info {
	__u32 version;		/* HCP_INFO_VERSION */
	__u32 state;		/* enum hcp_state, ored */
	__u64 missed;		/* pages of requests that were not booked */
	__u64 npages;		/* the set's size */
	__u64 start_time;	/* of pid, clock ticks after boot: /proc/PID/stat field 22 */
	__u64 attached_at;	/* CLOCK_REALTIME, ns */
	__s32 pid;		/* the VM's process, in the loader's pid namespace */
	__s32 vm_fd;		/* the VM's descriptor in pid */
	char name[HCP_NAME_LEN];	/* the attachment's name, NUL-terminated */
	char policy[HCP_NAME_LEN];	/* the policy's name, NUL-terminated */
};

#endif /* HCPOLICY_ABI_H */
