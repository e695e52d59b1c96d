/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Wrong orders of a migration, in the test build (hcvm-test) only, so that tests can
 * see that each is caught; and points at which a migration stops until it is told to
 * go on.  In hcvm itself all of this is nothing.
 */
#ifndef HCVM_WRONG_H
#define HCVM_WRONG_H

#include "migrate.h"

enum wrong {
	WRONG_NONE,
	WRONG_NOTHING,		/* what keeps track for the wrong ones, and nothing wrong */
	WRONG_NO_XOR,
	WRONG_STATUS_FIRST,
	WRONG_OLD_SNAPSHOT,
	WRONG_READ_TWICE,
	WRONG_DROP_LEFTOVERS,
	WRONG_LATE_EXIT,
	WRONG_RUNNING_LAST,
	WRONG_UNBOOKED,
	WRONG_NO_ALIAS,
	NR_WRONG
};

#ifdef HCVM_WRONG_ORDERS

extern enum wrong wrong_order;
/* By its name; false: there is none. */
bool wrong_choose(const char *name);
static inline bool wrong_is(enum wrong order) { return wrong_order == order; }
/* Is the tracker replaced? */
bool wrong_tracks(const struct migration *m);
int wrong_open(struct migration *m);
void wrong_close(struct migration *m);
void wrong_begin_round(struct migration *m);
int64_t wrong_round(struct migration *m, int number, uint64_t *words);
int wrong_status(struct migration *m, uint64_t gfn);
void wrong_at_page(struct migration *m, uint64_t gfn);
/* stops=leave: nothing is sent in the first round. */
bool wrong_leaves(const struct migration *m, bool last);
/* stops=NAME:ROUND,... (*: each): say `at NAME:ROUND`, and wait for the command go. */
void wrong_point(struct migration *m, const char *name);
void wrong_go(void);
/* A pending exit that is answered after the last scan. */
void wrong_late_exit(struct vm *vm);
void wrong_late_go(void);

#else

#define wrong_is(order)		false
#define wrong_tracks(m)		false
#define wrong_open(m)		0
#define wrong_close(m)		((void)0)
#define wrong_begin_round(m)	((void)0)
#define wrong_round(m, number, words)	0
#define wrong_status(m, gfn)	0
#define wrong_at_page(m, gfn)	((void)0)
#define wrong_leaves(m, last)	false
#define wrong_point(m, name)	((void)0)
#define wrong_late_exit(vm)	((void)0)
#define wrong_late_go()		((void)0)

#endif
#endif /* HCVM_WRONG_H */
