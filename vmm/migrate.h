/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The source's side of a migration: what one attempt knows.  Its own thread has all
 * of it, but cancel_fd, which anyone may write, and the counters, for reading.
 */
#ifndef HCVM_MIGRATE_H
#define HCVM_MIGRATE_H

#include <hcpolicy/tracker.h>

#include "stream.h"
#include "vm.h"

struct migrate_opts {
	char addr[256];
	uint64_t bandwidth;	/* bytes a second, 0: no limit */
	unsigned int downtime_ms;	/* wanted */
	unsigned int rounds;	/* whole ones at most, then the VM is stopped anyway */
	unsigned int timeout_s;	/* for a peer that does not move */
	unsigned int ready_s;	/* in all, in which the guest is not ready */
	unsigned int limit_s;	/* for the whole of it, 0: none */
	bool tied;		/* to its client */
	char stops[128];	/* of the test build: wrong.h */
};

struct migration {
	struct vm *vm;
	struct migrate_opts opts;
	struct stream s;
	FILE *out;		/* the client of the control socket */
	int cancel_fd;
	int limit_fd;		/* a timer, -1: none */
	char limit_why[128];
	pthread_t thread;

	struct hcp_set *set, *own_set;	/* own: of a VM without a book, all private */
	struct hcp_tracker *tracker;
	uint64_t *words[MAX_SLOTS];	/* a slot's part of the round */
	unsigned int at_slot;	/* where the bandwidth ended a round: */
	size_t at_word;		/* the next one begins there, or what lies behind starves */

	uint64_t unready_ns;	/* the guest was not ready */
	uint64_t unready_at;	/* nor when it was looked at last, 0: it was */
	bool waiting;		/* for that, and the client was told */

	unsigned int round;
	uint64_t pages, zero_pages;	/* sent */
	uint64_t scan_ns, downtime_ns;
	uint64_t round_ns, round_bytes;	/* of the round before: the bandwidth */
	int64_t last_pages;	/* of the last round, once it is through */
	bool stopped;		/* it is */
	bool committing;	/* too late to cancel; under vm->lock */
	bool committed;		/* the target may run */
};

/*
 * migrate.c: one attempt.  Returns 0 with the VM given up, or -1: it runs, or it is in doubt
 * who has it (vm->in_doubt), and it is paused.
 */
int migrate(struct migration *m);
/* Its figures, one `hcvm: key value` a line. */
void migrate_report(const struct vm *vm);
uint64_t now_ns(void);

/* rounds.c: the pages, in the order that docs/migration.md explains. */
int rounds_open(struct migration *m);
void rounds_close(struct migration *m);
/* Get and clear the dirty logs, then decide: how many pages are to be sent. */
int64_t round_scan(struct migration *m);
/* Send them: all, or what the bandwidth allows for a while; how many are left. */
int64_t round_send(struct migration *m, bool last);
int round_complete(struct migration *m);

#endif /* HCVM_MIGRATE_H */
