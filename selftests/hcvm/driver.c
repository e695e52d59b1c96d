// SPDX-License-Identifier: GPL-2.0
/*
 * --drive: tells hcguest.elf what to do, by its mailboxes (guest/mailbox.h).  A vCPU
 * that rings the doorbell is held until a command of the control socket lets it go on:
 *
 *	work SEED PAGES [FLAGS]	all vCPUs convert and write PAGES pages each
 *	stop			... until they are told to stop
 *	look			how they fare, while they work: a line each
 *	check			all verify their pages: a line each
 *	batch VCPU OP:A0:A1:A2...	operations for one vCPU, by number
 *	go-on VCPU		after the step that it has come to
 *	wait VCPU		until it is held: which event, and its argument
 *
 * What a vCPU has rung travels with the VM, as the device's state.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <linux/kvm_para.h>

#include "../../guest/mailbox.h"
#include "../../vmm/vcpu.h"
#include "driver.h"

#define WAIT_S		60
#define MAX_BATCH	(4096 / sizeof(struct hcg_request))

static __thread struct vcpu *self;

/* By vCPU: what it wrote to the doorbell last; 0: it is working. */
static struct { uint32_t event[MAX_VCPUS]; } doorbell;

static void doorbell_in(struct vm *vm, void *state, uint16_t port, uint8_t *data,
			unsigned int size)
{
	uint32_t magic = HCG_MAGIC;

	memcpy(data, &magic, size < 4 ? size : 4);
}

static void doorbell_out(struct vm *vm, void *state, uint16_t port, const uint8_t *data,
			 unsigned int size)
{
	uint32_t value = 0;

	memcpy(&value, data, size < 4 ? size : 4);
	doorbell.event[self->index] = value;
	if (HCG_EVENT(value) == HCG_EV_FAULT)
		note("vCPU %u: the guest died of exception %u", self->index, HCG_EVENT_ARG(value));
	vcpu_hold(self, true);
}

void driver_begin_exit(struct vcpu *vcpu)
{
	self = vcpu;
}

int driver_init(struct vm *vm)
{
	return vm_add_dev(vm, &(struct dev){ .port = HCG_PORT, .nports = 4,
					     .in = doorbell_in, .out = doorbell_out,
					     .state = &doorbell, .state_size = sizeof(doorbell) });
}

static struct hcg_mailbox *mailbox(struct vm *vm, unsigned int i)
{
	return vm_hva(vm, HCG_MAILBOX_GPA(i), sizeof(struct hcg_mailbox));
}

/* Wait until the vCPU is held and its exit is completed.  Returns its event; 0: none came in time. */
static uint32_t wait_event(struct vm *vm, unsigned int i)
{
	struct timespec end;
	uint32_t event = 0;
	int err = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_S;
	pthread_mutex_lock(&vm->lock);
	while (!err && vm->end == END_NONE &&
	       !(vm->vcpus[i].held && vm->vcpus[i].parked && doorbell.event[i]))
		err = pthread_cond_timedwait(&vm->cond, &vm->lock, &end);
	if (!err && vm->end == END_NONE)
		event = doorbell.event[i];
	pthread_mutex_unlock(&vm->lock);
	return event;
}

/* With dev_lock held, so that nothing is written while a migration has stopped the VM. */
static void start(struct vm *vm, unsigned int i, uint32_t command)
{
	struct hcg_mailbox *mb = mailbox(vm, i);

	mb->command = command;
	mb->stop = 0;
	vm_wrote(vm, HCG_MAILBOX_GPA(i), sizeof(*mb));
	doorbell.event[i] = 0;
	vcpu_hold(&vm->vcpus[i], false);
}

static bool all_wait(struct vm *vm, FILE *out)
{
	unsigned int i;

	for (i = 0; i < vm->nvcpus; i++) {
		uint32_t event = wait_event(vm, i);

		if (HCG_EVENT(event) == HCG_EV_READY || HCG_EVENT(event) == HCG_EV_DONE)
			continue;
		fprintf(out, "error vCPU %u is not idle (event 0x%x)\n", i, event);
		return false;
	}
	return true;
}

