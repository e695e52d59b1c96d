// SPDX-License-Identifier: GPL-2.0
/*
 * A migration, as its source sees it.  The rule (docs/migration.md):
 *
 *	rounds while the VM runs, until what is left fits the wanted downtime;
 *	the guest has said that it can be migrated, or we go on with rounds, for a while;
 *	stop for good: every vCPU out of KVM_RUN, its last exit completed;
 *	save vCPUs, interrupt controllers, devices: that can dirty pages;
 *	the last round; the set;
 *	the target says READY, we say COMMIT, it says RUNNING: the VM is its.
 *
 * Whatever fails before COMMIT leaves the VM running here.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <asm/kvm_para.h>
#include <hcpolicy/stream.h>

#include "machine.h"
#include "migrate.h"
#include "state.h"
#include "wrong.h"

/* So long a guest that is not ready is left alone. */
#define NAP_NS	200000000ULL

/* The figures of the last attempt. */
static struct {
	bool valid;
	uint64_t rounds, pages, zero_pages, bytes, scan_ns, downtime_ns, total_ns;
} figures;

/* Bytes a second in the last round. */
static uint64_t rate_of(const struct migration *m)
{
	return m->round_ns ? (unsigned __int128)m->round_bytes * 1000000000 / m->round_ns : 0;
}

static void tell(struct migration *m, const char *what, int64_t n, int64_t left)
{
	uint64_t kib_s = rate_of(m) / 1024;

	fprintf(m->out, "round %u%s: %lld pages to send, %lld left, %.1f MiB so far, %llu KiB/s\n",
		m->round, what, (long long)n, (long long)left,
		(m->s.sent + m->s.out_len) / 1048576.0, (unsigned long long)kib_s);
	fflush(m->out);
}

static int greet(struct migration *m)
{
	struct frame_hello mine, theirs;

	machine_hello(m->vm, &mine);
	if (stream_put(&m->s, FRAME_HELLO, &mine, sizeof(mine), NULL, 0) || stream_flush(&m->s) ||
	    stream_expect(&m->s, FRAME_WELCOME, &theirs, sizeof(theirs)))
		return -1;
	return machine_matches(&m->s, &theirs, &mine, "the target", "the source");
}

static bool is_ready(const struct vm *vm)
{
	return !vm->cbit || __atomic_load_n(&vm->migration_control, __ATOMIC_SEQ_CST) &
			    KVM_MIGRATION_READY;
}

/* At the bandwidth that was measured, or wanted if that is less. */
static bool fits(const struct migration *m, int64_t n)
{
	uint64_t rate = rate_of(m);

	if (m->opts.bandwidth && (!rate || rate > m->opts.bandwidth))
		rate = m->opts.bandwidth;
	return n * (PAGE_SIZE + 16) <= rate * m->opts.downtime_ms / 1000;
}

/* The time from one look to the next counts if the guest is ready at neither. */
static bool look_ready(struct migration *m)
{
	bool ready = is_ready(m->vm);
	uint64_t now = now_ns();

	if (!ready && m->unready_at)
		m->unready_ns += now - m->unready_at;
	m->unready_at = ready ? 0 : now;
	return ready;
}

/*
 * Not for long: rounds go on meanwhile, and the target hears from us.  This time counts in
 * any case: a guest that is not ready at the wrong moments only comes to its limit too.
 */
static int wait_for_guest(struct migration *m)
{
	uint64_t limit = m->opts.ready_s * 1000000000ULL, start = now_ns(), ns;

	if (m->unready_ns >= limit)
		return stream_fail(&m->s,
				   "the guest was not ready to be migrated (MSR_KVM_MIGRATION_CONTROL) for ready=%u seconds in all: migrate it when it is, or say a higher ready=",
				   m->opts.ready_s);
	if (!m->waiting)
		fprintf(m->out, "waiting until the guest says that it can be migrated (MSR_KVM_MIGRATION_CONTROL)\n");
	m->waiting = true;
	fflush(m->out);
	if (stream_put(&m->s, FRAME_PING, NULL, 0, NULL, 0) || stream_flush(&m->s))
		return -1;
	ns = limit - m->unready_ns;
	stream_poll(&m->s, -1, 0, (ns < NAP_NS ? ns : NAP_NS) / 1000000 + 1);
	ns = now_ns() - start;
	m->unready_ns += ns;
	m->unready_at += ns;
	return 0;
}

