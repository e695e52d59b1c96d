/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The requests of one VM, one by one, as KVM's tracepoint has them.  requests.bpf.c sees them in
 * the kernel and puts them into a ring buffer, requests.c hands them out.  The kernel never waits
 * for the reader: what finds the buffer full is lost, and counted.
 */
#ifndef REQUESTS_H
#define REQUESTS_H

#include <linux/types.h>

/* A request, or a piece of a large one: struct kvm_hcpolicy_ctx, and what became of it. */
struct request {
	__u64 time;		/* CLOCK_MONOTONIC, ns */
	__u64 lost;		/* so many were lost before this one */
	__u64 gpa, npages, attrs;
	__u32 vcpu_id;
	__s32 answer;		/* the policy's */
	__s32 verdict;		/* what KVM made of it */
	__u16 flags;
	__u8 source, shared;
};

#define REQUESTS_RING_SIZE	(4 << 20)	/* 65,536 requests */

/* The program's constants: which VM, and the offsets that libbpf cannot put in by itself. */
struct requests_of {
	__u32 link_id;
	__u32 vcpu_ctx, vcpu_kvm, kvm_policy;
};

/* What the program tells beside the ring. */
struct requests_state {
	__u64 lost;
	__u64 kvm;		/* the VM's address; 0: it has made no request yet */
};

#ifndef __bpf__
#include <stdbool.h>

struct requests;
typedef bool (*request_fn)(void *ctx, const struct request *request);

/*
 * From here on, all requests of the VM whose policy has that link.  NULL: reported; who is how the
 * messages call it.
 */
struct requests *requests_begin(const char *who, unsigned int link_id);
/* Polls readable when there are some. */
int requests_fd(const struct requests *requests);
/* No more come: what is left can be taken. */
void requests_stop(struct requests *requests);
/*
 * Hand some to fn, until it returns false.  Returns how many there were, or a negative errno: -ECANCELED,
 * as fn returned false, or libbpf's.
 * In the order in which KVM was done with them.
 */
int requests_take(struct requests *requests, request_fn fn, void *ctx);
/* How many found the buffer full until now. */
__u64 requests_lost(const struct requests *requests);
/* How many BPF itself passed over, as the program was at work on that CPU already. */
__u64 requests_passed_over(const struct requests *requests);
void requests_end(struct requests *requests);
#endif

#endif /* REQUESTS_H */
