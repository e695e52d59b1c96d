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

/* A descriptor that ends every wait of a connection when it has one of the events. */
struct conn_abort {
	int fd;
	short events;		/* as for poll(); a hang-up always counts */
	const char *why;	/* the reason to report then */
};
#define MAX_ABORTS	4

struct conn {
	int fd;
	struct conn_abort aborts[MAX_ABORTS];
	unsigned int naborts;
	int timeout_ms;		/* give up after so long without a byte sent or received */
	uint64_t sent;		/* bytes */
	uint32_t crc_out, crc_in;
	uint8_t *out, *in;
	size_t out_len, in_pos, in_len;
	bool got_error;		/* the peer has sent an ERROR */
	bool closed;		/* by the peer; an ERROR from it may be unread */
	uint64_t deadline_ns;	/* 0: none */
	char why[256];
};

/* fd is a socket that does not block; or -1, if addr_connect() follows. */
int conn_open(struct conn *c, int fd, int timeout_ms);
void conn_close(struct conn *c);
__attribute__((format(printf, 2, 3))) int conn_fail(struct conn *c, const char *fmt, ...);

/* From now on give up when fd has one of the events or has hung up.  The reason to report is why. */
void conn_abort_by(struct conn *c, int fd, short events, const char *why);
/* The reason to give up; NULL: there is none. */
const char *conn_aborted(const struct conn *c);
/* poll() for fd (-1: none) and for everything that aborts. */
int conn_poll(const struct conn *c, int fd, short events, int timeout_ms);

/*
 * Put a frame, whose data is a and then b, into the buffer.  It is sent when the buffer is full,
 * or by conn_flush().
 */
int conn_put(struct conn *c, uint32_t type, const void *a, size_t alen,
	     const void *b, size_t blen);
int conn_flush(struct conn *c);
/*
 * From now on timeout_ms limits all that follows together, not each wait.  So a peer that sends
 * byte by byte gains no time.
 */
void conn_set_deadline(struct conn *c);
/* Receive the next frame, of any type.  It is refused if it is too long for its type. */
int conn_next(struct conn *c, struct frame *f);
/* Receive a frame of this type and size.  Any other fails; the text of an ERROR is in why. */
int conn_expect(struct conn *c, uint32_t type, void *data, size_t len);
/* f is an ERROR of the peer: put its text into why. */
int conn_got_error(struct conn *c, const struct frame *f);
/* After a failure: tell the peer why. */
void conn_say_error(struct conn *c, const char *text);
/* After the peer has closed the connection: look for the ERROR in which it says why. */
void conn_hear_error(struct conn *c);

#endif /* HCVM_CONN_H */
