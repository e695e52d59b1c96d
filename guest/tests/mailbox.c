// SPDX-License-Identifier: GPL-2.0
/*
 * The guest, its loader and its mailboxes on a real KVM without a policy, two
 * vCPUs at once:
 *
 *	mailbox HCGUEST_ELF
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kvm.h"

#define BATCH_GPA(i)	(HCG_FREE_GPA + (uint64_t)(i) * (8ULL << 20))
#define BATCH		100000
#define DATA_GPA	(32ULL << 20)
#define HC_MAP_GPA_RANGE 12

static struct vm vm;

static struct hcg_request *put(struct vcpu *v, unsigned int at, uint32_t op, uint32_t flags,
			       uint64_t a0, uint64_t a1, uint64_t a2, int64_t expect)
{
	struct hcg_request *r = &v->batch[at];

	*r = (struct hcg_request){ .op = op, .flags = flags | HCG_EXPECT, .nr = HC_MAP_GPA_RANGE,
				   .a0 = a0, .a1 = a1, .a2 = a2, .expect = expect };
	return r;
}

static void test_batch(struct vcpu *v)
{
	int64_t ev;

	put(v, 0, HCG_CALL, 0, 0x1000, 1, 0, -1000);
	put(v, 1, HCG_CALL, HCG_VMCALL, 0x1000, 1, 0, -1000);
	put(v, 2, HCG_CALL, HCG_VMMCALL, 0x1000, 1, 0x10, -1000);
	put(v, 3, HCG_CALL, HCG_USER, 0x1000, 1, 0, -1);
	put(v, 4, HCG_FILL, 0, DATA_GPA, 8192, 0x1122334455667788, 0);
	put(v, 5, HCG_READ, 0, DATA_GPA + 8184, 0, 0, 0x1122334455667788);
	put(v, 6, HCG_WRITE, 0, DATA_GPA + 8192, 42, 0, 0);
	put(v, 7, HCG_READ, 0, DATA_GPA + 4, 0, 0, HCG_RET_BAD_REQUEST);
	put(v, 8, HCG_READ, 0, HCG_MAX_GPA, 0, 0, HCG_RET_BAD_REQUEST);
	put(v, 9, 99, 0, 0, 0, 0, HCG_RET_BAD_REQUEST);
	ev = command(&vm, v, HCG_CMD_RUN, 10);
	if (v->mb->failed)
		printf("# operation %llu: %lld\n", (unsigned long long)v->mb->first,
		       (long long)v->mb->first_ret);
	ok(ev == HCG_EV_DONE && !v->mb->failed && v->mb->iterations == 1 &&
	   *(uint64_t *)(vm.mem + DATA_GPA + 8192) == 42, "a batch of every operation");

	v->batch[2].expect = 0;
	v->batch[6].expect = 3;
	ev = command(&vm, v, HCG_CMD_RUN, 10);
	ok(ev == HCG_EV_DONE && v->mb->failed == 2 && v->mb->first == 2 && v->mb->first_ret == -1000,
	   "answers that are not expected are counted");

	put(v, 0, HCG_STEP, 0, 0x1234, 0, 0, 0);
	put(v, 1, HCG_WRITE, 0, DATA_GPA, 7, 0, 0);
	ev = command(&vm, v, HCG_CMD_RUN, 2);
	ok(ev == (HCG_EV_STEP | 0x1234 << 8) && *(uint64_t *)(vm.mem + DATA_GPA) != 7,
	   "a step rings the doorbell within a batch");
	ok(doorbell(&vm, v) == HCG_EV_DONE && *(uint64_t *)(vm.mem + DATA_GPA) == 7, "and the batch goes on");
	ok(command(&vm, v, HCG_CMD_HALT, 0) == -KVM_EXIT_HLT && doorbell(&vm, v) == HCG_EV_DONE, "halt");
}

static void *run_big(void *arg)
{
	struct vcpu *v = arg;
	int i;

	for (i = 0; i < BATCH; i++)
		put(v, i, HCG_CALL, 0, (uint64_t)i << 12, 1, i & 1 ? 0x10 : 0, -1000);
	if (command(&vm, v, HCG_CMD_RUN, BATCH) != HCG_EV_DONE || v->mb->failed ||
	    v->batch[BATCH - 1].ret != -1000)
		return NULL;
	return v;
}

static void *run_loop(void *arg)
{
	struct vcpu *v = arg;

	put(v, 0, HCG_CALL, 0, 0x1000, 1, 0, -1000);
	return command(&vm, v, HCG_CMD_LOOP, 1) == HCG_EV_DONE && !v->mb->failed ? v : NULL;
}

static void wait_iterations(struct vcpu *v, uint64_t n)
{
	while (v->mb->iterations < n)
		usleep(1000);
}

static void start(pthread_t *t, void *(*fn)(void *), struct vcpu *v)
{
	errno = pthread_create(t, NULL, fn, v);
	if (errno)
		give_up("pthread_create");
}

static void test_both(struct vcpu *v)
{
	pthread_t t[VCPUS];
	void *ret[VCPUS];
	int i;

	for (i = 0; i < VCPUS; i++)
		start(&t[i], run_big, &v[i]);
	for (i = 0; i < VCPUS; i++)
		pthread_join(t[i], &ret[i]);
	ok(ret[0] && ret[1], "100,000 requests in one batch, on two vCPUs at once");

	for (i = 0; i < VCPUS; i++)
		v[i].mb->stop = 0, v[i].mb->iterations = 0;
	for (i = 0; i < VCPUS; i++)
		start(&t[i], run_loop, &v[i]);
	for (i = 0; i < VCPUS; i++)
		wait_iterations(&v[i], 100);
	for (i = 0; i < VCPUS; i++)
		v[i].mb->stop = 1;
	for (i = 0; i < VCPUS; i++)
		pthread_join(t[i], &ret[i]);
	ok(ret[0] && ret[1], "loops that the VMM stops, on two vCPUs at once");
}

static void test_fault(struct vcpu *v)
{
	struct hcg_mailbox *mb = v->mb;

	/* No such command: UD2. */
	ok(command(&vm, v, 99, 0) == (HCG_EV_FAULT | 6 << 8) && mb->fault.vector == 6 &&
	   mb->fault.rip >= 0x100000 && mb->fault.rip < HCG_FREE_GPA, "an exception rings the doorbell");
	ok(doorbell(&vm, v) == -KVM_EXIT_SHUTDOWN, "and then the guest shuts down");
}

int main(int argc, char **argv)
{
	struct vcpu *v = vm.vcpu;
	bool good = true;
	int i;

	if (argc != 2) {
		fprintf(stderr, "usage: mailbox HCGUEST_ELF\n");
		return 2;
	}
	vm_new(&vm, argv[1], false);
	for (i = 0; i < VCPUS; i++)
		v[i].batch = (void *)(vm.mem + BATCH_GPA(i));

	/* The last first: no vCPU depends on another. */
	for (i = VCPUS - 1; i >= 0; i--)
		good = good && doorbell(&vm, &v[i]) == HCG_EV_READY;
	ok(good, "two vCPUs start, the second before the first");
	if (good) {
		test_batch(&v[0]);
		test_batch(&v[1]);
		test_both(v);
		test_fault(&v[1]);
		ok(command(&vm, &v[0], HCG_CMD_EXIT, 0) == -KVM_EXIT_SHUTDOWN, "exit");
	}
	printf("1..%u\n%u passed, %u failed, 0 skipped\n", passed + failed, passed, failed);
	return failed != 0;
}
