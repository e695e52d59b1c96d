// SPDX-License-Identifier: GPL-2.0
/*
 * --incoming: wait for a source, take its machine over piece by piece, and let it run
 * when the source says so.  Nothing that comes is trusted: who does not greet as an hcvm
 * with this machine is turned away, and the next one is accepted; after the greeting
 * whatever does not fit ends this process, and the source keeps its VM.
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
#include "machine.h"
#include "state.h"

/* A source that does not move for so long is given up. */
#define TIMEOUT_MS	10000
/* For the whole greeting: a source that waits behind a stranger has its own timeout. */
#define GREETING_MS	5000

static void set_arrival(struct vm *vm, enum vm_arrival arrival)
{
	pthread_mutex_lock(&vm->lock);
	vm->arrival = arrival;
	pthread_cond_broadcast(&vm->cond);
	pthread_mutex_unlock(&vm->lock);
}

bool arrived(struct vm *vm)
{
	bool here;

	pthread_mutex_lock(&vm->lock);
	while (vm->arrival == ARRIVAL_COMMITTED)
		pthread_cond_wait(&vm->cond, &vm->lock);
	here = vm->arrival == ARRIVAL_NONE;
	pthread_mutex_unlock(&vm->lock);
	return here;
}

struct reader {
	const uint8_t *data;
	size_t left;
};

static int read_set(void *ctx, void *buf, size_t len)
{
	struct reader *r = ctx;

	if (len > r->left)
		return -ENODATA;
	memcpy(buf, r->data, len);
	r->data += len;
	r->left -= len;
	return 0;
}

static void on_log(void *ctx, const char *line)
{
	note("incoming: %s", line);
}

static int take_set(struct vm *vm, struct stream *s, const struct frame *f)
{
	/* It comes with its guest, whatever that is called. */
	struct hcp_stream_opts opts = { .sz = sizeof(opts), .log = on_log, .any_label = true };
	struct reader r = { f->data, f->len };
	int err;

	if (!vm->book)
		return stream_fail(s, "the peer sent a shared-page set, and none is kept here");
	err = hcp_set__restore(book_set(vm), read_set, &r, &opts);
	if (err)
		return stream_fail(s, "the shared-page set is refused: %s",
				   err == -EBADMSG ? "it was damaged on its way" : strerror(-err));
	return r.left ? stream_fail(s, "%zu bytes follow the shared-page set", r.left) : 0;
}

static int take_page(struct vm *vm, struct stream *s, const struct frame *f)
{
	uint64_t word, gpa, *page;
	size_t want;

	if (f->len < sizeof(word))
		return stream_fail(s, "the peer sent a frame of type PAGE that is too short");
	memcpy(&word, f->data, sizeof(word));
	gpa = word & ~(uint64_t)PAGE_FLAGS;
	want = sizeof(word) + (word & PAGE_ZERO ? 0 : PAGE_SIZE);
	if (f->len != want || word & PAGE_FLAGS & ~(PAGE_SHARED | PAGE_ZERO))
		return stream_fail(s, "the peer sent a page 0x%llx with %u bytes",
				   (unsigned long long)word, f->len);
	page = vm_hva(vm, gpa, PAGE_SIZE);
	if (!page)
		return stream_fail(s, "the peer sent page 0x%llx, which is not memory here",
				   (unsigned long long)gpa);
	if (vm->key && gpa == HCG_KEY_GPA)
		return stream_fail(s, "the peer sent the page of the key");
	/* A page that was never touched stays so: it takes no memory. */
	if (!(word & PAGE_ZERO))
		memcpy(page, f->data + sizeof(word), PAGE_SIZE);
	else if (page[0] || memcmp(page, page + 1, PAGE_SIZE - sizeof(*page)))
		memset(page, 0, PAGE_SIZE);
	if (vm->key && !(word & PAGE_SHARED))
		hcg_rekey(page, gpa, 0, vm->key);
	return 0;
}

static int take_end(struct vm *vm, struct stream *s, const struct frame *f, uint64_t pages,
		    bool have_set)
{
	struct frame_end end;

	if (f->len != sizeof(end))
		return stream_fail(s, "the peer sent a frame of type END with %u bytes", f->len);
	memcpy(&end, f->data, sizeof(end));
	if (end.zero)
		return stream_fail(s, "the stream was damaged on its way (END)");
	if (end.pages != pages)
		return stream_fail(s, "the peer says it sent %llu pages, %llu have come",
				   (unsigned long long)end.pages, (unsigned long long)pages);
	if (end.crc != s->crc_in)
		return stream_fail(s, "the stream was damaged on its way (CRC-32 0x%x, not 0x%x)",
				   s->crc_in, end.crc);
	if (vm->book && !have_set)
		return stream_fail(s, "the peer did not send the shared-page set");
	return state_complete(vm, s);
}