/*
 * Rounds while the VM runs; the last scan's pages are left to the last round.  Only those
 * count for which the guest was ready: what it did meanwhile has to fit too.
 */
static int run_rounds(struct migration *m)
{
	uint64_t all = m->vm->cfg->mem / PAGE_SIZE, from = m->pages;
	unsigned int whole = 0;
	int64_t n, left;
	bool ready;

	for (;;) {
		n = round_scan(m);
		if (n < 0)
			return -1;
		ready = look_ready(m);
		if (ready && m->round > 1 && !m->opts.stops[0] && fits(m, n)) {
			fprintf(m->out, "round %u: %lld pages fit: the guest is stopped now\n",
				m->round, (long long)n);
			return 0;
		}
		if (ready && (whole >= m->opts.rounds ||
			      m->pages - from > all * (m->opts.rounds + 1ULL))) {
			fprintf(m->out, "enough rounds: the guest is stopped now\n");
			return 0;
		}
		left = round_send(m, false);
		if (left < 0)
			return -1;
		if (ready || !m->waiting)
			tell(m, "", n, left);
		if (ready) {
			m->waiting = false;
			whole += !left;
			continue;
		}
		whole = 0;
		from = m->pages;
		if (wait_for_guest(m))
			return -1;
	}
}

static int send_set(struct migration *m)
{
	struct hcp_stream_opts opts = { .sz = sizeof(opts) };
	char *data = NULL;
	size_t size = 0;
	FILE *f;
	int err;

	if (m->own_set)
		return 0;
	f = open_memstream(&data, &size);
	if (!f)
		return stream_fail(&m->s, "out of memory");
	err = hcp_set__save(m->set, machine_write, f, &opts);
	if (fclose(f) && !err)
		err = -ENOMEM;
	if (err)
		stream_fail(&m->s, "the shared-page set cannot be saved: %s", strerror(-err));
	else
		err = stream_put(&m->s, FRAME_SET, data, size, NULL, 0);
	free(data);
	return err ? -1 : 0;
}

static int last_round(struct migration *m)
{
	int64_t n = round_scan(m);

	if (n < 0 || round_send(m, true) < 0 || round_complete(m))
		return -1;
	m->last_pages = n;
	m->stopped = true;
	return 0;
}

/* With every vCPU parked, or in a wrong order. */
static int send_machine(struct migration *m)
{
	struct frame_end end = {};

	if (wrong_is(WRONG_LATE_EXIT)) {
		if (last_round(m) || send_set(m))
			return -1;
		wrong_late_go();
		vm_pause(m->vm);
		if (state_save(m->vm, &m->s))
			return -1;
	} else if (wrong_is(WRONG_RUNNING_LAST)) {
		if (state_save(m->vm, &m->s) || send_set(m))
			return -1;
	} else if (state_save(m->vm, &m->s) || last_round(m) || send_set(m)) {
		return -1;
	}
	end.pages = m->pages;
	end.crc = m->s.crc_out;
	return stream_put(&m->s, FRAME_END, &end, sizeof(end), NULL, 0);
}

/* The VM is the target's, once this has returned 0. */
static int hand_over(struct migration *m)
{
	if (stream_flush(&m->s))
		return -1;
	stream_set_deadline(&m->s);
	if (stream_expect(&m->s, FRAME_READY, NULL, 0) ||
	    stream_put(&m->s, FRAME_COMMIT, NULL, 0, NULL, 0))
		return -1;
	stream_set_deadline(&m->s);
	pthread_mutex_lock(&m->vm->lock);
	m->committing = true;
	pthread_mutex_unlock(&m->vm->lock);
	if (stream_flush(&m->s)) {
		/* Not with the ERROR that comes now. */
		m->s.out_len = 0;
		return -1;
	}
	m->committed = true;
	m->s.naborts = 0;
	return stream_expect(&m->s, FRAME_RUNNING, NULL, 0);
}

/* 1: the guest has just taken back that it can be migrated; it is not stopped for good. */
static int stop_and_send(struct migration *m)
{
	uint64_t start = now_ns();
	int err = -1;

	wrong_point(m, "stop");
	if (wrong_is(WRONG_RUNNING_LAST) && last_round(m))
		return -1;
	vm_pause(m->vm);
	pthread_mutex_lock(&m->vm->dev_lock);
	if (!look_ready(m))
		err = 1;
	else if (m->vm->end != END_NONE)
		stream_fail(&m->s, "the guest has ended meanwhile");
	else
		err = send_machine(m) ?: hand_over(m);
	pthread_mutex_unlock(&m->vm->dev_lock);
	m->downtime_ns = now_ns() - start;
	return err;
}

