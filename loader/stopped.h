/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Does a VM stand still?  That its vCPUs run cannot be seen from outside, but that they
 * cannot: every thread that could run one is stopped by a signal, dead or frozen.
 */
#ifndef STOPPED_H
#define STOPPED_H

#include "holders.h"

struct stopped {
	const struct hcp_info *info;	/* whose VM; it outlives this */
	struct holders holders;
	char *why;		/* what is not stopped, or cannot be seen, and what to do */
};

/* Does it stand still now? */
bool stopped_begin(struct stopped *stopped, const struct hcp_info *info);
/*
 * Has it stood still since then?  Only after a begin that said yes.  Of a struct stopped: what
 * hcp_set__reset_if() and hcp_stream_opts.still ask.
 */
bool stopped_still(void *stopped);
void stopped_end(struct stopped *stopped);

/* One process: no thread runs before it gets a SIGCONT, or its cgroup is thawed. */
bool process_stopped(struct holder *process);

#endif /* STOPPED_H */
