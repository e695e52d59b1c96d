// SPDX-License-Identifier: GPL-2.0
/*
 * Frames over a socket.  Nothing that the peer sends is trusted.  No call waits longer than
 * the timeout while no byte moves, and none waits past the deadline.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "conn.h"
#include "util.h"

/* How long an ERROR may take to be sent or received. */
#define LAST_WORD_MS	3000

#define OUT_SIZE	(256u * 1024)
#define MAX_FRAME	(64 * MIB)
#define IN_SIZE		(MAX_FRAME + OUT_SIZE)
#define ERROR_MAX	200

static const struct { const char *name; uint32_t max; } frames[NR_FRAMES] = {
	[FRAME_HELLO] = { "HELLO", sizeof(struct frame_hello) },
	[FRAME_WELCOME] = { "WELCOME", sizeof(struct frame_hello) },
	[FRAME_PAGE] = { "PAGE", 8 + 4096 },
	[FRAME_PING] = { "PING", 0 },
	[FRAME_STATE] = { "STATE", MIB },
	[FRAME_SET] = { "SET", MAX_FRAME },
	[FRAME_END] = { "END", sizeof(struct frame_end) },
	[FRAME_READY] = { "READY", 0 },
	[FRAME_COMMIT] = { "COMMIT", 0 },
	[FRAME_RUNNING] = { "RUNNING", 0 },
	[FRAME_ERROR] = { "ERROR", ERROR_MAX },
};

int conn_fail(struct conn *c, const char *fmt, ...)
{
	va_list ap;

	if (!c->why[0]) {
		va_start(ap, fmt);
		vsnprintf(c->why, sizeof(c->why), fmt, ap);
		va_end(ap);
	}
	return -1;
}

int conn_open(struct conn *c, int fd, int timeout_ms)
{
	memset(c, 0, sizeof(*c));
	c->fd = fd;
	c->timeout_ms = timeout_ms;
	c->out = malloc(OUT_SIZE);
	/* This is large, but the kernel gives memory only for what is used. */
	c->in = malloc(IN_SIZE);
	if (!c->out || !c->in)
		return conn_fail(c, "out of memory");
	return 0;
}

void conn_close(struct conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	free(c->out);
	free(c->in);
	c->out = c->in = NULL;
}

void conn_abort_by(struct conn *c, int fd, short events, const char *why)
{
	c->aborts[c->naborts++] = (struct conn_abort){ fd, events, why };
}

/* fds[c->naborts] stays free, for the descriptor that the caller waits for. */
static void abort_fds(const struct conn *c, struct pollfd fds[MAX_ABORTS + 1])
{
	unsigned int i;

	for (i = 0; i < c->naborts; i++)
		fds[i] = (struct pollfd){ c->aborts[i].fd, c->aborts[i].events, 0 };
}

const char *conn_aborted(const struct conn *c)
{
	struct pollfd fds[MAX_ABORTS + 1];
	unsigned int i;

	abort_fds(c, fds);
	if (poll(fds, c->naborts, 0) > 0)
		for (i = 0; i < c->naborts; i++)
			if (fds[i].revents)
				return c->aborts[i].why;
	return NULL;
}

