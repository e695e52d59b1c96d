// SPDX-License-Identifier: GPL-2.0
/*
 * A migration, as its source sees it.  The rule (docs/migration.md):
 *
 *	1. rounds while the VM runs, until what is left fits the wanted downtime or enough
 *	   rounds are done, and the guest says that it can be migrated;
 *	2. stop the VM: every vCPU is out of KVM_RUN, its last exit completed.  If the guest no
 *	   longer says that it can be migrated, run the VM again, and go back to 1;
 *	3. save vCPUs, interrupt controllers and devices.  Saving can dirty pages;
 *	4. so the last round comes after that, and then the set;
 *	5. the target says READY, the source says COMMIT, the target says RUNNING.  Now the
 *	   target has the VM.
 *
 * If anything fails before COMMIT, the VM runs on here.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <asm/kvm_para.h>
#include <hcpolicy/stream.h>

#include "addr.h"
#include "keeper.h"
#include "hello.h"
#include "migrate.h"
#include "rounds.h"
#include "state.h"
#include "vcpu.h"

/* How long to wait until a guest that is not ready is looked at again. */
#define NAP_NS	200000000ULL

/* The last attempt and how long it took, for migrate_report(). */
static struct migration last;
static uint64_t last_ns;

/* Bytes a second, by the last round that sent something. */
static uint64_t rate_of(const struct migration *m)
{
	return m->round_ns ? (unsigned __int128)m->round_bytes * 1000000000 / m->round_ns : 0;
}

static void tell(struct migration *m, const char *what, int64_t n, int64_t left)
{
	uint64_t kib_s = rate_of(m) / 1024;

	fprintf(m->out, "round %u%s: %lld pages to send, %lld left, %.1f MiB so far, %llu KiB/s\n",
		m->round, what, (long long)n, (long long)left,
		(m->conn.sent + m->conn.out_len) / 1048576.0, (unsigned long long)kib_s);
	fflush(m->out);
}

static int greet(struct migration *m)
{
	struct frame_hello mine, theirs;

	hello_fill(m->vm, &mine);
	if (conn_put(&m->conn, FRAME_HELLO, &mine, sizeof(mine), NULL, 0) || conn_flush(&m->conn) ||
	    conn_expect(&m->conn, FRAME_WELCOME, &theirs, sizeof(theirs)))
		return -1;
	return hello_matches(&m->conn, &theirs, &mine, "the target", "the source");
}

static bool is_ready(const struct vm *vm)
{
	return !vm->cbit || __atomic_load_n(&vm->migration_control, __ATOMIC_SEQ_CST) &
			    KVM_MIGRATION_READY;
}

/* Can n pages be sent within the downtime that was asked for? */
static bool fits(const struct migration *m, int64_t n)
{
	uint64_t rate = rate_of(m);

	if (m->opts.bandwidth && (!rate || rate > m->opts.bandwidth))
		rate = m->opts.bandwidth;
	return n * (PAGE_SIZE + 16) < rate * m->opts.downtime_ms / 1000;
}

/*
 * Is the guest ready?  Adds up the time in which it was not: the time between two looks counts if
 * both find it not ready.
 */
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
 * Wait a little for the guest to become ready.  The wait is short, because the next round has to
 * follow.  A PING tells the target that the source is still there.
 *
 * The whole wait counts as not ready.  Otherwise a guest that is ready at every second look would
 * never reach the limit.
 */
static int wait_for_guest(struct migration *m)
{
	uint64_t limit = m->opts.ready_s * 1000000000ULL, start = now_ns(), ns;

	if (m->unready_ns >= limit)
		return conn_fail(&m->conn,
				 "the guest was not ready to be migrated (MSR_KVM_MIGRATION_CONTROL) for ready=%u seconds in all: migrate it once it is ready, or give a larger ready=",
				 m->opts.ready_s);
	if (!m->waiting)
		fprintf(m->out, "waiting until the guest says that it can be migrated (MSR_KVM_MIGRATION_CONTROL)\n");
	m->waiting = true;
	fflush(m->out);
	if (conn_put(&m->conn, FRAME_PING, NULL, 0, NULL, 0) || conn_flush(&m->conn))
		return -1;
	ns = limit - m->unready_ns;
	conn_poll(&m->conn, -1, 0, (ns < NAP_NS ? ns : NAP_NS) / 1000000 + 1);
	ns = now_ns() - start;
	m->unready_ns += ns;
	m->unready_at += ns;
	return 0;
}

