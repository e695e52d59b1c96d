/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest that converts its pages, and a VMM that migrates it by the rule of
 * docs/migration.md.  README.md says what is modelled and what is not; the
 * variants, each a set of macros, are in `variants`.
 *
 * Contents are no numbers here.  A page on the target is `fresh` from the moment
 * its contents are read until the guest writes it again, and readable if it was
 * sent under the status under which it was written last.
 *
 * In what is printed @0 stands for private and @1 for shared.
 */

#ifndef PAGES
#define PAGES 2
#endif

typedef page {
	bit set;	/* the shared-page set, as the VMM reads it: 1 is shared */
	bit busy;	/* the guest's own lock: a request or I/O on this page is under way */

	bit live;	/* the guest wants these contents back */
	bit written;	/* ... and wrote them under this status */

	bit dirty;	/* KVM's dirty log */

	unsigned phase : 3;	/* how far this round is with this page: */
	bit got;	/* from the dirty log */
	bit status;	/* read, and not yet sent */

	bit sent;	/* the tracker: ever sent, left over, under which status */
	bit left;
	bit noted;

	bit fresh;	/* the target's copy: of what the guest wrote last? */
	bit sent_as;	/* ... and under which status it crossed */
#ifdef UNBOOKED
	bit belief;	/* what the guest asked for last */
#endif
#ifdef SNAPSHOT
	bit snap;	/* a copy of the set that the VMM made */
#endif
};

page pg[PAGES];

#ifdef EARLY_IN_PLACE
bit ready;
bit booted;
#else
bit ready = 1;		/* MSR_KVM_MIGRATION_CONTROL */
#endif
bit stopped;		/* no vCPU executes guest instructions */
bit last;		/* the last round */
byte pending;		/* exits that userspace has not completed */
bit over;		/* delivered: nothing changes any more */
#ifdef UNBOOKED
bit missed;		/* the set is not complete, and says so */
#define BELIEF(p) pg[p].belief
#else
#define BELIEF(p) pg[p].set
#endif

#if PAGES == 1
#define ALL(c) (c(0))
#define EACH(s) s(0)
#elif PAGES == 2
#define ALL(c) (c(0) && c(1))
#define EACH(s) s(0) s(1)
#else
#define ALL(c) (c(0) && c(1) && c(2))
#define EACH(s) s(0) s(1) s(2)
#endif

/* What a run without errors must have been through; README.md, "Not empty". */
#define XOR		1	/* XOR alone had a page sent again */
#define LEFT		2	/* a left-over was sent in the last round */
#define AGAIN		3	/* written between status and contents */
#define WINDOW		4	/* written after the clear, not write-protected yet */
#define WAIT		5	/* not stopped for good, because not ready */
#define COMPLETED	6	/* an exit was pending at the stop */
#define CONVERT		7	/* both vCPUs converted, in three rounds or more */
#define STATUSES	8	/* one page arrived private, the other shared */

#ifdef REACH
bit seen;
bit asked0, asked1;
byte rounds;
#define SEEN(goal, when) seen = ((REACH == goal && (when)) -> 1 : seen)
#else
#define SEEN(goal, when) skip
#endif

/* --- The guest ------------------------------------------------------------ */

#define IDLE	0	/* this round has not come to this page */
#define GOT	1	/* got and cleared; stale TLB entries still write unlogged */
#define ARMED	2	/* write-protected again */
#define SEND	3	/* to be sent */
#define STATUS	4	/* status read, contents not */
#define SENT	5	/* contents read, not write-protected yet: a wrong order */
#define DONE	6

#ifdef LATE_PROTECT
#define UNLOGGED(p) (pg[p].phase >= GOT && pg[p].phase <= SENT && pg[p].got)
#else
#define UNLOGGED(p) (pg[p].phase == GOT && pg[p].got)
#endif

