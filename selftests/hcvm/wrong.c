// SPDX-License-Identifier: GPL-2.0
/*
 * The wrong orders.  For some of them a naive tracker stands in for libhcpolicy's, so that one
 * thing at a time can be wrong with it.  With NOTHING nothing is.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/kvm_para.h>

#include "../../guest/mailbox.h"
#include "../../vmm/exits.h"
#include "../../vmm/migrate.h"
#include "../../vmm/rounds.h"
#include "../../vmm/state.h"
#include "../../vmm/vcpu.h"
#include "points.h"
#include "wrong.h"

static enum {
	NONE,
	NOTHING,	/* the naive tracker, and nothing wrong */
	NO_XOR,
	STATUS_FIRST,
	OLD_SNAPSHOT,
	READ_TWICE,
	DROP_LEFTOVERS,
	LATE_EXIT,	/* a pending exit is answered after the last scan */
	RUNNING_LAST,
	UNBOOKED,
	NO_ALIAS,
	NR_ORDERS
} order;

static const char *const names[NR_ORDERS] = {
	[NONE] = "none",
	[NOTHING] = "nothing",
	[NO_XOR] = "no-xor",
	[STATUS_FIRST] = "status-first",
	[OLD_SNAPSHOT] = "old-snapshot",
	[READ_TWICE] = "read-twice",
	[DROP_LEFTOVERS] = "drop-leftovers",
	[LATE_EXIT] = "late-exit",
	[RUNNING_LAST] = "running-last-round",
	[UNBOOKED] = "unbooked",
	[NO_ALIAS] = "no-alias",
};

/* A byte for each page, by guest frame. */
enum { TO_SEND = 1, NOTED = 2, SNAPSHOT = 4 };
static uint8_t *pages;
static uint64_t npages;

/* The migration that is under way, and what its last scan found. */
static struct migration *now;
static int64_t found;

bool wrong_choose(const char *name)
{
	unsigned int i;

	for (i = 0; i < NR_ORDERS; i++)
		if (names[i] && !strcmp(names[i], name)) {
			order = i;
			return true;
		}
	return false;
}

static bool is_naive(void)
{
	return order >= NOTHING && order <= DROP_LEFTOVERS;
}

static int begin(struct migration *m)
{
	free(pages);
	npages = vm_max_gpa(m->vm) / PAGE_SIZE;
	pages = malloc(npages);
	if (!pages)
		return conn_fail(&m->conn, "out of memory");
	memset(pages, TO_SEND, npages);
	now = m;
	return 0;
}

static bool is_last(const struct migration *m)
{
	return m->vm->state != VM_RUNNING;
}

static void take_snapshot(struct migration *m)
{
	uint64_t gfn;

	for (gfn = 0; gfn < npages; gfn++)
		pages[gfn] = (pages[gfn] & ~SNAPSHOT) |
			     (hcp_set__test(m->set, gfn) ? SNAPSHOT : 0);
}

/* Get and clear the aliases' dirty logs, and lose them. */
static void forget_aliases(const struct migration *m)
{
	struct memslot *slot;
	struct kvm_dirty_log log;

	for (slot = m->vm->slots; slot < m->vm->slots + m->vm->nslots; slot++) {
		if (slot->alias < 0)
			continue;
		log = (struct kvm_dirty_log){ .slot = slot->alias };
		log.dirty_bitmap = calloc((slot->size / PAGE_SIZE + 63) / 64, sizeof(uint64_t));
		if (!log.dirty_bitmap || ioctl(m->vm->fd, KVM_GET_DIRTY_LOG, &log))
			fail_errno("no-alias");
		free(log.dirty_bitmap);
	}
}

static int64_t scan(struct migration *m)
{
	if (!m->round && begin(m))
		return -1;
	point(m, "round", m->round + 1);
	if (order == STATUS_FIRST)
		take_snapshot(m);
	/* The snapshot of the last round is from before the stop. */
	if (order == OLD_SNAPSHOT && !is_last(m))
		take_snapshot(m);
	if (order == NO_ALIAS)
		forget_aliases(m);
	point(m, "snapshot", m->round + 1);
	return found = round_scan(m);
}

static bool status_now(const struct migration *m, uint64_t gfn)
{
	if (order == STATUS_FIRST ||
	    (order == OLD_SNAPSHOT && is_last(m)))
		return pages[gfn] & SNAPSHOT;
	return hcp_set__test(m->set, gfn);
}

