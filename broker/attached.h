/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is attached, for whom.  A policy is known by the descriptor of its link, which tells its end,
 * and does not keep its VM.  Its user has its maps too, and can keep them longer.  So it counts until
 * they are gone: by their ids, which keep nothing.
 */
#ifndef ATTACHED_H
#define ATTACHED_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <hcpolicy/broker.h>

/* What a child has attached.  maps: the ids of those that its client gets; 0: none. */
struct attachment {
	char name[HCP_NAME_LEN];
	__u32 maps[HCP_BROKER_FDS - 1];
};

/* The id of a map; 0: that is none. */
__u32 attached_map_id(int fd);
/* Note in the folder of its name, which is root's, for whom it is.  0, or an errno. */
int attached_note(const char *name, uid_t uid, int link);
/* What an earlier broker has noted.  False: it cannot be told, which was printed. */
bool attached_find(void);
void attached_add(const struct attachment *attachment, uid_t uid, int link);
/*
 * How many count for this user.  *ending: how many of these have just ended, so that their memory may be about
 * to be freed.
 */
unsigned int attached_of(uid_t uid, unsigned int *ending);

size_t attached_count(void);
/* What to wait for: fills in attached_count(). */
void attached_poll(struct pollfd *fds);
/* One whose link has ended since the last call; its name in name[HCP_NAME_LEN].  False: there is none. */
bool attached_ended(char *name);

#endif /* ATTACHED_H */
