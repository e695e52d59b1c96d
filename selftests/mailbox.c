// SPDX-License-Identifier: GPL-2.0
/*
 * The guest, its loader and its mailboxes on a real KVM without a policy, two
 * vCPUs at once.
 */
#include <stdio.h>

#include "tap.h"
#include "vm.h"

#define VCPUS	2

#define BATCH_GPA(i)	(HCG_FREE_GPA + (uint64_t)(i) * (8ULL << 20))
#define BATCH		100000
#define DATA_GPA	(32ULL << 20)

static struct vm *vm;

static struct hcg_request *batch(struct vcpu *v)
{
	return (void *)(vm->mem + BATCH_GPA(v->index));
}

static int64_t command(struct vcpu *v, enum hcg_command command, uint64_t n)
{
	return vcpu_command(v, command, BATCH_GPA(v->index), n);
}

static struct hcg_request *put(struct vcpu *v, unsigned int at, uint32_t op, uint32_t flags,
			       uint64_t a0, uint64_t a1, uint64_t a2, int64_t expect)
{
	struct hcg_request *r = &batch(v)[at];

	*r = (struct hcg_request){ .op = op, .flags = flags | HCG_EXPECT, .nr = KVM_HC_MAP_GPA_RANGE,
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
	ev = command(v, HCG_CMD_RUN, 10);
	if (v->mbox->failed)
		printf("# operation %llu: %lld\n", (unsigned long long)v->mbox->first,
		       (long long)v->mbox->first_ret);
	tap_ok(ev == HCG_EV_DONE && !v->mbox->failed && v->mbox->iterations == 1 &&
	       *(uint64_t *)(vm->mem + DATA_GPA + 8192) == 42, "a batch of every operation");

	batch(v)[2].expect = 0;
	batch(v)[6].expect = 3;
	ev = command(v, HCG_CMD_RUN, 10);
	tap_ok(ev == HCG_EV_DONE && v->mbox->failed == 2 && v->mbox->first == 2 && v->mbox->first_ret == -1000,
	       "answers that are not expected are counted");

	put(v, 0, HCG_STEP, 0, 0x1234, 0, 0, 0);
	put(v, 1, HCG_WRITE, 0, DATA_GPA, 7, 0, 0);
	ev = command(v, HCG_CMD_RUN, 2);
	tap_ok(ev == (HCG_EV_STEP | 0x1234 << 8) && *(uint64_t *)(vm->mem + DATA_GPA) != 7,
	       "a step rings the doorbell within a batch");
	tap_ok(vcpu_doorbell(v) == HCG_EV_DONE && *(uint64_t *)(vm->mem + DATA_GPA) == 7, "and the batch goes on");
	tap_ok(command(v, HCG_CMD_HALT, 0) == -KVM_EXIT_HLT && vcpu_doorbell(v) == HCG_EV_DONE, "halt");
}

static void *run_big(void *arg)
{
	struct vcpu *v = arg;
	int i;

	for (i = 0; i < BATCH; i++)
		put(v, i, HCG_CALL, 0, (uint64_t)i << 12, 1, i & 1 ? 0x10 : 0, -1000);
	if (command(v, HCG_CMD_RUN, BATCH) != HCG_EV_DONE || v->mbox->failed ||
	    batch(v)[BATCH - 1].ret != -1000)
		return NULL;
	return v;
}

static void *run_loop(void *arg)
{
	struct vcpu *v = arg;

	put(v, 0, HCG_CALL, 0, 0x1000, 1, 0, -1000);
	return command(v, HCG_CMD_LOOP, 1) == HCG_EV_DONE && !v->mbox->failed ? v : NULL;
}

static void wait_iterations(struct vcpu *v, uint64_t n)
{
	WAIT_UNTIL(v->mbox->iterations >= n);
}

static void start(pthread_t *t, void *(*fn)(void *), struct vcpu *v)
{
	CHECK_EQ(pthread_create(t, NULL, fn, v), 0);
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
	tap_ok(ret[0] && ret[1], "100,000 requests in one batch, on two vCPUs at once");

	for (i = 0; i < VCPUS; i++)
		v[i].mbox->stop = 0, v[i].mbox->iterations = 0;
	for (i = 0; i < VCPUS; i++)
		start(&t[i], run_loop, &v[i]);
	for (i = 0; i < VCPUS; i++)
		wait_iterations(&v[i], 100);
	for (i = 0; i < VCPUS; i++)
		v[i].mbox->stop = 1;
	for (i = 0; i < VCPUS; i++)
		pthread_join(t[i], &ret[i]);
	tap_ok(ret[0] && ret[1], "loops that the VMM stops, on two vCPUs at once");
}

/* What comes of it if nobody listens to COM1. */
static int64_t in_the_end(struct vcpu *v, int64_t event)
{
	while (event == -KVM_EXIT_IO)
		event = vcpu_doorbell(v);
	return event;
}

static void test_fault(struct vcpu *v)
{
	volatile struct hcg_mailbox *mb = v->mbox;

	/* No such command: UD2. */
	tap_ok(command(v, 99, 0) == (HCG_EV_FAULT | 6 << 8) && mb->fault.vector == 6 &&
	       mb->fault.rip >= 0x100000 && mb->fault.rip < HCG_FREE_GPA, "an exception rings the doorbell");
	tap_ok(in_the_end(v, vcpu_doorbell(v)) == -KVM_EXIT_SHUTDOWN, "and then the guest shuts down");
}

int main(void)
{
	struct vcpu *v;
	bool good = true;
	int i;

	vm = vm_new(VCPUS, false);
	v = vm->vcpus;

	/* The last first: no vCPU depends on another. */
	for (i = VCPUS - 1; i >= 0; i--)
		good = good && vcpu_doorbell(&v[i]) == HCG_EV_READY;
	tap_ok(good, "two vCPUs start, the second before the first");
	if (good) {
		test_batch(&v[0]);
		test_batch(&v[1]);
		test_both(v);
		test_fault(&v[1]);
		tap_ok(in_the_end(&v[0], command(&v[0], HCG_CMD_EXIT, 0)) == -KVM_EXIT_SHUTDOWN, "exit");
	}
	return tap_end();
}