static int64_t naive_round(const struct memslot *slot, uint64_t *words)
{
	bool no_xor = order == NO_XOR || order == STATUS_FIRST;
	uint64_t i, gfn, bit;
	int64_t n = 0;

	for (i = 0; i < slot->size / PAGE_SIZE; i++) {
		gfn = slot->gpa / PAGE_SIZE + i;
		bit = 1ULL << i % 64;
		if (order == DROP_LEFTOVERS && now->round > 1)
			pages[gfn] &= ~TO_SEND;
		if (words[i / 64] & bit)
			pages[gfn] |= TO_SEND;
		if (!no_xor && status_now(now, gfn) != !!(pages[gfn] & NOTED))
			pages[gfn] |= TO_SEND;
		words[i / 64] &= ~bit;
		if (pages[gfn] & TO_SEND) {
			words[i / 64] |= bit;
			n++;
		}
	}
	return n;
}

static int64_t decide(struct hcp_tracker *tracker, uint32_t number, uint64_t *words)
{
	const struct memslot *slot = now->vm->slots, *end = slot + now->vm->nslots;

	while (slot < end && slot->number != (int)number)
		slot++;
	/* An alias.  Plays with the naive tracker have none. */
	if (slot == end)
		return hcp_tracker__round(tracker, number, words);
	point(now, "cleared", now->round);
	return is_naive() ? naive_round(slot, words) : hcp_tracker__round(tracker, number, words);
}

static int naive_take(uint64_t gfn)
{
	bool shared = status_now(now, gfn), note = shared;

	point_of_page(now, gfn);
	if (order == READ_TWICE)
		note = status_now(now, gfn);
	pages[gfn] = (pages[gfn] & SNAPSHOT) | (note ? NOTED : 0);
	return shared;
}

static int take(struct hcp_tracker *tracker, uint64_t gfn)
{
	int shared;

	if (is_naive())
		return naive_take(gfn);
	shared = hcp_tracker__take(tracker, gfn);
	point_of_page(now, gfn);
	return shared;
}

static uint64_t pending(const struct hcp_tracker *tracker)
{
	return is_naive() ? 0 : hcp_tracker__pending(tracker);
}

static int64_t send(struct migration *m, bool last)
{
	return m->round == 2 && !last && points_leave(m) ? found : round_send(m, last);
}

/* A vCPU that looks parked, although its exit is not answered yet. */
static pthread_mutex_t late_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t late_cond = PTHREAD_COND_INITIALIZER;
static bool late_waits, late_free;

static void wait_parked(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	pthread_mutex_lock(&vm->lock);
	vcpu->parked = true;
	pthread_cond_broadcast(&vm->cond);
	pthread_mutex_unlock(&vm->lock);
	pthread_mutex_lock(&late_lock);
	late_waits = true;
	while (!late_free)
		pthread_cond_wait(&late_cond, &late_lock);
	pthread_mutex_lock(&vm->lock);
	vcpu->parked = false;
	pthread_mutex_unlock(&vm->lock);
	late_free = late_waits = false;
	pthread_cond_broadcast(&late_cond);
	pthread_mutex_unlock(&late_lock);
}

static void late_go(void)
{
	pthread_mutex_lock(&late_lock);
	late_free = late_waits;
	pthread_cond_broadcast(&late_cond);
	while (late_waits)
		pthread_cond_wait(&late_cond, &late_lock);
	pthread_mutex_unlock(&late_lock);
}

static void on_exit_of(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	if (run->exit_reason == KVM_EXIT_HYPERCALL && run->hypercall.nr == KVM_HC_MAP_GPA_RANGE) {
		/* The guest would not get far without the rest. */
		if (order == UNBOOKED && run->hypercall.args[0] >= HCG_FREE_GPA) {
			run->hypercall.ret = 0;
			return;
		}
		if (order == LATE_EXIT && vcpu->vm->migration)
			wait_parked(vcpu);
	}
	handle_exit(vcpu);
}

static int send_rest(struct migration *m)
{
	int err;

	switch (order) {
	case LATE_EXIT:
		err = migrate_last_round(m) ?: migrate_send_set(m);
		if (err)
			return err;
		late_go();
		vm_pause(m->vm);
		return state_save(m->vm, &m->conn);
	case RUNNING_LAST:
		return state_save(m->vm, &m->conn) ?: migrate_send_set(m);
	default:
		return migrate_send_rest(m);
	}
}

static int stop(struct migration *m)
{
	int err;

	point(m, "stop", m->round);
	if (order == RUNNING_LAST && migrate_last_round(m))
		return -1;
	err = migrate_stop(m);
	if (err > 0) {
		vm_resume(m->vm);
		point(m, "back", m->round);
	}
	return err;
}

void wrong_ops(struct hcvm_ops *ops)
{
	ops->exit = on_exit_of;
	ops->scan = scan;
	ops->round = decide;
	ops->take = take;
	ops->pending = pending;
	ops->send = send;
	ops->stop = stop;
	ops->send_rest = send_rest;
}
