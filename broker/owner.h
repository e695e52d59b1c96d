/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whose VM is it?  KVM knows: it lets a process use, and attach a policy to, the VMs that were made in
 * its memory (struct kvm's mm).  But KVM asks that of the caller, and here it is the broker who calls.
 * So a BPF program (owner.bpf.c), which the broker runs once for each request, compares the same two
 * pointers.  It also compares the VM's file with that which the process has by the number that it names.
 */
#ifndef OWNER_H
#define OWNER_H

#ifdef __bpf__
#include <linux/types.h>
#else
#include "peer.h"

/*
 * Is vm_fd a VM that the peer made, and does the peer have it open by the number named?  0, or an
 * errno, and the reason in words.
 */
int owner_check(const struct peer *peer, int vm_fd, int named, char *why, size_t size);
#endif

/* The program's argument, and what it returns. */
struct owner_query {
	__s32 pid;		/* the process, in the initial pid namespace */
	__s32 vm_fd, named;	/* the VM's descriptor, in the broker and in the process */
	__u32 mm_offset;	/* in struct kvm */
};

enum owner_answer {
	OWNER_IS,
	OWNER_GONE,		/* there is no such process */
	OWNER_OTHER_FILE,	/* by that number it has something else */
	OWNER_OTHER_MM,		/* another process made the VM */
};

#endif /* OWNER_H */