inline log_write(gfn)
{
	if
	:: UNLOGGED(gfn) -> SEEN(WINDOW, pg[gfn].phase == GOT)
	:: else ->
		pg[gfn].dirty = 1;
		SEEN(AGAIN, pg[gfn].phase == STATUS)
	fi
}

inline write(gfn, how)
{
	pg[gfn].live = 1;
	pg[gfn].written = how;
	pg[gfn].fresh = 0;
	log_write(gfn)
}

/* The old contents are lost; what is in the page does not matter any more. */
inline lose(gfn)
{
	pg[gfn].live = 0;
	pg[gfn].written = 0;
	pg[gfn].fresh = 0
}

/* A request reaches the book.  The guest asks only for what it has not. */
inline book(gfn)
{
#ifdef UNBOOKED
	pg[gfn].belief = 1 - pg[gfn].belief;
#endif
	pg[gfn].set = 1 - pg[gfn].set;
#ifdef REACH
	asked0 = (REACH == CONVERT && _pid == 0 && rounds > 0 -> 1 : asked0);
	asked1 = (REACH == CONVERT && _pid == 1 && rounds > 0 -> 1 : asked1);
#endif
}

#define RUNS		(!stopped)
#define FREE(p)		(RUNS && !pg[p].busy)
/* The contract, of one page. */
#define KEPT(p)		(!pg[p].live || (pg[p].written == BELIEF(p) && !pg[p].busy))

/*
 * The most general guest that keeps the contract: while it is ready, it writes
 * under the status in the set, and a request loses the contents.  While it is not,
 * it does what it wants, and is ready again when the contract holds again.
 */
#define WRITES(p) \
	:: d_step { FREE(p) && ready -> write(p, BELIEF(p)); \
		printf("vCPU %d writes page %d as @%d\n", _pid, p, pg[p].written) } \
	:: d_step { RUNS && !pg[p].live -> log_write(p); \
		printf("vCPU %d writes junk to page %d\n", _pid, p) } \
	:: d_step { FREE(p) && !ready -> write(p, 0); \
		printf("vCPU %d, not ready, writes page %d as @0\n", _pid, p) } \
	:: d_step { FREE(p) && !ready -> write(p, 1); \
		printf("vCPU %d, not ready, writes page %d as @1\n", _pid, p) }

#ifndef EXITS
/* A policy in the kernel: asked and booked are one step. */
#define ASKS(p) \
	:: d_step { FREE(p) -> lose(p); book(p); \
		printf("vCPU %d asks: page %d is to be @%d; its contents are lost\n", \
		       _pid, p, BELIEF(p)) } \
	:: d_step { FREE(p) && !ready -> book(p); \
		printf("vCPU %d, not ready, asks: page %d is to be @%d; its contents stay\n", \
		       _pid, p, BELIEF(p)) }
#else
/*
 * A book kept by the VMM: the request is an exit, booked when userspace comes to it.
 * So is an access to a device: the completion writes what was read to a shared page.
 */
#define ASKS(p) \
	:: d_step { FREE(p) -> lose(p); pg[p].busy = 1; pending++; \
		printf("vCPU %d asks: page %d is to be @%d; its contents are lost: exit\n", \
		       _pid, p, 1 - pg[p].set) }; \
	   complete_request(p) \
	:: d_step { FREE(p) && !ready -> pg[p].busy = 1; pending++; \
		printf("vCPU %d, not ready, asks: page %d is to be @%d; its contents stay: exit\n", \
		       _pid, p, 1 - pg[p].set) }; \
	   complete_request(p) \
	:: d_step { FREE(p) && pg[p].set -> pg[p].busy = 1; pending++; \
		printf("vCPU %d reads a device into page %d: exit\n", _pid, p) }; \
	   complete_io(p)
#endif

inline complete_request(gfn)
{
	d_step { !over -> book(gfn); pg[gfn].busy = 0; pending--;
		SEEN(COMPLETED, stopped);
		printf("VMM completes the exit of vCPU %d: page %d is @%d\n", _pid, gfn, pg[gfn].set) }
}

