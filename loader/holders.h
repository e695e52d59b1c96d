/* SPDX-License-Identifier: GPL-2.0 */
/* Every process that could run the vCPUs of a policy's VM. */
#ifndef HOLDERS_H
#define HOLDERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <hcpolicy/abi.h>

struct holder {
	pid_t pid, tid;			/* tid: a living thread by which it was found */
	uint64_t start_time;
	uint64_t threads, switches;	/* used by stopped.c */
};

struct holders {
	struct holder *list;		/* in /proc's order, those with a descriptor first */
	size_t n;
	char why[256];
};

/* False: they cannot all be found; says why. */
bool holders_find(struct holders *found, const struct hcp_info *info);
void holders_free(struct holders *found);

#endif /* HOLDERS_H */
