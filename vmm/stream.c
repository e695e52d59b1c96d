// SPDX-License-Identifier: GPL-2.0
/*
 * Frames over a socket.  Nothing that the peer sends is trusted, and no call waits
 * longer than the timeout without a byte having moved, nor past a deadline.
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

#include "migrate.h"
#include "stream.h"

/* For an ERROR, either way. */
#define LAST_WORD_NS	500000000ULL

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

int stream_fail(struct stream *s, const char *fmt, ...)
{
	va_list ap;

	if (!s->why[0]) {
		va_start(ap, fmt);
		vsnprintf(s->why, sizeof(s->why), fmt, ap);
		va_end(ap);
	}
	return -1;
}

int stream_open(struct stream *s, int fd, int timeout_ms)
{
	memset(s, 0, sizeof(*s));
	s->fd = fd;
	s->timeout_ms = timeout_ms;
	s->out = malloc(OUT_SIZE);
	/* Of this only what is used is ever touched. */
	s->in = malloc(IN_SIZE);
	if (!s->out || !s->in)
		return stream_fail(s, "out of memory");
	return 0;
}

void stream_close(struct stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	free(s->out);
	free(s->in);
	s->out = s->in = NULL;
}

void stream_abort_by(struct stream *s, int fd, short events, const char *why)
{
	s->aborts[s->naborts++] = (struct stream_abort){ fd, events, why };
}

/* The last one is for another descriptor. */
static void abort_fds(const struct stream *s, struct pollfd fds[MAX_ABORTS + 1])
{
	unsigned int i;

	for (i = 0; i < s->naborts; i++)
		fds[i] = (struct pollfd){ s->aborts[i].fd, s->aborts[i].events, 0 };
}

const char *stream_aborted(const struct stream *s)
{
	struct pollfd fds[MAX_ABORTS + 1];
	unsigned int i;

	abort_fds(s, fds);
	if (poll(fds, s->naborts, 0) > 0)
		for (i = 0; i < s->naborts; i++)
			if (fds[i].revents)
				return s->aborts[i].why;
	return NULL;
}

