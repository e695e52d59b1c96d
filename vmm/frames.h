/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The format of a migration: frames of a type and a bounded length, both ways over one
 * socket.  Every number is little-endian.  Source and target:
 *
 *	HELLO ->		<- WELCOME
 *	PAGE, PING ... ->	(any number of rounds)
 *	STATE, PAGE, SET, END ->	(the VM is stopped)
 *				<- READY	everything is in place
 *	COMMIT ->		<- RUNNING	sent before the first instruction
 *
 * Either side may send ERROR in place of its next frame.  It carries a text, and nothing comes after
 * it.  Once COMMIT was sent, the source runs its VM again only if an ERROR says that the target does not
 * run it, or if its operator says `resume`.  The target runs it only after COMMIT.
 *
 * Who sends what at the source: rounds.c PAGE, state.c STATE, migrate.c the rest.  incoming.c is the
 * target.  hello.c fills HELLO and WELCOME.  conn.c carries all frames, and sends ERROR.
 */
#ifndef HCVM_FRAMES_H
#define HCVM_FRAMES_H

#include <stdint.h>

#define FRAMES_MAGIC	"HCVMmigr"
#define FRAMES_VERSION	1

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

/* HELLO and WELCOME: who speaks, and what its VM is like. */
struct frame_hello {
	char magic[8];
	uint32_t version;
	uint32_t kind;		/* 0: --kernel, 1: --guest */
	uint64_t mem;
	uint32_t smp;
	uint32_t sev;
	uint32_t encrypt;
	uint32_t set;		/* is a shared-page set kept? */
};

/* PAGE: a word of 8 bytes, then the contents.  With PAGE_ZERO there are no contents. */
#define PAGE_SHARED	1u
#define PAGE_ZERO	2u
#define PAGE_FLAGS	4095u	/* the rest of the word is the guest address */

/* STATE: which part of the VM's state (enum state_part), then its bytes. */
struct frame_state {
	uint32_t part;
	uint32_t index;		/* which vCPU, chip or device: see enum state_part */
};

struct frame_end {
	uint64_t pages;		/* how many PAGE frames were sent */
	uint32_t crc;		/* CRC-32 of every frame before this one */
	uint32_t zero;
};

#endif /* HCVM_FRAMES_H */
