/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The broker's children.  Each has a seat, of which there are few: some for one user, and more in
 * all.  A child that is too slow is killed.
 */
#ifndef SEATS_H
#define SEATS_H

#include <poll.h>
#include "attached.h"
#include "serve.h"

#define SEATS		64
#define SEATS_POLL	(2 * SEATS)
#define SEATS_OF_USER	4
#define SEAT_SECONDS	60

bool seats_free(void);
/* How many children serve this user.  Those that only refuse do not count. */
unsigned int seats_of(uid_t uid);
/* How many of these have not yet answered. */
unsigned int seats_undecided(uid_t uid);
bool seats_any_undecided(void);

/*
 * Serve a connection, or refuse it for a reason.  The connection becomes the child's.  False: there can be
 * no child now.
 */
bool seats_serve(struct connection *connection, int error, const char *refusal);
/* Remove the pins of that name, if its policy has ended. */
void seats_clear(const char *name);

/* What to wait for: fills in at most SEATS_POLL, and returns how many; and for how long, in ms (-1: for ever). */
nfds_t seats_poll(struct pollfd *fds, int *timeout);
/*
 * After the wait: fn gets what a child has attached for a user, once the client has its answer; the
 * link is fn's.  If it never will, the policy is detached before.
 */
void seats_look(void (*fn)(const struct attachment *attachment, uid_t uid, int link));

#endif /* SEATS_H */