inline complete_io(gfn)
{
	d_step { !over -> write(gfn, 1); pg[gfn].busy = 0; pending--;
		SEEN(COMPLETED, stopped);
		printf("VMM completes the exit of vCPU %d, which writes page %d as @1\n", _pid, gfn) }
}

/* What a guest does that breaks the contract; the contents live all the time. */
#if defined(WRITE_STOP_ASK)
#define BREAKS(p) \
	:: d_step { FREE(p) && ready -> pg[p].busy = 1; write(p, 1 - pg[p].set); \
		printf("vCPU %d writes page %d as @%d, and has not asked\n", _pid, p, pg[p].written) }; \
	   d_step { RUNS -> book(p); pg[p].busy = 0; \
		printf("vCPU %d asks: page %d is to be @%d\n", _pid, p, pg[p].set) }
#elif defined(ASK_STOP_BACK)
#define BREAKS(p) \
	:: d_step { FREE(p) && ready && pg[p].live -> pg[p].busy = 1; book(p); \
		printf("vCPU %d asks: page %d is to be @%d, and it means to ask back\n", \
		       _pid, p, pg[p].set) }; \
	   d_step { RUNS -> book(p); pg[p].busy = 0; \
		printf("vCPU %d asks back: page %d is to be @%d; it counts on its contents\n", \
		       _pid, p, pg[p].set) }
#elif defined(UNBOOKED)
#define BREAKS(p) \
	:: d_step { FREE(p) -> lose(p); pg[p].belief = 1 - pg[p].belief; missed = 1; \
		printf("vCPU %d asks: page %d is to be @%d; nobody books it\n", \
		       _pid, p, pg[p].belief) }
#else
#define BREAKS(p)
#endif

active [2] proctype vcpu()
{
#ifdef EARLY_IN_PLACE
	/* Linux on the boot CPU, before the others are up. */
	if
	:: _pid == 0 ->
		d_step { ready = 1;
			printf("vCPU 0, booting, says that it is ready\n") };
		d_step { RUNS -> write(0, 1);
			printf("vCPU 0, booting, rewrites page 0 in place as @1\n") };
		d_step { RUNS -> book(0); booted = 1;
			printf("vCPU 0, booting, asks: page 0 is to be @1; it counts on its contents\n") }
	:: else -> booted
	fi;
#endif
#ifdef NEVER_UNREADY
#define UNREADY 0
#else
#define UNREADY (RUNS && ready)
#endif
end:	do
	EACH(WRITES)
	EACH(ASKS)
	EACH(BREAKS)
	:: d_step { UNREADY -> ready = 0;
		printf("vCPU %d says that it is not ready\n", _pid) }
	:: d_step { RUNS && !ready && ALL(KEPT) -> ready = 1;
		printf("vCPU %d says that it is ready\n", _pid) }
	od
}

/* --- The VMM -------------------------------------------------------------- */

/* Where the status comes from. */
#if defined(STATUS_BEFORE_LOG)
#define STATUS_OF(p) pg[p].snap
#elif defined(SNAPSHOT_BEFORE_STOP)
#define STATUS_OF(p) (last -> pg[p].snap : pg[p].set)
#else
#define STATUS_OF(p) pg[p].set
#endif

#ifdef NO_XOR
#define FLIPPED(p) 0
#else
#define FLIPPED(p) (pg[p].noted != STATUS_OF(p))
#endif

#ifdef IGNORE_NEVER_SENT
#define NEVER_SENT(p) 0
#else
#define NEVER_SENT(p) (!pg[p].sent)
#endif

#define RESEND(p) (NEVER_SENT(p) || pg[p].left || pg[p].got || FLIPPED(p))

#ifdef LATE_PROTECT
#define AFTER_GOT ARMED
#define AFTER_SEND SENT
#else
#define AFTER_GOT GOT
#define AFTER_SEND DONE
#endif

