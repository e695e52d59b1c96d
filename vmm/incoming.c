// SPDX-License-Identifier: GPL-2.0
/*
 * --incoming: wait for a source, take its VM over piece by piece, and run it when the source
 * says so.  Nothing that comes is trusted.  A peer that does not greet as an hcvm with the same
 * kind of VM is turned away, and the next one is accepted.  If anything is wrong after the
 * greeting, this process ends, and the source goes on with its VM.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <hcpolicy/stream.h>

#include "../guest/mailbox.h"
#include "../guest/crypt.h"
#include "addr.h"
#include "incoming.h"
#include "keeper.h"
#include "hello.h"
#include "state.h"

/* Give up a source that sends nothing for so long. */
#define TIMEOUT_MS	10000
/*
 * The limit for a whole greeting.  It is short, because only one peer is greeted at a time: a real
 * source may have to wait for a stranger ahead of it, and has a timeout of its own.
 */
#define GREETING_MS	5000

static void set_arrival(struct vm *vm, enum vm_arrival arrival)
{
	pthread_mutex_lock(&vm->lock);
	vm->arrival = arrival;
	pthread_cond_broadcast(&vm->cond);
	pthread_mutex_unlock(&vm->lock);
}

static void on_log(void *ctx, const char *line)
{
	note("incoming: %s", line);
}

static int take_set(struct vm *vm, struct conn *c, const struct frame *f)
{
	/* The set brings its own label, so --label here need not be the same. */
	struct hcp_stream_opts opts = { .sz = sizeof(opts), .log = on_log, .any_label = true };
	int err;

	if (!vm->keeper)
		return conn_fail(c, "the peer sent a shared-page set, but this VM keeps none (--policy)");
	err = hcp_set__restore_mem(keeper_set(vm), f->data, f->len, &opts);
	return !err ? 0 : conn_fail(c, "the shared-page set is refused: %s", err == -EBADMSG ?
				    "it was damaged on its way" : strerror(-err));
}

static int take_page(struct vm *vm, struct conn *c, const struct frame *f)
{
	uint64_t word, gpa, *page;
	size_t want;

	if (f->len < sizeof(word))
		return conn_fail(c, "the peer sent a frame of type PAGE that is too short");
	memcpy(&word, f->data, sizeof(word));
	gpa = word & ~(uint64_t)PAGE_FLAGS;
	want = sizeof(word) + (word & PAGE_ZERO ? 0 : PAGE_SIZE);
	if (f->len != want || word & PAGE_FLAGS & ~(PAGE_SHARED | PAGE_ZERO))
		return conn_fail(c, "the peer sent an invalid PAGE: address and flags 0x%llx, %u bytes",
				 (unsigned long long)word, f->len);
	page = vm_hva(vm, gpa, PAGE_SIZE);
	if (!page)
		return conn_fail(c, "the peer sent page 0x%llx, which is not memory here",
				 (unsigned long long)gpa);
	if (vm->key && gpa == HCG_KEY_GPA)
		return conn_fail(c, "the peer sent the page of the key, which each VM keeps to itself");
	/* Do not write zeroes over zeroes: memory that was never written takes no room. */
	if (!(word & PAGE_ZERO))
		memcpy(page, f->data + sizeof(word), PAGE_SIZE);
	else if (page[0] || memcmp(page, page + 1, PAGE_SIZE - sizeof(*page)))
		memset(page, 0, PAGE_SIZE);
	if (vm->key && !(word & PAGE_SHARED))
		hcg_rekey(page, gpa, 0, vm->key);
	return 0;
}

static int take_end(struct vm *vm, struct conn *c, const struct frame *f, uint64_t pages,
		    bool have_set)
{
	struct frame_end end;

	if (f->len != sizeof(end))
		return conn_fail(c, "the peer sent a frame of type END with %u bytes", f->len);
	memcpy(&end, f->data, sizeof(end));
	if (end.zero)
		return conn_fail(c, "frames were damaged on their way (END)");
	if (end.pages != pages)
		return conn_fail(c, "the peer says that it sent %llu pages, but %llu have arrived",
				 (unsigned long long)end.pages, (unsigned long long)pages);
	if (end.crc != c->crc_in)
		return conn_fail(c, "frames were damaged on their way (CRC-32 0x%x, not 0x%x)",
				 c->crc_in, end.crc);
	if (vm->keeper && !have_set)
		return conn_fail(c, "the peer did not send the shared-page set");
	return state_complete(vm, c);
}

