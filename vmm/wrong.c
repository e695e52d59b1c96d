// SPDX-License-Identifier: GPL-2.0
/*
 * The test build's wrong orders.  A naive tracker stands in for libhcpolicy's, so that
 * one thing at a time can be wrong with it; with WRONG_NOTHING nothing is.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "wrong.h"

enum wrong wrong_order;

static const char *const names[NR_WRONG] = {
	[WRONG_NONE] = "none",
	[WRONG_NOTHING] = "nothing",
	[WRONG_NO_XOR] = "no-xor",
	[WRONG_STATUS_FIRST] = "status-first",
	[WRONG_OLD_SNAPSHOT] = "old-snapshot",
	[WRONG_READ_TWICE] = "read-twice",
	[WRONG_DROP_LEFTOVERS] = "drop-leftovers",
	[WRONG_LATE_EXIT] = "late-exit",
	[WRONG_RUNNING_LAST] = "running-last-round",
	[WRONG_UNBOOKED] = "unbooked",
	[WRONG_NO_ALIAS] = "no-alias",
};

/* A byte for each page, by guest frame. */
enum { TO_SEND = 1, NOTED = 2, SNAPSHOT = 4 };
static uint8_t *pages;
static uint64_t npages;

/* Where a migration stands still, and how often it was told to go on. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static unsigned int goes;
static bool late_waits, late_free;

bool wrong_choose(const char *name)
{
	unsigned int i;

	for (i = 0; i < NR_WRONG; i++)
		if (names[i] && !strcmp(names[i], name)) {
			wrong_order = i;
			return true;
		}
	return false;
}

bool wrong_tracks(const struct migration *m)
{
	return wrong_order >= WRONG_NOTHING && wrong_order <= WRONG_DROP_LEFTOVERS;
}

int wrong_open(struct migration *m)
{
	npages = vm_max_gpa(m->vm) / PAGE_SIZE;
	pages = malloc(npages);
	if (!pages)
		return -1;
	memset(pages, TO_SEND, npages);
	goes = 0;
	return 0;
}

void wrong_close(struct migration *m)
{
	free(pages);
	pages = NULL;
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

/* What is dirty there is got, cleared, and lost. */
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

/* Before the dirty log is got and cleared. */
void wrong_begin_round(struct migration *m)
{
	if (wrong_order == WRONG_STATUS_FIRST)
		take_snapshot(m);
	/* The last one that is taken is from before the stop. */
	if (wrong_order == WRONG_OLD_SNAPSHOT && !is_last(m))
		take_snapshot(m);
	if (wrong_order == WRONG_NO_ALIAS)
		forget_aliases(m);
	wrong_point(m, "snapshot");
}

static bool status_now(const struct migration *m, uint64_t gfn)
{
	if (wrong_order == WRONG_STATUS_FIRST ||
	    (wrong_order == WRONG_OLD_SNAPSHOT && is_last(m)))
		return pages[gfn] & SNAPSHOT;
	return hcp_set__test(m->set, gfn);
}

int64_t wrong_round(struct migration *m, int number, uint64_t *words)
{
	bool no_xor = wrong_order == WRONG_NO_XOR || wrong_order == WRONG_STATUS_FIRST;
	struct memslot *slot = m->vm->slots;
	uint64_t i, gfn, bit;
	int64_t n = 0;

	/* No aliases: such plays are for --guest. */
	while (slot->number != number)
		slot++;
	for (i = 0; i < slot->size / PAGE_SIZE; i++) {
		gfn = slot->gpa / PAGE_SIZE + i;
		bit = 1ULL << i % 64;
		if (wrong_order == WRONG_DROP_LEFTOVERS && m->round > 1)
			pages[gfn] &= ~TO_SEND;
		if (words[i / 64] & bit)
			pages[gfn] |= TO_SEND;
		if (!no_xor && status_now(m, gfn) != !!(pages[gfn] & NOTED))
			pages[gfn] |= TO_SEND;
		words[i / 64] &= ~bit;
		if (pages[gfn] & TO_SEND) {
			words[i / 64] |= bit;
			n++;
		}
	}
	return n;
}

/* stops=status:ROUND,page=ADDRESS: between the status of a page and its contents. */
void wrong_at_page(struct migration *m, uint64_t gfn)
{
	const char *page = strstr(m->opts.stops, "page=");

	if (page && strtoull(page + 5, NULL, 0) / PAGE_SIZE == gfn)
		wrong_point(m, "status");
}

int wrong_status(struct migration *m, uint64_t gfn)
{
	bool shared = status_now(m, gfn), note = shared;

	wrong_at_page(m, gfn);
	if (wrong_order == WRONG_READ_TWICE)
		note = status_now(m, gfn);
	pages[gfn] = (pages[gfn] & SNAPSHOT) | (note ? NOTED : 0);
	return shared;
}

bool wrong_leaves(const struct migration *m, bool last)
{
	return m->round == 2 && !last && strstr(m->opts.stops, "leave");
}

/* Whoever watches may be slow; the target would give us up meanwhile. */
static void ping(struct migration *m)
{
	if (!stream_put(&m->s, FRAME_PING, NULL, 0, NULL, 0))
		stream_flush(&m->s);
}

void wrong_point(struct migration *m, const char *name)
{
	struct timespec end;
	char want[64];
	const char *at;

	snprintf(want, sizeof(want), "%s:*", name);
	if (!strstr(m->opts.stops, want)) {
		snprintf(want, sizeof(want), "%s:%u", name, m->round);
		at = strstr(m->opts.stops, want);
		if (!at || (at != m->opts.stops && at[-1] != ','))
			return;
		/* Once each. */
		((char *)at)[0] = '-';
	}
	fprintf(m->out, "at %s\n", want);
	fflush(m->out);
	pthread_mutex_lock(&lock);
	while (!goes) {
		clock_gettime(CLOCK_MONOTONIC, &end);
		end.tv_sec++;
		if (pthread_cond_clockwait(&cond, &lock, CLOCK_MONOTONIC, &end) && !goes) {
			pthread_mutex_unlock(&lock);
			ping(m);
			pthread_mutex_lock(&lock);
		}
	}
	goes--;
	pthread_mutex_unlock(&lock);
}

void wrong_go(void)
{
	pthread_mutex_lock(&lock);
	goes++;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
}

/* The vCPU looks parked, though its exit is not answered yet. */
void wrong_late_exit(struct vm *vm)
{
	struct vcpu *vcpu = vcpu_self();

	if (wrong_order != WRONG_LATE_EXIT || !vm->migration)
		return;
	pthread_mutex_lock(&vm->lock);
	vcpu->parked = true;
	pthread_cond_broadcast(&vm->cond);
	pthread_mutex_unlock(&vm->lock);
	pthread_mutex_lock(&lock);
	late_waits = true;
	while (!late_free)
		pthread_cond_wait(&cond, &lock);
	pthread_mutex_lock(&vm->lock);
	vcpu->parked = false;
	pthread_mutex_unlock(&vm->lock);
	late_free = late_waits = false;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
}

void wrong_late_go(void)
{
	pthread_mutex_lock(&lock);
	late_free = late_waits;
	pthread_cond_broadcast(&cond);
	while (late_waits)
		pthread_cond_wait(&cond, &lock);
	pthread_mutex_unlock(&lock);
}