/* Notes what was sent, or, wrongly, what the set says by then. */
#ifdef READ_TWICE
#define NOTE_AT_STATUS(p) skip
#define NOTE_AT_SEND(p) pg[p].noted = pg[p].set
#else
#define NOTE_AT_STATUS(p) pg[p].noted = pg[p].status
#define NOTE_AT_SEND(p) skip
#endif

#ifdef DROP_LEFT
#define LEAVE(p) skip
#else
#define LEAVE(p) pg[p].left = 1
#endif

/* Each page takes its own way through a round: any number of slots and threads. */
#define PAGE_STEPS(p) \
	:: d_step { pg[p].phase == IDLE -> \
		pg[p].got = pg[p].dirty; pg[p].dirty = 0; pg[p].phase = GOT; \
		printf("VMM gets and clears the dirty log of page %d: %d\n", p, pg[p].got) } \
	:: d_step { pg[p].phase == GOT -> pg[p].phase = ARMED } \
	:: d_step { pg[p].phase == ARMED && !RESEND(p) -> pg[p].phase = AFTER_SEND; \
		printf("VMM has nothing to send of page %d\n", p) } \
	:: d_step { pg[p].phase == ARMED && RESEND(p) -> \
		SEEN(XOR, pg[p].sent && !pg[p].left && !pg[p].got); \
		SEEN(LEFT, last && pg[p].left && !pg[p].got && !FLIPPED(p)); \
		FORGET_GOT(p); \
		pg[p].phase = SEND; \
		printf("VMM is to send page %d\n", p) } \
	:: d_step { pg[p].phase == SEND && !last -> LEAVE(p); pg[p].phase = AFTER_SEND; \
		printf("VMM leaves page %d for the next round: no bandwidth\n", p) } \
	:: d_step { pg[p].phase == SEND -> \
		pg[p].status = STATUS_OF(p); NOTE_AT_STATUS(p); \
		pg[p].sent = 1; pg[p].left = 0; pg[p].phase = STATUS; \
		printf("VMM takes the status of page %d: @%d\n", p, pg[p].status) } \
	:: d_step { pg[p].phase == STATUS -> \
		pg[p].sent_as = pg[p].status; pg[p].status = 0; NOTE_AT_SEND(p); \
		pg[p].fresh = pg[p].live; pg[p].phase = AFTER_SEND; \
		printf("VMM sends page %d as @%d\n", p, pg[p].sent_as) } \
	LATE_PROTECT_STEP(p)

#ifdef LATE_PROTECT
#define FORGET_GOT(p) skip
#define LATE_PROTECT_STEP(p) \
	:: d_step { pg[p].phase == SENT -> pg[p].got = 0; pg[p].phase = DONE; \
		printf("VMM write-protects page %d\n", p) }
#else
#define FORGET_GOT(p) pg[p].got = 0
#define LATE_PROTECT_STEP(p)
#endif

#define IS_DONE(p)	(pg[p].phase == DONE)
#define TO_IDLE(p)	pg[p].phase = IDLE;
#define TO_DONE(p)	pg[p].phase = DONE;
#define CLEAN(p)	pg[p].dirty = 0;
#define TAKE_SNAP(p)	pg[p].snap = pg[p].set;

#ifdef STATUS_BEFORE_LOG
#define COPY_FIRST EACH(TAKE_SNAP) printf("VMM copies the set\n")
#else
#define COPY_FIRST
#endif

/* A page that the guest wants back, and the book of the target. */
#define BYTES(p)	(!pg[p].live || (pg[p].fresh && pg[p].sent_as == pg[p].written))
#define BOOK(p)		(pg[p].sent_as == BELIEF(p))

#define LIVE(p)	(pg[p].live)

