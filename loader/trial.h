/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A throw-away VM with the test guest in it, which makes the requests that it is told to make.  All
 * vCPUs are run by the caller's thread, one request or batch at a time.  Errors are reported.
 */
#ifndef TRIAL_H
#define TRIAL_H

#include <stdbool.h>
#include <stdint.h>
#include "../guest/load.h"
#include "../guest/mailbox.h"
#include "../guest/stats.h"
#include "../guest/vcpu.h"

struct trial;

struct trial_vcpu {
	struct trial *trial;
	unsigned int id;	/* KVM's */
	int fd, stats_fd;
	struct kvm_run *run;
	struct hcg_mailbox *mailbox;
	struct hcg_request *request;
	struct vcpu_stats_at stats_at;
	struct vcpu_stats stats;	/* when the last request was answered */
	uint64_t exits;			/* of the request */
	bool started;
	/* The policy still says RETRY to its request, of that line. */
	bool held;
	unsigned long line;
};

struct trial {
	int kvm_fd, vm_fd;
	uint8_t *mem;
	int run_size;
	bool exits;
	struct hcguest guest;
	unsigned int nvcpus;
	struct trial_vcpu vcpus[HCG_MAX_VCPUS];
};

/* What became of a request: what KVM has counted and this VM has seen, not what a policy says. */
struct trial_answer {
	const char *verdict;	/* script.h */
	int64_t ret;		/* what the guest sees, unless it is held */
	uint64_t retries;
	uint64_t handled;	/* of a batch, so many */
	bool overruled, bad_verdict, bad_request;	/* hcpolicy's counters of these names */
};

/* Does KVM have the hook here?  False: reported. */
bool trial_possible(void);

/* No vCPU yet; exits: the VMM has enabled KVM_EXIT_HYPERCALL, and answers 0. */
bool trial_begin(struct trial *t, bool exits);
void trial_end(struct trial *t);

/* The vCPU of that id, which is made if there is none yet.  NULL: reported. */
struct trial_vcpu *trial_vcpu(struct trial *t, unsigned int id);

/* A new request, of a vCPU that is not held; then go on with it, until it is answered or held. */
void trial_ask(struct trial_vcpu *v, bool shared, uint64_t gpa, uint64_t npages, unsigned long line);
/* Or n of them, at most a page's worth: the range is shared and hidden in turn. */
void trial_ask_in_turn(struct trial_vcpu *v, uint64_t gpa, uint64_t npages, unsigned int n);
bool trial_go_on(struct trial_vcpu *v, struct trial_answer *answer);

#endif /* TRIAL_H */
