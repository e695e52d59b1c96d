/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The migration stream: frames of a type and a bounded length, both ways over one
 * socket.  Every number is little-endian.  Source and target:
 *
 *	HELLO ->		<- WELCOME
 *	PAGE, PING ... ->	(any number of rounds)
 *	STATE, PAGE, SET, END ->	(the VM is stopped)
 *				<- READY	everything is in place
 *	COMMIT ->		<- RUNNING	sent before the first instruction
 *
 * ERROR instead of an answer carries a text, and nothing comes after it.  The
 * source runs its VM again only if COMMIT was not sent, or an ERROR says that the
 * target does not; the target runs only after COMMIT.
 *
 * Errors: -1, and the reason in words in stream->why, which keeps the first one.
 */
#ifndef HCVM_STREAM_H
#define HCVM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_MAGIC	"HCVMmigr"
#define STREAM_VERSION	1

enum frame_type {
	FRAME_HELLO = 1,
	FRAME_WELCOME,
	FRAME_PAGE,
	FRAME_PING,
	FRAME_STATE,
	FRAME_SET,
	FRAME_END,
	FRAME_READY,
	FRAME_COMMIT,
	FRAME_RUNNING,
	FRAME_ERROR,
	NR_FRAMES
};

struct frame_header {
	uint32_t type;
	uint32_t len;		/* of what follows */
};

/* HELLO and WELCOME: who speaks, and which machine it has. */
struct frame_hello {
	char magic[8];
	uint32_t version;
	uint32_t kind;		/* 0: --kernel, 1: --guest */
	uint64_t mem;
	uint32_t smp;
	uint32_t sev;
	uint32_t encrypt;
	uint32_t book;		/* a shared-page set is kept */
};

/* PAGE: a word, then the contents, which a page of zeroes has not. */
#define PAGE_SHARED	1u
#define PAGE_ZERO	2u
#define PAGE_FLAGS	4095u	/* the rest of the word is the guest address */

/* STATE: a part of the machine (state.c), then its bytes. */
struct frame_state {
	uint32_t part;
	uint32_t index;		/* which vCPU, chip or device */
};

struct frame_end {
	uint64_t pages;		/* PAGE frames */
	uint32_t crc;		/* CRC-32 of every frame before this one */
	uint32_t zero;
};

struct frame {
	uint32_t type;
	uint32_t len;
	const uint8_t *data;	/* until the next stream_next() */
};

/* What ends a stream's waiting, and the words for it. */
struct stream_abort {
	int fd;
	short events;		/* as for poll(): a hang-up always counts */
	const char *why;
};
#define MAX_ABORTS	4

struct stream {
	int fd;
	struct stream_abort aborts[MAX_ABORTS];
	unsigned int naborts;
	int timeout_ms;		/* for a peer that does not move */
	uint64_t sent;		/* bytes */
	uint32_t crc_out, crc_in;
	uint8_t *out, *in;
	size_t out_len, in_pos, in_len;
	bool told;		/* by the peer: an ERROR */
	bool lost;		/* the peer has closed; why may be unread */
	uint64_t deadline_ns;	/* 0: none */
	char why[256];
};

/* On a socket that does not block, or on -1 until addr_connect(). */
int stream_open(struct stream *s, int fd, int timeout_ms);
void stream_close(struct stream *s);
__attribute__((format(printf, 2, 3))) int stream_fail(struct stream *s, const char *fmt, ...);

/* Give up when fd has one of the events, or has hung up. */
void stream_abort_by(struct stream *s, int fd, short events, const char *why);
/* Why to give up, NULL: there is no reason. */
const char *stream_aborted(const struct stream *s);
/* poll() for fd (-1: none), and for what aborts. */
int stream_poll(const struct stream *s, int fd, short events, int timeout_ms);

/* A frame of two pieces; buffered until there is enough, or a flush. */
int stream_put(struct stream *s, uint32_t type, const void *a, size_t alen,
	       const void *b, size_t blen);
int stream_flush(struct stream *s);
/* All that follows has one timeout from now on: to move byte by byte is not enough. */
void stream_set_deadline(struct stream *s);
/* The next frame, which has at most as many bytes as its type may have. */
int stream_next(struct stream *s, struct frame *f);
/* It has to be of this type and size; an ERROR is told. */
int stream_expect(struct stream *s, uint32_t type, void *data, size_t len);
/* An ERROR that has come, as this side's reason. */
int stream_told_error(struct stream *s, const struct frame *f);
/* After a failure: tell the peer, or learn from it why it has closed. */
void stream_say_error(struct stream *s, const char *text);
void stream_hear_error(struct stream *s);

/* addr.c: unix:PATH or tcp:HOST:PORT.  A descriptor, or -1 and the reason in why. */
int addr_listen(const char *addr, char *why, size_t len);
/* Under the stream's timeout and aborts, but for a name server, which has its own time. */
int addr_connect(struct stream *s, const char *addr);
/* Removes what listening left in the file system. */
void addr_forget(const char *addr);

#endif /* HCVM_STREAM_H */
