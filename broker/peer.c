// SPDX-License-Identifier: GPL-2.0
/* Who is at the other end: peer.h. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "peer.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD	77
#endif

#define MAX_GROUPS	65536	/* NGROUPS_MAX of the kernel */

int peer_get(int connection, struct peer *peer)
{
	socklen_t len = sizeof(struct ucred), groups = MAX_GROUPS * sizeof(gid_t);
	struct ucred cred;
	gid_t *shorter;

	*peer = (struct peer){ .pidfd = -1 };
	if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return errno;
	peer->pid = cred.pid;
	peer->uid = cred.uid;
	peer->gid = cred.gid;
	len = sizeof(peer->pidfd);
	if (getsockopt(connection, SOL_SOCKET, SO_PEERPIDFD, &peer->pidfd, &len)) {
		peer->pidfd = -1;
		return errno;
	}
	peer->groups = malloc(groups);
	if (!peer->groups)
		return ENOMEM;
	if (getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, peer->groups, &groups))
		return errno;
	peer->ngroups = groups / sizeof(gid_t);
	shorter = realloc(peer->groups, groups ?: 1);
	if (shorter)
		peer->groups = shorter;
	return 0;
}

void peer_put(struct peer *peer)
{
	if (peer->pidfd >= 0)
		close(peer->pidfd);
	free(peer->groups);
	*peer = (struct peer){ .pidfd = -1 };
}

bool peer_in_group(const struct peer *peer, gid_t gid)
{
	if (peer->gid == gid)
		return true;
	for (size_t i = 0; i < peer->ngroups; i++) {
		if (peer->groups[i] == gid)
			return true;
	}
	return false;
}
