/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For VMMs that tell the test guest by mailbox what to do (mailbox.h): a vCPU's CPUID, its run to
 * the next doorbell, and what the hook has counted of it.  All of KVM, none of a VMM's own.
 */
#ifndef HCP_GUEST_VCPU_H
#define HCP_GUEST_VCPU_H

#include <stdint.h>
#include <linux/kvm.h>

/*
 * The CPUID that KVM supports, but with phys_bits bits of physical address.  0 or a negative errno.
 */
int hcguest_set_cpuid(int kvm_fd, int vcpu_fd, unsigned int phys_bits);

/*
 * Run until the guest rings the doorbell with more than the question for the magic: what it has
 * written.  Or minus the exit reason of what is the caller's affair: KVM_EXIT_HYPERCALL,
 * KVM_EXIT_INTR (a signal), KVM_EXIT_IO of another port, ...  INT64_MIN: KVM_RUN failed, see errno.
 */
int64_t hcguest_run(int vcpu_fd, struct kvm_run *run);

/* The hook's counters of a vCPU, in the order of their names in vcpu.c. */
struct vcpu_stats {
	uint64_t handled, dflt, retry, refused, overruled, bad_verdict, bad_request;
};

/* Where they are in what KVM_GET_STATS_FD gives. */
struct vcpu_stats_at {
	int fd;			/* the caller's */
	uint64_t offset[sizeof(struct vcpu_stats) / sizeof(uint64_t)];
};

/* 0 or a negative errno; -ENOENT: this KVM has no hook. */
int vcpu_stats_find(int stats_fd, struct vcpu_stats_at *at);
int vcpu_stats_read(const struct vcpu_stats_at *at, struct vcpu_stats *stats);

extern const char *const vcpu_stats_names[sizeof(struct vcpu_stats) / sizeof(uint64_t)];

#endif /* HCP_GUEST_VCPU_H */
