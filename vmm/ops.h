/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The steps that the test build (selftests/hcvm/) replaces.  It takes them in a deliberately wrong
 * order, and its tests check that this is caught.  hcvm_ops (hcvm.c) has the right steps.
 */
#ifndef HCVM_OPS_H
#define HCVM_OPS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct hcp_tracker;
struct migrate_opts;
struct migration;
struct vcpu;
struct vm;

struct hcvm_ops {
	/* Answers a vCPU's exit. */
	void (*exit)(struct vcpu *vcpu);

	/*
	 * A round of a migration: scan and send (rounds.h), and the functions of libhcpolicy's
	 * tracker that they use (hcpolicy/tracker.h).
	 */
	int64_t (*scan)(struct migration *m);
	int64_t (*round)(struct hcp_tracker *tracker, uint32_t slot, uint64_t *words);
	int (*take)(struct hcp_tracker *tracker, uint64_t gfn);
	uint64_t (*pending)(const struct hcp_tracker *tracker);
	int64_t (*send)(struct migration *m, bool last);
	/* The end of a migration (migrate.h): stop stops the VM, and calls send_rest. */
	int (*stop)(struct migration *m);
	int (*send_rest)(struct migration *m);

	/* hcvm has none of the following; they are NULL.  The test build has them. */

	/* Adds devices. */
	int (*add_devs)(struct vm *vm);
	/* Runs a command of the control socket; the answer goes to out.  False: no such command. */
	bool (*command)(struct vm *vm, int argc, char **argv, FILE *out);
	/* Parses an option of the command `migrate`.  False: no such option. */
	bool (*option)(const char *word, struct migrate_opts *opts);
};

#endif /* HCVM_OPS_H */
