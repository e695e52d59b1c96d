/* SPDX-License-Identifier: GPL-2.0 */
/* Who made a VM, as /proc tells: what the rules of auto.conf ask about. */
#ifndef MAKER_H
#define MAKER_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>
#include "who.h"

struct maker {
	uid_t uid;			/* the effective ones */
	gid_t gid;
	gid_t *groups;			/* the others that it is in */
	size_t ngroups;
	char cgroup[PATH_MAX];		/* below the root of all control groups */
	char command[PATH_MAX];		/* the program that it runs */
};

/* 0, -ESRCH if the process has ended, or another negative errno.  Nothing is reported. */
int maker_look(struct maker *maker, pid_t pid, int pidfd);
/* The same.  False: an error that was reported. */
bool maker_read(struct maker *maker, pid_t pid, int pidfd);
void maker_free(struct maker *maker);
bool maker_is(const struct maker *maker, const struct who *who);

#endif /* MAKER_H */
