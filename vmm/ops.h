/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The steps that the test build (selftests/hcvm/) replaces, to take each in a wrong order
 * and see that this is caught.  hcvm_ops (hcvm.c) has the right ones.
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

	/* A migration: a round's scan, what libhcpolicy's tracker does in it, and its sending. */
	int64_t (*scan)(struct migration *m);
	int64_t (*round)(struct hcp_tracker *tracker, uint32_t slot, uint64_t *words);
	int (*status)(struct hcp_tracker *tracker, uint64_t gfn);
	uint64_t (*pending)(const struct hcp_tracker *tracker);
	int64_t (*send)(struct migration *m, bool last);
	/* Its end: stop the VM; then, in there, send the rest. */
	int (*stop)(struct migration *m);
	int (*send_rest)(struct migration *m);

	/* What the test build has and hcvm has not: NULL. */
	int (*add_devs)(struct vm *vm);
	/* A command of the control socket, its answer to out; false: it is none. */
	bool (*command)(struct vm *vm, int argc, char **argv, FILE *out);
	/* A word of the command migrate; false: it is none. */
	bool (*option)(const char *word, struct migrate_opts *opts);
};

#endif /* HCVM_OPS_H */
