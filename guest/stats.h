/* SPDX-License-Identifier: GPL-2.0 */
/* What the hook has counted of a vCPU. */
#ifndef HCP_GUEST_STATS_H
#define HCP_GUEST_STATS_H

#include <stdint.h>

/* The hook's counters of a vCPU, in the order of their names in stats.c. */
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

#endif /* HCP_GUEST_STATS_H */