int stream_poll(const struct stream *s, int fd, short events, int timeout_ms)
{
	struct pollfd fds[MAX_ABORTS + 1];
	int n;

	abort_fds(s, fds);
	fds[s->naborts] = (struct pollfd){ fd, events, 0 };
	do {
		n = poll(fds, s->naborts + 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	return n;
}

static int aborted(struct stream *s)
{
	const char *why = stream_aborted(s);

	return why ? stream_fail(s, "%s", why) : 0;
}

/* A peer that moves, but not on. */
static int late(struct stream *s)
{
	return s->deadline_ns && now_ns() > s->deadline_ns ?
	       stream_fail(s, "the peer has not said within %g s what is due",
			   s->timeout_ms / 1000.0) : 0;
}

static int patience_ms(const struct stream *s)
{
	uint64_t now = now_ns(), ms;

	if (!s->deadline_ns)
		return s->timeout_ms;
	ms = now < s->deadline_ns ? (s->deadline_ns - now) / 1000000 + 1 : 0;
	return ms < (uint64_t)s->timeout_ms ? (int)ms : s->timeout_ms;
}

/* Until the socket can do that. */
static int wait_for(struct stream *s, short events)
{
	int n = stream_poll(s, s->fd, events, patience_ms(s));

	if (n < 0)
		return stream_fail(s, "poll: %s", strerror(errno));
	if (aborted(s) || late(s))
		return -1;
	return n ? 0 : stream_fail(s, "the peer has not moved for %g s", s->timeout_ms / 1000.0);
}

static int closed(struct stream *s, const char *detail)
{
	s->lost = true;
	return stream_fail(s, "the peer has closed the connection%s", detail);
}

static int closed_errno(struct stream *s)
{
	char detail[64];

	snprintf(detail, sizeof(detail), " (%s)", strerror(errno));
	return closed(s, detail);
}

static int send_all(struct stream *s, size_t *sent)
{
	size_t pos = 0;
	ssize_t n;

	for (; pos < s->out_len; *sent = pos) {
		if (late(s))
			return -1;
		n = send(s->fd, s->out + pos, s->out_len - pos, MSG_NOSIGNAL);
		if (n > 0) {
			pos += n;
			s->sent += n;
		} else if (n < 0 && errno == EAGAIN) {
			if (wait_for(s, POLLOUT))
				return -1;
		} else if (n < 0 && errno != EINTR) {
			return closed_errno(s);
		}
	}
	return 0;
}

/* What could not be sent stays, from its first byte that was not. */
int stream_flush(struct stream *s)
{
	size_t sent = 0;
	int err = aborted(s) ?: send_all(s, &sent);

	memmove(s->out, s->out + sent, s->out_len - sent);
	s->out_len -= sent;
	return err;
}

static int put_bytes(struct stream *s, const void *data, size_t len)
{
	size_t part;

	/* For crc32() no data means to begin anew. */
	if (!len)
		return 0;
	s->crc_out = crc32(s->crc_out, data, len);
	while (len) {
		part = OUT_SIZE - s->out_len;
		if (part > len)
			part = len;
		memcpy(s->out + s->out_len, data, part);
		s->out_len += part;
		data = (const uint8_t *)data + part;
		len -= part;
		if (s->out_len == OUT_SIZE && stream_flush(s))
			return -1;
	}
	return 0;
}

int stream_put(struct stream *s, uint32_t type, const void *a, size_t alen,
	       const void *b, size_t blen)
{
	struct frame_header h = { .type = type, .len = alen + blen };
	bool fits = sizeof(h) + alen + blen <= OUT_SIZE - s->out_len;

	if (alen + blen > frames[type].max)
		return stream_fail(s, "%zu bytes are too many for a frame of type %s",
				   alen + blen, frames[type].name);
	/* Whole, if it can be: an ERROR in the middle of a frame would not be heard. */
	if (!fits && stream_flush(s))
		return -1;
	if (put_bytes(s, &h, sizeof(h)) || put_bytes(s, a, alen) || put_bytes(s, b, blen))
		return -1;
	return 0;
}

/* Until len bytes are in the buffer, at in_pos. */
static int fill(struct stream *s, size_t len)
{
	size_t have = s->in_len - s->in_pos;
	size_t room;
	ssize_t n;

	if (have < len && s->in_pos) {
		memmove(s->in, s->in + s->in_pos, have);
		s->in_pos = 0;
		s->in_len = have;
	}
	while (s->in_len - s->in_pos < len) {
		if (late(s) || aborted(s))
			return -1;
		room = len - (s->in_len - s->in_pos);
		if (room < OUT_SIZE)
			room = OUT_SIZE;
		if (room > IN_SIZE - s->in_len)
			room = IN_SIZE - s->in_len;
		n = recv(s->fd, s->in + s->in_len, room, 0);
		if (n > 0)
			s->in_len += n;
		else if (!n)
			return closed(s, "");
		else if (errno == EAGAIN && wait_for(s, POLLIN))
			return -1;
		else if (errno != EAGAIN && errno != EINTR)
			return closed_errno(s);
	}
	return 0;
}

static int next_header(struct stream *s, struct frame_header *h)
{
	if (fill(s, sizeof(*h)))
		return -1;
	memcpy(h, s->in + s->in_pos, sizeof(*h));
	if (!h->type || h->type >= NR_FRAMES)
		return stream_fail(s, "the peer does not speak hcvm's migration protocol (frame of type 0x%x)",
				   h->type);
	if (h->len > frames[h->type].max)
		return stream_fail(s, "the peer sent a frame of type %s with %u bytes, at most %u are right",
				   frames[h->type].name, h->len, frames[h->type].max);
	return 0;
}

/* What follows the header. */
static int next_data(struct stream *s, const struct frame_header *h, struct frame *f)
{
	if (fill(s, sizeof(*h) + h->len))
		return -1;
	f->type = h->type;
	f->len = h->len;
	f->data = s->in + s->in_pos + sizeof(*h);
	/* END tells the CRC of what came before it. */
	if (f->type != FRAME_END)
		s->crc_in = crc32(s->crc_in, s->in + s->in_pos, sizeof(*h) + h->len);
	s->in_pos += sizeof(*h) + h->len;
	return 0;
}

int stream_next(struct stream *s, struct frame *f)
{
	struct frame_header h;

	return next_header(s, &h) ?: next_data(s, &h, f);
}

int stream_told_error(struct stream *s, const struct frame *f)
{
	char text[ERROR_MAX + 1] = "";
	uint32_t i;

	s->told = true;
	/* It goes to a terminal. */
	for (i = 0; i < f->len; i++)
		text[i] = f->data[i] >= ' ' && f->data[i] < 0x7f ? f->data[i] : '?';
	return stream_fail(s, "the peer says: %s", text);
}

int stream_expect(struct stream *s, uint32_t type, void *data, size_t len)
{
	struct frame_header h;
	struct frame f;

	if (next_header(s, &h))
		return -1;
	/* Before its data: what nobody wants is not waited for. */
	if (h.type != FRAME_ERROR && (h.type != type || h.len != len))
		return stream_fail(s, "the peer sent a frame of type %s and %u bytes instead of %s and %zu",
				   frames[h.type].name, h.len, frames[type].name, len);
	if (next_data(s, &h, &f))
		return -1;
	if (f.type == FRAME_ERROR)
		return stream_told_error(s, &f);
	if (len)
		memcpy(data, f.data, len);
	return 0;
}

void stream_set_deadline(struct stream *s)
{
	s->deadline_ns = now_ns() + s->timeout_ms * 1000000ULL;
}

/* Nobody interrupts it, so it has an end of its own. */
static void last_word(struct stream *s)
{
	s->naborts = 0;
	s->timeout_ms = 200;
	s->deadline_ns = now_ns() + LAST_WORD_NS;
}

void stream_say_error(struct stream *s, const char *text)
{
	size_t len = strlen(text);

	last_word(s);
	stream_put(s, FRAME_ERROR, text, len < ERROR_MAX ? len : ERROR_MAX, NULL, 0);
	stream_flush(s);
}

void stream_hear_error(struct stream *s)
{
	struct frame f;
	char first[sizeof(s->why)];

	memcpy(first, s->why, sizeof(first));
	s->why[0] = 0;
	last_word(s);
	while (!stream_next(s, &f)) {
		if (f.type == FRAME_ERROR) {
			stream_told_error(s, &f);
			return;
		}
	}
	memcpy(s->why, first, sizeof(first));
}
