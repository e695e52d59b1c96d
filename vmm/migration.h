/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One attempt of a migration, on its source.  It belongs to the migration's thread.  Other
 * threads may write cancel_fd, and read the counters.
 */
#ifndef HCVM_MIGRATION_H
#define HCVM_MIGRATION_H

#include <hcpolicy/tracker.h>

#include "conn.h"
#include "ops.h"
#include "vm.h"

struct migrate_opts {
	char addr[256];
	uint64_t bandwidth;	/* bytes a second, 0: no limit */
	unsigned int downtime_ms;	/* wanted; 0: only rounds counts */
	unsigned int rounds;	/* after so many whole ones the VM is stopped anyway */
	unsigned int timeout_s;	/* for a peer that does not move */
	unsigned int ready_s;	/* limit of the time in which the guest is not ready */
	unsigned int limit_s;	/* for the whole of it, 0: none */
	bool tied;		/* to its client */
};

struct migration {
	struct vm *vm;
	const struct hcvm_ops *ops;
	struct migrate_opts opts;
	struct conn conn;
	FILE *out;		/* the client of the control socket */
	int cancel_fd;
	int limit_fd;		/* a timer, -1: none */
	char limit_why[128];
	pthread_t thread;

	struct hcp_set *set, *own_set;	/* own: if nobody keeps one; all private */
	struct hcp_tracker *tracker;
	uint64_t *words[MAX_SLOTS];	/* a slot's part of the round */
	/* Where the bandwidth ended a round: the next one begins there, so that none starves. */
	unsigned int at_slot;
	size_t at_word;

	uint64_t unready_ns;	/* for so long the guest was not ready */
	uint64_t unready_at;	/* when it was last seen so; 0: it was ready then */
	bool waiting;		/* for it to be ready; the client knows */

	unsigned int round;
	uint64_t pages, zero_pages;	/* sent */
	uint64_t scan_ns, downtime_ns;
	uint64_t round_ns, round_bytes;	/* of the last round that sent something */
	int64_t last_pages;	/* of the last round */
	bool stopped;		/* the last round is done */
	bool committing;	/* too late to cancel; under vm->lock */
	bool committed;		/* the target may run */
};

#endif /* HCVM_MIGRATION_H */
