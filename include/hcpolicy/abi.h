/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * The layout of the shared-page set, and the names of a policy's maps.  Policies and
 * userspace share them; KVM does not know them.  What the kernel hook and policies share
 * (verdicts, the context of a request) is in kvm.h.  Shapes only, no logic.  Everything
 * is little-endian.
 */
#ifndef HCPOLICY_ABI_H
#define HCPOLICY_ABI_H

#include <hcpolicy/kvm.h>

/*
 * The shared-page set: bit n % 64 of word n / 64 is guest page n, 1 = shared.
 * With the hook, the words are the values of an mmapable array map, back to back:
 * each value is one chunk of 4 KiB.  Without the hook they are in the VMM's memory.
 */
#define HCP_PAGE_SHIFT		12
#define HCP_CHUNK_WORDS		512
#define HCP_CHUNK_PAGES		(HCP_CHUNK_WORDS * 64)	/* 32,768: 128 MiB of guest */

/* The names of a policy's maps. */
#define HCP_MAP_SHARED		"hcp_shared"	/* the set; required */
#define HCP_MAP_INFO		"hcp_info"	/* struct hcp_info; required */

/*
 * When a set can be trusted.
 *
 * A set is complete if it has every request that its guest has made.  Then hcp_info.state
 * and hcp_info.missed are zero.  Each bit of state is one reason why the set is not complete.
 * missed counts pages inside the set whose requests were not recorded.
 *
 * Complete says nothing about pages beyond the set.  They may not be memory: firmware makes
 * requests for whole MMIO holes.  So requests beyond do not make the set incomplete; beyond
 * counts their pages.  A migration may use the set only below hcp_info.reach.  This is the
 * set's size, or less if the set was restored from a smaller one that had requests beyond.
 */
enum hcp_state {
	/* Attached after a vCPU had run, or the guest may have run since the restored save. */
	HCP_LATE = 1 << 0,
	/* No policy is attached any more: later requests are unknown. */
	HCP_DETACHED = 1 << 1,
	/* The policy that keeps it is not attached yet. */
	HCP_UNATTACHED = 1 << 2,
	/* The guest arrives from elsewhere, and its set has not been restored yet. */
	HCP_AWAITS_RESTORE = 1 << 3,
	/* Saved while its guest may have been running, so its words are of different moments. */
	HCP_RUNNING = 1 << 4,
	/* A reset or restore is in progress, or was cut short. */
	HCP_CHANGING = 1 << 5,
	/* Another link's program kept it too, so it has requests of two VMs. */
	HCP_FOREIGN = 1 << 6,
};

#define HCP_NAME_LEN		64
#define HCP_INFO_VERSION	2

/*
 * The one value of hcp_info (mmapable): whose set this is, and whether it can be
 * trusted.  Programs write only missed and beyond, atomically.  The library writes
 * the rest.
 */
struct hcp_info {
	__u32 version;		/* HCP_INFO_VERSION; hcpolicy 0.1 attached with version 1, which is shorter */
	__u32 state;		/* enum hcp_state, ored */
	__u64 missed;		/* pages inside the set whose requests were not recorded */
	__u64 beyond;		/* pages of requests beyond the set */
	__u64 npages;		/* the set's size */
	__u64 reach;		/* nothing is known from this page on; at most npages */
	__u64 start_time;	/* of pid, clock ticks after boot: /proc/PID/stat field 22 */
	__u64 attached_at;	/* CLOCK_REALTIME, ns */
	__u64 pid_ns;		/* the pid namespace of pid: its inode */
	__s32 pid;		/* the VM's process */
	__s32 vm_fd;		/* the VM's descriptor in pid */
	__u32 link_id;		/* BPF ids of what belongs to this set: the link, */
	__u32 ops_id;		/* the struct_ops map that the link was last given, */
	__u32 shared_id;	/* and the map hcp_shared; 0: not attached yet */
	__u32 generation;	/* counts resets and restores */
	char name[HCP_NAME_LEN];	/* the attachment's name, NUL-terminated */
	char policy[HCP_NAME_LEN];	/* the policy's name, NUL-terminated */
	char label[HCP_NAME_LEN];	/* the owner's name for the guest, NUL-padded; "": none */
};

/*
 * The events by which a policy tells userspace of requests, if it does.  They are in ring buffers
 * hcp_events0, hcp_events1 and so on; a vCPU uses the one whose number is vcpu_id modulo their count.
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