int conn_poll(const struct conn *c, int fd, short events, int timeout_ms)
{
	struct pollfd fds[MAX_ABORTS + 1];
	int n;

	abort_fds(c, fds);
	fds[c->naborts] = (struct pollfd){ fd, events, 0 };
	do {
		n = poll(fds, c->naborts + 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	return n;
}

static int aborted(struct conn *c)
{
	const char *why = conn_aborted(c);

	return why ? conn_fail(c, "%s", why) : 0;
}

/* Is the deadline over?  It counts even while bytes move. */
static int overdue(struct conn *c)
{
	return c->deadline_ns && now_ns() > c->deadline_ns ?
	       conn_fail(c, "the peer has not answered in full within %g s",
			 c->timeout_ms / 1000.0) : 0;
}

static int wait_ms(const struct conn *c)
{
	uint64_t now = now_ns(), ms;

	if (!c->deadline_ns)
		return c->timeout_ms;
	ms = now < c->deadline_ns ? (c->deadline_ns - now) / 1000000 + 1 : 0;
	return ms < (uint64_t)c->timeout_ms ? (int)ms : c->timeout_ms;
}

/* Wait until the socket is ready for these events. */
static int wait_for(struct conn *c, short events)
{
	int n = conn_poll(c, c->fd, events, wait_ms(c));

	if (n < 0)
		return conn_fail(c, "poll: %s", strerror(errno));
	if (aborted(c) || overdue(c))
		return -1;
	return n ? 0 : conn_fail(c, "for %g s the peer has neither sent nor taken anything",
				 c->timeout_ms / 1000.0);
}

static int closed(struct conn *c, const char *detail)
{
	c->closed = true;
	return conn_fail(c, "the peer has closed the connection%s", detail);
}

static int closed_errno(struct conn *c)
{
	char detail[64];

	snprintf(detail, sizeof(detail), " (%s)", strerror(errno));
	return closed(c, detail);
}

static int send_all(struct conn *c, size_t *sent)
{
	size_t pos = 0;
	ssize_t n;

	for (; pos < c->out_len; *sent = pos) {
		if (overdue(c))
			return -1;
		n = send(c->fd, c->out + pos, c->out_len - pos, MSG_NOSIGNAL);
		if (n > 0) {
			pos += n;
			c->sent += n;
		} else if (n < 0 && errno == EAGAIN) {
			if (wait_for(c, POLLOUT))
				return -1;
		} else if (n < 0 && errno != EINTR) {
			return closed_errno(c);
		}
	}
	return 0;
}

/* What could not be sent stays in the buffer. */
int conn_flush(struct conn *c)
{
	size_t sent = 0;
	int err = aborted(c) ?: send_all(c, &sent);

	memmove(c->out, c->out + sent, c->out_len - sent);
	c->out_len -= sent;
	return err;
}

static int put_bytes(struct conn *c, const void *data, size_t len)
{
	size_t part;

	/* crc32() without data would start a new CRC. */
	if (!len)
		return 0;
	c->crc_out = crc32(c->crc_out, data, len);
	while (len) {
		part = OUT_SIZE - c->out_len;
		if (part > len)
			part = len;
		memcpy(c->out + c->out_len, data, part);
		c->out_len += part;
		data = (const uint8_t *)data + part;
		len -= part;
		if (c->out_len == OUT_SIZE && conn_flush(c))
			return -1;
	}
	return 0;
}

int conn_put(struct conn *c, uint32_t type, const void *a, size_t alen,
	     const void *b, size_t blen)
{
	struct frame_header h = { .type = type, .len = alen + blen };
	bool fits = sizeof(h) + alen + blen <= OUT_SIZE - c->out_len;

	if (alen + blen > frames[type].max)
		return conn_fail(c, "%zu bytes are too many for a frame of type %s: at most %u",
				 alen + blen, frames[type].name, frames[type].max);
	/* If this flush fails, the buffer ends with a whole frame, and an ERROR can follow. */
	if (!fits && conn_flush(c))
		return -1;
	if (put_bytes(c, &h, sizeof(h)) || put_bytes(c, a, alen) || put_bytes(c, b, blen))
		return -1;
	return 0;
}

/* Receive until the buffer has len bytes at in_pos. */
static int fill(struct conn *c, size_t len)
{
	size_t have = c->in_len - c->in_pos;
	size_t room;
	ssize_t n;

	if (have < len && c->in_pos) {
		memmove(c->in, c->in + c->in_pos, have);
		c->in_pos = 0;
		c->in_len = have;
	}
	while (c->in_len - c->in_pos < len) {
		if (overdue(c) || aborted(c))
			return -1;
		room = len - (c->in_len - c->in_pos);
		if (room < OUT_SIZE)
			room = OUT_SIZE;
		if (room > IN_SIZE - c->in_len)
			room = IN_SIZE - c->in_len;
		n = recv(c->fd, c->in + c->in_len, room, 0);
		if (n > 0)
			c->in_len += n;
		else if (!n)
			return closed(c, "");
		else if (errno == EAGAIN && wait_for(c, POLLIN))
			return -1;
		else if (errno != EAGAIN && errno != EINTR)
			return closed_errno(c);
	}
	return 0;
}

static int next_header(struct conn *c, struct frame_header *h)
{
	if (fill(c, sizeof(*h)))
		return -1;
	memcpy(h, c->in + c->in_pos, sizeof(*h));
	if (!h->type || h->type >= NR_FRAMES)
		return conn_fail(c, "the peer does not speak hcvm's migration protocol (frame of type 0x%x)",
				 h->type);
	if (h->len > frames[h->type].max)
		return conn_fail(c, "the peer sent a frame of type %s with %u bytes: at most %u are allowed",
				 frames[h->type].name, h->len, frames[h->type].max);
	return 0;
}

/* What follows the header. */
static int next_data(struct conn *c, const struct frame_header *h, struct frame *f)
{
	if (fill(c, sizeof(*h) + h->len))
		return -1;
	f->type = h->type;
	f->len = h->len;
	f->data = c->in + c->in_pos + sizeof(*h);
	/* END carries the CRC of all frames before it, so it is not part of that itself. */
	if (f->type != FRAME_END)
		c->crc_in = crc32(c->crc_in, c->in + c->in_pos, sizeof(*h) + h->len);
	c->in_pos += sizeof(*h) + h->len;
	return 0;
}

int conn_next(struct conn *c, struct frame *f)
{
	struct frame_header h;

	return next_header(c, &h) ?: next_data(c, &h, f);
}

int conn_got_error(struct conn *c, const struct frame *f)
{
	char text[ERROR_MAX + 1] = "";
	uint32_t i;

	c->got_error = true;
	/* The text goes to a terminal, so take only what can be printed. */
	for (i = 0; i < f->len; i++)
		text[i] = f->data[i] >= ' ' && f->data[i] < 0x7f ? f->data[i] : '?';
	return conn_fail(c, "the peer says: %s", text);
}

int conn_expect(struct conn *c, uint32_t type, void *data, size_t len)
{
	struct frame_header h;
	struct frame f;

	if (next_header(c, &h))
		return -1;
	/* Check this before waiting for the data: the wrong frame may be long. */
	if (h.type != FRAME_ERROR && (h.type != type || h.len != len))
		return conn_fail(c, "the peer sent a frame of type %s with %u bytes instead of %s with %zu",
				 frames[h.type].name, h.len, frames[type].name, len);
	if (next_data(c, &h, &f))
		return -1;
	if (f.type == FRAME_ERROR)
		return conn_got_error(c, &f);
	if (len)
		memcpy(data, f.data, len);
	return 0;
}

void conn_set_deadline(struct conn *c)
{
	c->deadline_ns = now_ns() + c->timeout_ms * 1000000ULL;
}

/*
 * An ERROR is sent or awaited even after an abort, so it gets a limit of its own.  This may be long:
 * no guest waits for it, and the peer may be busy.
 */
static void last_word(struct conn *c)
{
	c->naborts = 0;
	c->timeout_ms = LAST_WORD_MS;
	conn_set_deadline(c);
}

void conn_say_error(struct conn *c, const char *text)
{
	size_t len = strlen(text);

	last_word(c);
	conn_put(c, FRAME_ERROR, text, len < ERROR_MAX ? len : ERROR_MAX, NULL, 0);
	conn_flush(c);
}

void conn_hear_error(struct conn *c)
{
	struct frame f;
	char first[sizeof(c->why)];

	memcpy(first, c->why, sizeof(first));
	c->why[0] = 0;
	last_word(c);
	while (!conn_next(c, &f)) {
		if (f.type == FRAME_ERROR) {
			conn_got_error(c, &f);
			return;
		}
	}
	memcpy(c->why, first, sizeof(first));
}
