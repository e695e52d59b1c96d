/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is attached, for whom.  A policy is known by the descriptor of its link, which tells its end,
 * and does not keep its VM.
 */
#ifndef ATTACHED_H
#define ATTACHED_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What an earlier broker has pinned, or `hcpolicy attach`: it is the user's whose process has the VM. */
void attached_find(void);
void attached_add(const char *name, uid_t uid, int link);
unsigned int attached_of(uid_t uid);

size_t attached_count(void);
/* What to wait for: fills in attached_count(). */
void attached_poll(struct pollfd *fds);
/* Take one out whose link has ended; its name in name[HCP_NAME_LEN].  False: there is none. */
bool attached_ended(char *name);

#endif /* ATTACHED_H */
