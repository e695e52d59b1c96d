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

/*
 * When a set can be trusted.
 *
 * It is complete if it has every request that its guest has made: hcp_info.state
 * and hcp_info.missed are zero.  Each bit of state is one reason why it is not;
 * missed counts the pages of requests inside the set that were not booked.
 *
 * Complete says nothing of frames beyond the set.  A guest may ask for some that
 * are no memory, as firmware does for a whole MMIO hole, so a request beyond ends
 * no trust in what is inside: it is counted apart, in beyond.  Whoever migrates
 * memory asks for frames below hcp_info.reach only, which is the set's size; or
 * less, if the set was restored from a smaller one that had requests beyond.
 */
enum hcp_state {
	/* Attached after a vCPU had run, or restored late: earlier requests are unknown. */
	HCP_LATE = 1 << 0,
	/* No policy is attached any more: later requests are unknown. */
	HCP_DETACHED = 1 << 1,
	/* Not attached yet, or to nobody. */
	HCP_UNATTACHED = 1 << 2,
	/* The guest comes from elsewhere, and so does what it has shared there. */
	HCP_AWAITS_RESTORE = 1 << 3,
	/* Saved while its guest may have been running: it is of no one moment. */
	HCP_RUNNING = 1 << 4,
	/* A reset or restore is at work on it, or was cut short. */
	HCP_CHANGING = 1 << 5,
	/* Another link's program kept it too: requests of two VMs are in it. */
	HCP_FOREIGN = 1 << 6,
};

#define HCP_NAME_LEN		64
#define HCP_INFO_VERSION	2

/*
 * The one value of hcp_info (mmapable): whose set this is and whether it can
 * be trusted.  Programs write missed and beyond only, atomically; the library
 * writes the rest.
 */
struct hcp_info {
	__u32 version;		/* HCP_INFO_VERSION */
	__u32 state;		/* enum hcp_state, ored */
	__u64 missed;		/* pages inside the set whose requests were not booked */
	__u64 beyond;		/* pages of requests that lay beyond the set */
	__u64 npages;		/* the set's size */
	__u64 reach;		/* from this frame on nothing is known; at most npages */
	__u64 start_time;	/* of pid, clock ticks after boot: /proc/PID/stat field 22 */
	__u64 attached_at;	/* CLOCK_REALTIME, ns */
	__u64 pid_ns;		/* the pid namespace that pid is a number of: its inode */
	__s32 pid;		/* the VM's process */
	__s32 vm_fd;		/* the VM's descriptor in pid */
	__u32 link_id;		/* BPF's ids of what belongs to this set: the link, */
	__u32 ops_id;		/* the struct_ops map that the link was last given, */
	__u32 shared_id;	/* and the map hcp_shared; 0: not attached yet */
	__u32 generation;	/* how often its contents were replaced: reset, restore */
	char name[HCP_NAME_LEN];	/* the attachment's name, NUL-terminated */
	char policy[HCP_NAME_LEN];	/* the policy's name, NUL-terminated */
	char label[HCP_NAME_LEN];	/* what its owner calls the guest, NUL-padded; "": nothing */
};

/*
 * What a policy tells userspace of one request, if it does: ring buffers hcp_events0 ..., the one of
 * vcpu_id modulo their number.
 */
#define HCP_MAP_EVENTS		"hcp_events"
#define HCP_EVENT_RINGS		8
#define HCP_EVENT_RING_SIZE	(64 << 10)
struct hcp_event {
	__u64 time;		/* CLOCK_MONOTONIC, ns */
	__u64 gfn, npages;
	__u32 vcpu_id;
	__s32 verdict;		/* what the policy answered: enum kvm_hcpolicy_verdict, or a negative errno */
	__u8 source;		/* enum kvm_hcpolicy_source */
	__u8 shared;
	__u8 unused[6];
};

#endif /* HCPOLICY_ABI_H */
