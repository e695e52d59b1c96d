/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A connection to the other side of a migration, which carries frames.
 *
 * Errors: -1, and the reason in words in conn->why, which keeps the first one.
 */
#ifndef HCVM_CONN_H
#define HCVM_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frames.h"

struct frame {
	uint32_t type;
	uint32_t len;
	const uint8_t *data;	/* until the next conn_next() */
};

/* What ends every wait of a connection. */
struct conn_abort {
	int fd;
	short events;		/* as for poll(): a hang-up always counts */
	const char *why;	/* what to report then */
};
#define MAX_ABORTS	4

struct conn {
	int fd;
	struct conn_abort aborts[MAX_ABORTS];
	unsigned int naborts;
	int timeout_ms;		/* for a peer that does not move */
	uint64_t sent;		/* bytes */
	uint32_t crc_out, crc_in;
	uint8_t *out, *in;
	size_t out_len, in_pos, in_len;
	bool got_error;		/* the peer has sent an ERROR */
	bool closed;		/* by the peer, whose ERROR may be unread */
	uint64_t deadline_ns;	/* 0: none */
	char why[256];
};

/* On a socket that does not block, or on -1 until addr_connect(). */
int conn_open(struct conn *c, int fd, int timeout_ms);
void conn_close(struct conn *c);
__attribute__((format(printf, 2, 3))) int conn_fail(struct conn *c, const char *fmt, ...);

/* From now on give up when fd has one of the events, or has hung up. */
void conn_abort_by(struct conn *c, int fd, short events, const char *why);
/* Why to give up; NULL: go on. */
const char *conn_aborted(const struct conn *c);
/* poll() for fd (-1: none) and for everything that aborts. */
int conn_poll(const struct conn *c, int fd, short events, int timeout_ms);

/* A frame of two pieces.  It is sent when the buffer is full, or by a flush. */
int conn_put(struct conn *c, uint32_t type, const void *a, size_t alen,
	     const void *b, size_t blen);
int conn_flush(struct conn *c);
/* From now on one timeout is for all that follows, also for a peer that sends byte by byte. */
void conn_set_deadline(struct conn *c);
/* The next frame, which has at most as many bytes as its type may have. */
int conn_next(struct conn *c, struct frame *f);
/* It has to be of this type and size; an ERROR is a failure, with its text in why. */
int conn_expect(struct conn *c, uint32_t type, void *data, size_t len);
/* Makes the text of a received ERROR the reason. */
int conn_got_error(struct conn *c, const struct frame *f);
/* After a failure: tell the peer, or learn from it why it has closed. */
void conn_say_error(struct conn *c, const char *text);
void conn_hear_error(struct conn *c);

#endif /* HCVM_CONN_H */
