// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions per request: the guest shares and hides single pages, 200 requests
 * at a stretch, and the TSC is the count of instructions, because the machine
 * runs under icount (scripts/vm-run --icount).
 *
 *	requests none | exits | POLICY...	a line each: the mode and the number
 *
 * none: nobody answers (-KVM_ENOSYS); exits: the VMM answers and keeps no set; POLICY: a
 * policy file's name, attached.  Everything is subtracted that a batch without
 * a request costs, so that what is left is one request from vmmcall to answer.
 *
 * The rule that makes it exact: a batch is shorter than the time between two of the
 * host's timer interrupts, so the least of many batches has none in it, and another
 * run, or another boot, counts the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <hcpolicy/policy.h>

#include "../selftests/tap.h"
#include "../selftests/vm.h"

#define REQUESTS	200
#define BATCHES		50

/* What the batch costs, at the least. */
static uint64_t batch_insns(struct vcpu *v, struct hcg_request *reqs)
{
	uint64_t start, insns, least = UINT64_MAX;
	int i;

	for (i = 0; i < BATCHES; i++) {
		vcpu_put(v, HCG_CMD_RUN, reqs, REQUESTS);
		start = __builtin_ia32_rdtsc();
		CHECK(vcpu_run(v));
		insns = __builtin_ia32_rdtsc() - start;
		CHECK_EQ(v->mbox->failed, 0);
		if (insns < least)
			least = insns;
	}
	return least;
}

static void measure(const char *mode)
{
	static struct hcg_request calls[REQUESTS], reads[REQUESTS];
	bool exits = !strcmp(mode, "exits");
	struct vm *vm = vm_new(1, exits);
	struct vcpu *v = &vm->vcpus[0];
	struct hcpolicy *policy = NULL;
	uint64_t with, without;
	int64_t expect = 0;
	int i;

	if (!strcmp(mode, "none")) {
		expect = -KVM_ENOSYS;
	} else if (!exits) {
		policy = hcpolicy__open(mode, NULL);
		CHECK(policy && !hcpolicy__load(policy) && !hcpolicy__attach(policy, vm->fd, NULL));
	}

	for (i = 0; i < REQUESTS; i++) {
		calls[i] = hc_request(0x100000 + (i / 2) * PAGE, 1, i % 2 ? HIDE : SHARE, expect);
		reads[i] = (struct hcg_request){ .op = HCG_READ, .a0 = VM_FREE_GPA };
	}

	with = batch_insns(v, calls);
	without = batch_insns(v, reads);

	printf("%s %llu\n", mode, (unsigned long long)(with - without) / REQUESTS);
	hcpolicy__close(policy);
	vm_free(vm);
}

int main(int argc, char **argv)
{
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 1; i < argc; i++)
		measure(argv[i]);
	return 0;
}