/* Until the target has the machine; each time that it is stopped in vain it runs again. */
static int rounds_and_stop(struct migration *m)
{
	int err;

	while ((err = run_rounds(m) ?: stop_and_send(m)) > 0) {
		vm_resume(m->vm);
		wrong_point(m, "back");
		if (wait_for_guest(m))
			return -1;
	}
	return err;
}

/* A peer that was told to run may run, unless it says itself that it does not. */
static bool in_doubt(const struct migration *m)
{
	return m->committed && !m->s.told;
}

static void keep(struct migration *m, uint64_t start)
{
	figures.valid = true;
	figures.rounds = m->round;
	figures.pages = m->pages;
	figures.zero_pages = m->zero_pages;
	figures.bytes = m->s.sent;
	figures.scan_ns = m->scan_ns;
	figures.downtime_ns = m->downtime_ns;
	figures.total_ns = now_ns() - start;
}

static int set_limit(struct migration *m)
{
	struct itimerspec limit = { .it_value.tv_sec = m->opts.limit_s };

	if (!m->opts.limit_s)
		return 0;
	m->limit_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (m->limit_fd < 0 || timerfd_settime(m->limit_fd, 0, &limit, NULL))
		return stream_fail(&m->s, "no timer for limit=: %s", strerror(errno));
	snprintf(m->limit_why, sizeof(m->limit_why),
		 "the migration was not through within limit=%u seconds: allow it more time, bandwidth or downtime",
		 m->opts.limit_s);
	stream_abort_by(&m->s, m->limit_fd, POLLIN, m->limit_why);
	return 0;
}

/* All of these count until COMMIT has been sent. */
static int open_stream(struct migration *m)
{
	int err = stream_open(&m->s, -1, m->opts.timeout_s * 1000);

	stream_abort_by(&m->s, m->cancel_fd, POLLIN, "interrupted");
	stream_abort_by(&m->s, m->vm->end_fd, POLLIN, "interrupted");
	if (m->opts.tied)
		stream_abort_by(&m->s, fileno(m->out), 0,
				"the client that this migration was tied to is gone: migrate again, or without 'tied'");
	return err ?: set_limit(m);
}

int migrate(struct migration *m)
{
	uint64_t start = now_ns();
	int err;

	err = open_stream(m) ?: addr_connect(&m->s, m->opts.addr) ?: greet(m);
	if (!err) {
		err = rounds_open(m) ?: rounds_and_stop(m);
		if (err && !m->committed) {
			/* Whatever the peer does now, the guest goes on. */
			vm_resume(m->vm);
			if (m->s.lost)
				stream_hear_error(&m->s);
			else
				stream_say_error(&m->s, m->s.why);
		}
		/* Not before: a client that does not read must not keep the guest waiting. */
		if (m->stopped)
			tell(m, " (stopped)", m->last_pages, 0);
		rounds_close(m);
	}
	keep(m, start);
	stream_close(&m->s);
	if (err && in_doubt(m)) {
		pthread_mutex_lock(&m->vm->lock);
		m->vm->in_doubt = true;
		pthread_mutex_unlock(&m->vm->lock);
		snprintf(m->s.why, sizeof(m->s.why),
			 "the target was told to run, and has not answered: the VM stays paused here; if it runs there, say quit here, else end that hcvm and then say resume");
	} else if (err) {
		vm_resume(m->vm);
	} else {
		vm_stop(m->vm, END_MIGRATED, 0);
	}
	return err;
}

void migrate_report(const struct vm *vm)
{
	if (!figures.valid)
		return;
	note("migration-downtime-us %llu", (unsigned long long)figures.downtime_ns / 1000);
	note("migration-total-us %llu", (unsigned long long)figures.total_ns / 1000);
	note("migration-scan-us %llu", (unsigned long long)figures.scan_ns / 1000);
	note("migration-rounds %llu", (unsigned long long)figures.rounds);
	note("migration-pages %llu", (unsigned long long)figures.pages);
	note("migration-zero-pages %llu", (unsigned long long)figures.zero_pages);
	note("migration-bytes %llu", (unsigned long long)figures.bytes);
}