static void work(struct vm *vm, int argc, char **argv, FILE *out)
{
	uint64_t seed, pages, flags, room = vm->cfg->mem / PAGE_SIZE - HCG_FREE_GPA / PAGE_SIZE;
	unsigned int i;

	if (argc < 3) {
		fprintf(out, "error work: wanted SEED PAGES [FLAGS]\n");
		return;
	}
	seed = strtoull(argv[1], NULL, 0);
	pages = strtoull(argv[2], NULL, 0);
	flags = argc > 3 ? strtoull(argv[3], NULL, 0) : 0;
	if (!pages || pages > room / vm->nvcpus) {
		fprintf(out, "error work: %llu pages: there is room for %llu\n",
			(unsigned long long)pages, (unsigned long long)room / vm->nvcpus);
		return;
	}
	if (!all_wait(vm, out))
		return;
	pthread_mutex_lock(&vm->dev_lock);
	for (i = 0; i < vm->nvcpus; i++) {
		struct hcg_mailbox *mb = mailbox(vm, i);

		mb->count = 0;
		mb->work.first_gfn = HCG_FREE_GPA / PAGE_SIZE + i * pages;
		mb->work.npages = pages;
		mb->work.seed = seed + i;
		mb->work.flags = flags;
		start(vm, i, HCG_CMD_WORK);
	}
	pthread_mutex_unlock(&vm->dev_lock);
	fprintf(out, "ok\n");
}

static void results(struct vm *vm, FILE *out)
{
	unsigned long long bad = 0;
	unsigned int i;

	for (i = 0; i < vm->nvcpus; i++) {
		const struct hcg_mailbox *mb = mailbox(vm, i);
		const struct hcg_work *w = &mb->work;

		fprintf(out,
			"vcpu %u: %llu steps, %llu conversions, %llu refused, %llu writes, %llu verified, %llu bad\n",
			i, (unsigned long long)mb->iterations,
			(unsigned long long)w->conversions, (unsigned long long)w->refused,
			(unsigned long long)w->writes, (unsigned long long)w->verified,
			(unsigned long long)w->bad);
		if (w->bad)
			fprintf(out, "vcpu %u: bad page 0x%llx, %llu words from offset 0x%llx, 0x%llx instead of 0x%llx, kind %llu\n",
				i, (unsigned long long)w->bad_gfn, (unsigned long long)w->bad_words,
				(unsigned long long)w->bad_offset, (unsigned long long)w->bad_got,
				(unsigned long long)w->bad_expected,
				(unsigned long long)w->bad_found);
		bad += w->bad + (mb->failed && !w->bad);
	}
	if (bad)
		fprintf(out, "error %llu bad pages\n", bad);
	else
		fprintf(out, "ok\n");
}

static void stop(struct vm *vm, FILE *out)
{
	unsigned int i;

	pthread_mutex_lock(&vm->dev_lock);
	for (i = 0; i < vm->nvcpus; i++) {
		mailbox(vm, i)->stop = 1;
		vm_wrote(vm, HCG_MAILBOX_GPA(i), sizeof(struct hcg_mailbox));
	}
	pthread_mutex_unlock(&vm->dev_lock);
	if (all_wait(vm, out))
		results(vm, out);
}

static void check(struct vm *vm, FILE *out)
{
	unsigned int i;

	if (!all_wait(vm, out))
		return;
	pthread_mutex_lock(&vm->dev_lock);
	for (i = 0; i < vm->nvcpus; i++)
		start(vm, i, HCG_CMD_CHECK);
	pthread_mutex_unlock(&vm->dev_lock);
	if (all_wait(vm, out))
		results(vm, out);
}

static bool parse_request(const char *text, struct hcg_request *r)
{
	char *end;

	memset(r, 0, sizeof(*r));
	r->nr = KVM_HC_MAP_GPA_RANGE;
	r->op = strtoul(text, &end, 0);
	if (*end == ':')
		r->a0 = strtoull(end + 1, &end, 0);
	if (*end == ':')
		r->a1 = strtoull(end + 1, &end, 0);
	if (*end == ':')
		r->a2 = strtoull(end + 1, &end, 0);
	return end != text && !*end;
}