/*
 * Rounds while the VM runs.  They end after a scan.  What that scan found is not sent here; the
 * last round sends it, once the VM is stopped.
 *
 * Only whole rounds count towards opts.rounds: those that the bandwidth limit did not cut short.  If it
 * cuts every round short, they end once opts.rounds + 1 times all memory was sent.  Both counts
 * begin again whenever the guest is not ready: once it is ready, much may be left to send, and
 * that takes as many rounds as any migration.
 */
static int run_rounds(struct migration *m)
{
	uint64_t all = m->vm->cfg->mem / PAGE_SIZE, from = m->pages;
	unsigned int whole = 0;
	int64_t n, left;
	bool ready;

	for (;;) {
		n = m->ops->scan(m);
		if (n < 0)
			return -1;
		ready = look_ready(m);
		if (ready && m->round > 1 && fits(m, n)) {
			fprintf(m->out, "round %u: %lld pages fit: the guest is stopped now\n",
				m->round, (long long)n);
			return 0;
		}
		if (ready && (whole >= m->opts.rounds ||
			      m->pages - from > all * (m->opts.rounds + 1ULL))) {
			fprintf(m->out, "enough rounds: the guest is stopped now\n");
			return 0;
		}
		left = m->ops->send(m, false);
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

int migrate_send_set(struct migration *m)
{
	struct hcp_stream_opts opts = { .sz = sizeof(opts) };
	size_t len;
	void *buf;
	int err;

	if (m->own_set)
		return 0;
	err = hcp_set__save_mem(m->set, &buf, &len, &opts);
	if (err)
		return conn_fail(&m->conn, "the shared-page set cannot be saved: %s", strerror(-err));
	err = conn_put(&m->conn, FRAME_SET, buf, len, NULL, 0);
	free(buf);
	return err;
}

int migrate_last_round(struct migration *m)
{
	int64_t n = m->ops->scan(m);

	if (n < 0 || m->ops->send(m, true) < 0 || rounds_complete(m))
		return -1;
	m->last_pages = n;
	m->last_done = true;
	return 0;
}

/* Saving the state can dirty pages, so it comes before the last round. */
int migrate_send_rest(struct migration *m)
{
	return state_save(m->vm, &m->conn) ?: migrate_last_round(m) ?: migrate_send_set(m);
}

static int send_end(struct migration *m)
{
	struct frame_end end = { .pages = m->pages, .crc = m->conn.crc_out };

	return conn_put(&m->conn, FRAME_END, &end, sizeof(end), NULL, 0);
}

/* 0: the target has the VM now. */
static int hand_over(struct migration *m)
{
	if (conn_flush(&m->conn))
		return -1;
	conn_set_deadline(&m->conn);
	if (conn_expect(&m->conn, FRAME_READY, NULL, 0) ||
	    conn_put(&m->conn, FRAME_COMMIT, NULL, 0, NULL, 0))
		return -1;
	conn_set_deadline(&m->conn);
	pthread_mutex_lock(&m->vm->lock);
	m->committing = true;
	pthread_mutex_unlock(&m->vm->lock);
	if (conn_flush(&m->conn)) {
		/* The caller sends an ERROR next.  Drop the COMMIT, or it would go first. */
		m->conn.out_len = 0;
		return -1;
	}
	m->committed = true;
	m->conn.naborts = 0;
	return conn_expect(&m->conn, FRAME_RUNNING, NULL, 0);
}

static bool has_ended(struct vm *vm)
{
	bool ended;

	pthread_mutex_lock(&vm->lock);
	ended = vm->end != END_NONE;
	pthread_mutex_unlock(&vm->lock);
	return ended;
}

int migrate_stop(struct migration *m)
{
	uint64_t start = now_ns();
	int err = -1;

	vm_pause(m->vm);
	pthread_mutex_lock(&m->vm->dev_lock);
	/* By now the guest may no longer say that it can be migrated. */
	if (!look_ready(m))
		err = 1;
	else if (has_ended(m->vm))
		conn_fail(&m->conn, "the guest has ended meanwhile");
	else
		err = m->ops->send_rest(m) ?: send_end(m) ?: hand_over(m);
	pthread_mutex_unlock(&m->vm->dev_lock);
	m->downtime_ns = now_ns() - start;
	return err;
}

/* If the guest is not ready once it is stopped, it runs again, and rounds go on. */
static int rounds_and_stop(struct migration *m)
{
	int err;

	while ((err = run_rounds(m) ?: m->ops->stop(m)) > 0) {
		vm_resume(m->vm);
		if (wait_for_guest(m))
			return -1;
	}
	return err;
}

/* After COMMIT the target may run the VM, unless it has answered with an ERROR. */
static bool in_doubt(const struct migration *m)
{
	return m->committed && !m->conn.got_error;
}

static int set_limit(struct migration *m)
{
	struct itimerspec limit = { .it_value.tv_sec = m->opts.limit_s };

	if (!m->opts.limit_s)
		return 0;
	m->limit_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (m->limit_fd < 0 || timerfd_settime(m->limit_fd, 0, &limit, NULL))
		return conn_fail(&m->conn, "no timer for limit=: %s", strerror(errno));
	snprintf(m->limit_why, sizeof(m->limit_why),
		 "the migration was not through within limit=%u seconds: give it more time, bandwidth or downtime",
		 m->opts.limit_s);
	conn_abort_by(&m->conn, m->limit_fd, POLLIN, m->limit_why);
	return 0;
}

/* With every reason to give up.  Once COMMIT was sent, hand_over() drops all but the timeout. */
static int open_conn(struct migration *m)
{
	int err = conn_open(&m->conn, -1, m->opts.timeout_s * 1000);

	conn_abort_by(&m->conn, m->cancel_fd, POLLIN, "interrupted");
	conn_abort_by(&m->conn, m->vm->end_fd, POLLIN, "interrupted");
	if (m->opts.tied)
		conn_abort_by(&m->conn, fileno(m->out), 0,
			      "the client that this migration was tied to is gone: migrate again, or without 'tied'");
	return err ?: set_limit(m);
}

int migrate(struct migration *m)
{
	uint64_t start = now_ns();
	int err;

	err = open_conn(m) ?: addr_connect(&m->conn, m->opts.addr) ?: greet(m);
	if (!err) {
		err = rounds_open(m) ?: rounds_and_stop(m);
		if (err && !m->committed) {
			/* Resume the guest first: the peer may be slow to take or send an ERROR. */
			vm_resume(m->vm);
			if (m->conn.closed)
				conn_hear_error(&m->conn);
			else
				conn_say_error(&m->conn, m->conn.why);
		}
		/* Told only now, as the guest must not wait for a client that does not read. */
		if (m->last_done)
			tell(m, " (stopped)", m->last_pages, 0);
		rounds_close(m);
	}
	last = *m;
	last_ns = now_ns() - start;
	conn_close(&m->conn);
	if (err && in_doubt(m)) {
		pthread_mutex_lock(&m->vm->lock);
		m->vm->in_doubt = true;
		pthread_mutex_unlock(&m->vm->lock);
		snprintf(m->conn.why, sizeof(m->conn.why),
			 "the target was told to run, and has not answered, so the VM stays paused here.  Look there: if the VM runs, say quit here; if not, end that hcvm, and then say resume here");
	} else if (err) {
		vm_resume(m->vm);
	} else {
		vm_end(m->vm, END_MIGRATED, 0);
	}
	return err;
}

void migrate_report(const struct vm *vm)
{
	if (!last.vm)
		return;
	note("migration-downtime-us %llu", (unsigned long long)last.downtime_ns / 1000);
	note("migration-total-us %llu", (unsigned long long)last_ns / 1000);
	note("migration-scan-us %llu", (unsigned long long)last.scan_ns / 1000);
	note("migration-rounds %u", last.round);
	note("migration-pages %llu", (unsigned long long)last.pages);
	note("migration-zero-pages %llu", (unsigned long long)last.zero_pages);
	note("migration-bytes %llu", (unsigned long long)last.conn.sent);
}