static int take_machine(struct vm *vm, struct stream *s)
{
	bool have_set = false;
	uint64_t pages = 0;
	struct frame f;
	int err = 0;

	while (!err) {
		if (stream_next(s, &f))
			return -1;
		switch (f.type) {
		case FRAME_PAGE:
			pages++;
			err = take_page(vm, s, &f);
			break;
		case FRAME_PING:
			break;
		case FRAME_STATE:
			set_arrival(vm, ARRIVAL_STARTED);
			err = state_load(vm, s, &f);
			break;
		case FRAME_SET:
			have_set = true;
			err = take_set(vm, s, &f);
			break;
		case FRAME_END:
			return take_end(vm, s, &f, pages, have_set);
		case FRAME_ERROR:
			return stream_told_error(s, &f);
		default:
			err = stream_fail(s, "the peer sent a frame of type %u out of turn", f.type);
		}
	}
	return err;
}

static int take(struct vm *vm, struct stream *s)
{
	if (take_machine(vm, s))
		return -1;
	if (!book_kept(vm))
		return stream_fail(s, "the policy was detached: nobody keeps the shared-page set");
	if (stream_put(s, FRAME_READY, NULL, 0, NULL, 0) || stream_flush(s) ||
	    stream_expect(s, FRAME_COMMIT, NULL, 0))
		return -1;
	set_arrival(vm, ARRIVAL_COMMITTED);
	/* From here on it is ours; the source gives its VM up when it has read this. */
	if (stream_put(s, FRAME_RUNNING, NULL, 0, NULL, 0) || stream_flush(s)) {
		/* Not with the ERROR that comes now. */
		s->out_len = 0;
		return -1;
	}
	return 0;
}

/* Nothing of this machine changes. */
static int greet(struct vm *vm, struct stream *s)
{
	struct frame_hello mine, theirs;

	machine_hello(vm, &mine);
	stream_set_deadline(s);
	if (stream_expect(s, FRAME_HELLO, &theirs, sizeof(theirs)) ||
	    machine_matches(s, &theirs, &mine, "the source", "the target") ||
	    stream_put(s, FRAME_WELCOME, &mine, sizeof(mine), NULL, 0) || stream_flush(s))
		return -1;
	s->deadline_ns = 0;
	s->timeout_ms = TIMEOUT_MS;
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
		/* Who came has gone again, or its network; what is wrong here would stay. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS ||
		    errno == EBADF || errno == EINVAL)
			return fail_errno("--incoming %s: accept", vm->cfg->incoming);
	}
}

/* The connection of the first one whose greeting is right. */
static int accept_source(struct vm *vm, struct stream *s, int listen_fd, int signal_fd)
{
	int fd;

	for (;;) {
		fd = accept_one(vm, listen_fd, signal_fd);
		if (fd < 0)
			return -1;
		if (stream_open(s, fd, GREETING_MS)) {
			stream_close(s);
			return fail("--incoming: %s", s->why);
		}
		stream_abort_by(s, signal_fd, POLLIN, "interrupted");
		stream_abort_by(s, vm->end_fd, POLLIN, "interrupted");
		if (!greet(vm, s))
			return 0;
		note("incoming: who came to %s was turned away: %s", vm->cfg->incoming, s->why);
		stream_say_error(s, s->why);
		stream_close(s);
	}
}

int incoming(struct vm *vm, int signal_fd)
{
	const char *addr = vm->cfg->incoming;
	struct stream s;
	char why[256];
	int fd, err;

	fd = addr_listen(addr, why, sizeof(why));
	if (fd < 0)
		return fail("--incoming: %s", why);
	note("incoming: waiting at %s", addr);
	err = accept_source(vm, &s, fd, signal_fd);
	close(fd);
	addr_forget(addr);
	if (err)
		return -1;
	pthread_mutex_lock(&vm->dev_lock);
	err = take(vm, &s);
	pthread_mutex_unlock(&vm->dev_lock);
	if (err) {
		/* Nothing of it runs here; nobody waits for that any more. */
		set_arrival(vm, ARRIVAL_AWAITED);
		stream_say_error(&s, s.why);
	}
	stream_close(&s);
	if (err)
		return fail("--incoming %s: %s", addr, s.why);
	note("incoming: the machine is here");
	return 0;
}