#define VERDICT(p) \
	if \
	:: !BYTES(p) && pg[p].sent_as != pg[p].written -> \
		printf("WRONG: page %d arrived as @%d, the guest wrote it as @%d: garbage\n", \
		       p, pg[p].sent_as, pg[p].written) \
	:: !BYTES(p) && pg[p].sent_as == pg[p].written -> \
		printf("WRONG: page %d arrived with contents that the guest has overwritten\n", p) \
	:: BYTES(p) && !BOOK(p) -> \
		printf("WRONG: page %d arrived as @%d, the guest has asked for @%d\n", \
		       p, pg[p].sent_as, BELIEF(p)) \
	:: else \
	fi;

inline save_state(gfn)
{
	d_step { !pg[gfn].busy && pg[gfn].set && pg[gfn].live -> write(gfn, 1);
		printf("VMM saves the state of vCPUs and devices, which writes page %d as @1\n", gfn) }
}

active proctype vmm()
{
	bit snapped, judged;

	d_step { EACH(TO_DONE) EACH(CLEAN)
#ifdef REACH
		rounds = (REACH == CONVERT -> 1 : 0);
#endif
		printf("VMM starts dirty logging\n") }
running:
	do
	EACH(PAGE_STEPS)
	:: d_step { ALL(IS_DONE) && !snapped -> EACH(TO_IDLE)
#ifdef REACH
		rounds = (rounds > 0 && rounds < 3 -> rounds + 1 : rounds);
#endif
		printf("VMM begins a round\n");
		COPY_FIRST }
#ifdef SNAPSHOT_BEFORE_STOP
	:: d_step { ALL(IS_DONE) && !snapped -> EACH(TAKE_SNAP) snapped = 1;
		printf("VMM copies the set\n") }
#define BEFORE_STOP snapped
#elif defined(READY_BEFORE_STOP)
	:: d_step { ALL(IS_DONE) && !snapped && ready -> snapped = 1;
		printf("VMM sees that the guest is ready\n") }
#define BEFORE_STOP snapped
#else
#define BEFORE_STOP 1
#endif
	:: d_step { ALL(IS_DONE) && BEFORE_STOP ->
#ifdef LAST_ROUND_RUNNING
		last = 1; EACH(TO_IDLE)
		printf("VMM begins the last round, and the guest runs\n") }; goto last_round
#else
		stopped = 1;
		printf("VMM stops the guest\n") }; break
#endif
	od;

	/* Stopped; for good, if every exit is completed and the guest is ready. */
#ifndef LATE_COMPLETION
	pending == 0;
#endif
#if !defined(READY_BEFORE_STOP) && !defined(IGNORE_READY)
	if
	:: d_step { !ready -> stopped = 0;
		SEEN(WAIT, 1);
		printf("VMM resumes the guest, which is not ready\n") }; goto running
	:: ready
	fi;
#endif
#ifndef LATE_SAVE
	if
	:: skip
	:: save_state(0)
	:: save_state(PAGES - 1)
	fi;
#endif
	d_step { last = 1; EACH(TO_IDLE)
		printf("VMM begins the last round\n");
		COPY_FIRST };
last_round:
	do
	EACH(PAGE_STEPS)
	:: ALL(IS_DONE) -> break
	od;
#ifdef LAST_ROUND_RUNNING
	true;
	d_step { ready -> stopped = 1; printf("VMM stops the guest\n") };
#endif
	pending == 0;
#ifdef LATE_SAVE
	if
	:: skip
	:: save_state(0)
	:: save_state(PAGES - 1)
	fi;
#endif
#if defined(UNBOOKED) && !defined(IGNORE_MISSED)
	if
	:: d_step { missed ->
		printf("VMM refuses: the set has missed a request\n") }; goto refused
	:: !missed
	fi;
#endif
	d_step { over = 1; EACH(VERDICT) };
#ifdef REACH
	SEEN(CONVERT, asked0 && asked1 && rounds == 3);
	SEEN(STATUSES, pg[0].set && !pg[PAGES - 1].set);
	assert(!(ALL(LIVE) && seen));
#elif defined(ONLY_BYTES)
	assert(ALL(BYTES));
#else
	assert(ALL(BYTES) && ALL(BOOK));
#endif
refused:
	skip
}
