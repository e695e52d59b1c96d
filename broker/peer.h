/* SPDX-License-Identifier: GPL-2.0 */
/* Who is at the other end of a connection: the process that made it, as the kernel tells. */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <sys/types.h>

struct peer {
	pid_t pid;
	int pidfd;		/* by which its number stays its own */
	uid_t uid;
	gid_t gid;
	gid_t *groups;		/* the others that it is in */
	size_t ngroups;
};

/* 0, or an errno. */
int peer_get(int connection, struct peer *peer);
void peer_put(struct peer *peer);
bool peer_in_group(const struct peer *peer, gid_t gid);

#endif /* PEER_H */
