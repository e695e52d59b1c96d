/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One attempt of a migration, on its source.  The migration's thread owns it.  Other threads may
 * write to cancel_fd, and read opts, committing and the counters.
 */
#ifndef HCVM_MIGRATION_H
#define HCVM_MIGRATION_H

#include <hcpolicy/tracker.h>

#include "conn.h"
#include "ops.h"
#include "vm.h"

struct migrate_opts {
	char addr[256];
	uint64_t bandwidth;	/* bytes a second; 0: no limit */
	unsigned int downtime_ms;	/* wanted; 0 (test build only): the number of rounds alone decides */
	unsigned int rounds;	/* stop the VM after so many whole rounds: migrate.c, run_rounds() */
	unsigned int timeout_s;	/* give up if the peer neither sends nor takes anything for so long */
	unsigned int ready_s;	/* give up when the guest was not ready for so long in all */
	unsigned int limit_s;	/* give up when the whole takes longer; 0: never */
	bool tied;		/* give up when the client is gone */
};

struct migration {
	struct vm *vm;
	const struct hcvm_ops *ops;
	struct migrate_opts opts;
	struct conn conn;
	FILE *out;		/* answers to the client of the control socket */
	int cancel_fd;
	int limit_fd;		/* a timer for limit_s; -1: none */
	char limit_why[128];
	pthread_t thread;

	/* The VM's set.  If nobody keeps one, it is own_set, in which all pages are private. */
	struct hcp_set *set, *own_set;
	struct hcp_tracker *tracker;
	uint64_t *words[MAX_SLOTS];	/* of each slot: a bit for each page to send */
	/* Where the bandwidth limit ended a round.  The next begins there, so no page starves. */
	unsigned int at_slot;
	size_t at_word;

	uint64_t unready_ns;	/* how long the guest was not ready, in all */
	uint64_t unready_at;	/* unready_ns counts up to here; 0: the guest was ready at the last look */
	bool waiting;		/* the client was told that we wait for the guest */

	unsigned int round;
	uint64_t pages, zero_pages;	/* sent */
	uint64_t scan_ns;		/* CPU time */
	uint64_t downtime_ns;
	/* How long the last round that sent something took, and how much that was. */
	uint64_t round_ns, round_bytes;
	int64_t last_pages;	/* pages to send in the last round, with the VM stopped */
	bool last_done;		/* the last round is done */
	bool committing;	/* COMMIT is being sent: too late to cancel; under vm->lock */
	bool committed;		/* COMMIT was sent: the target may run the VM */
};

#endif /* HCVM_MIGRATION_H */