static int take_vm(struct vm *vm, struct conn *c)
{
	bool have_set = false;
	uint64_t pages = 0;
	struct frame f;
	int err = 0;

	while (!err) {
		if (conn_next(c, &f))
			return -1;
		switch (f.type) {
		case FRAME_PAGE:
			pages++;
			err = take_page(vm, c, &f);
			break;
		case FRAME_PING:
			break;
		case FRAME_STATE:
			set_arrival(vm, ARRIVAL_STARTED);
			err = state_load(vm, c, &f);
			break;
		case FRAME_SET:
			have_set = true;
			err = take_set(vm, c, &f);
			break;
		case FRAME_END:
			return take_end(vm, c, &f, pages, have_set);
		case FRAME_ERROR:
			return conn_got_error(c, &f);
		default:
			err = conn_fail(c, "the peer sent a frame of type %u out of turn", f.type);
		}
	}
	return err;
}

static int take(struct vm *vm, struct conn *c)
{
	if (take_vm(vm, c))
		return -1;
	if (!keeper_keeps(vm))
		return conn_fail(c, "the policy was detached here, so nobody keeps the shared-page set");
	if (conn_put(c, FRAME_READY, NULL, 0, NULL, 0) || conn_flush(c) ||
	    conn_expect(c, FRAME_COMMIT, NULL, 0))
		return -1;
	set_arrival(vm, ARRIVAL_COMMITTED);
	/* The source no longer runs the VM, unless we send an ERROR, which we must not do after RUNNING. */
	if (conn_put(c, FRAME_RUNNING, NULL, 0, NULL, 0) || conn_flush(c)) {
		/* The caller sends an ERROR next.  Drop the RUNNING, or it would go first. */
		c->out_len = 0;
		return -1;
	}
	return 0;
}

/* Changes nothing in this VM, so another source can be tried after a failure. */
static int greet(struct vm *vm, struct conn *c)
{
	struct frame_hello mine, theirs;

	hello_fill(vm, &mine);
	conn_set_deadline(c);
	if (conn_expect(c, FRAME_HELLO, &theirs, sizeof(theirs)) ||
	    hello_matches(c, &theirs, &mine, "the source", "the target") ||
	    conn_put(c, FRAME_WELCOME, &mine, sizeof(mine), NULL, 0) || conn_flush(c))
		return -1;
	c->deadline_ns = 0;
	c->timeout_ms = TIMEOUT_MS;
	return 0;
}

static int accept_one(struct vm *vm, int listen_fd, int signal_fd)
{
	struct pollfd fds[] = {
		{ .fd = listen_fd, .events = POLLIN },
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = vm->end_fd, .events = POLLIN },
	};
	int fd;

	for (;;) {
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			return fail_errno("poll");
		if (fds[1].revents || fds[2].revents)
			return fail("--incoming %s: interrupted", vm->cfg->incoming);
		if (!fds[0].revents)
			continue;
		fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			return fd;
		/* These are this process' errors, and would come again.  Others are the peer's. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS ||
		    errno == EBADF || errno == EINVAL)
			return fail_errno("--incoming %s: accept", vm->cfg->incoming);
	}
}

/* Accept peers until one greets as it should.  c is the connection to it. */
static int accept_source(struct vm *vm, struct conn *c, int listen_fd, int signal_fd)
{
	int fd;

	for (;;) {
		fd = accept_one(vm, listen_fd, signal_fd);
		if (fd < 0)
			return -1;
		if (conn_open(c, fd, GREETING_MS)) {
			conn_close(c);
			return fail("--incoming: %s", c->why);
		}
		conn_abort_by(c, signal_fd, POLLIN, "interrupted");
		conn_abort_by(c, vm->end_fd, POLLIN, "interrupted");
		if (!greet(vm, c))
			return 0;
		note("incoming: a peer at %s was turned away: %s", vm->cfg->incoming, c->why);
		conn_say_error(c, c->why);
		conn_close(c);
	}
}

int incoming(struct vm *vm, int signal_fd)
{
	const char *addr = vm->cfg->incoming;
	struct conn c;
	char why[256];
	int fd, err;

	fd = addr_listen(addr, why, sizeof(why));
	if (fd < 0)
		return fail("--incoming: %s", why);
	note("incoming: waiting at %s", addr);
	err = accept_source(vm, &c, fd, signal_fd);
	close(fd);
	addr_forget(addr);
	if (err)
		return -1;
	pthread_mutex_lock(&vm->dev_lock);
	err = take(vm, &c);
	pthread_mutex_unlock(&vm->dev_lock);
	if (err) {
		/* It has not arrived.  This wakes commands of the test build, which fail then. */
		set_arrival(vm, ARRIVAL_AWAITED);
		conn_say_error(&c, c.why);
	}
	conn_close(&c);
	if (err)
		return fail("--incoming %s: %s", addr, c.why);
	note("incoming: the VM has arrived");
	return 0;
}