static void batch(struct vm *vm, unsigned int v, int argc, char **argv, FILE *out)
{
	struct hcg_mailbox *mb = mailbox(vm, v);
	struct hcg_request r[MAX_BATCH];
	int i;

	for (i = 0; i < argc; i++) {
		if (i < (int)MAX_BATCH && parse_request(argv[i], &r[i]))
			continue;
		fprintf(out, "error batch: '%s': wanted OP[:A0[:A1[:A2]]]\n", argv[i]);
		return;
	}
	pthread_mutex_lock(&vm->dev_lock);
	memcpy(vm_hva(vm, HCG_BATCH_GPA(v), sizeof(r)), r, argc * sizeof(r[0]));
	vm_wrote(vm, HCG_BATCH_GPA(v), argc * sizeof(r[0]));
	mb->requests = HCG_BATCH_GPA(v);
	mb->count = argc;
	start(vm, v, HCG_CMD_RUN);
	pthread_mutex_unlock(&vm->dev_lock);
	fprintf(out, "ok\n");
}

static bool is_running(struct vm *vm)
{
	bool running;

	pthread_mutex_lock(&vm->lock);
	running = vm->state == VM_RUNNING;
	pthread_mutex_unlock(&vm->lock);
	return running;
}

static void go_on(struct vm *vm, unsigned int v, FILE *out)
{
	bool running = is_running(vm);

	/* A migration that stands still with the VM stopped has dev_lock: do not wait for that. */
	if (running) {
		pthread_mutex_lock(&vm->dev_lock);
		running = is_running(vm);
		if (running) {
			doorbell.event[v] = 0;
			vcpu_hold(&vm->vcpus[v], false);
		}
		pthread_mutex_unlock(&vm->dev_lock);
	}
	if (running)
		fprintf(out, "ok\n");
	else
		fprintf(out, "error vCPU %u: the VM is stopped\n", v);
}

static void wait_for(struct vm *vm, unsigned int v, FILE *out)
{
	static const char *const names[] = { "", "ready", "done", "step", "fault" };
	uint32_t event = wait_event(vm, v);

	if (!HCG_EVENT(event) || HCG_EVENT(event) > HCG_EV_FAULT)
		fprintf(out, "error vCPU %u has not rung the doorbell (0x%x)\n", v, event);
	else
		fprintf(out, "ok %s %u\n", names[HCG_EVENT(event)], HCG_EVENT_ARG(event));
}

/* Has the VM arrived?  Waits for one that is about to run. */
static bool arrived(struct vm *vm)
{
	bool here;

	pthread_mutex_lock(&vm->lock);
	while (vm->arrival == ARRIVAL_COMMITTED)
		pthread_cond_wait(&vm->cond, &vm->lock);
	here = vm->arrival == ARRIVAL_NONE;
	pthread_mutex_unlock(&vm->lock);
	return here;
}

bool driver_command(struct vm *vm, int argc, char **argv, FILE *out)
{
	unsigned int v;

	if (!arrived(vm)) {
		fprintf(out, "error '%s': the VM has not arrived yet\n", argv[0]);
	} else if (!strcmp(argv[0], "work")) {
		work(vm, argc, argv, out);
	} else if (!strcmp(argv[0], "stop")) {
		stop(vm, out);
	} else if (!strcmp(argv[0], "look")) {
		results(vm, out);
	} else if (!strcmp(argv[0], "check")) {
		check(vm, out);
	} else if (argc > 1) {
		v = strtoul(argv[1], NULL, 0);
		if (v >= vm->nvcpus)
			fprintf(out, "error no vCPU %s\n", argv[1]);
		else if (!strcmp(argv[0], "batch"))
			batch(vm, v, argc - 2, argv + 2, out);
		else if (!strcmp(argv[0], "go-on"))
			go_on(vm, v, out);
		else if (!strcmp(argv[0], "wait"))
			wait_for(vm, v, out);
		else
			return false;
	} else {
		return false;
	}
	return true;
}
