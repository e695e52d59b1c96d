/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Is a VM stopped?  From outside nobody can see whether its vCPUs run.  But one can see that they
 * cannot run: every thread that could run one is stopped by a signal, dead or frozen.
 */
#ifndef STOPPED_H
#define STOPPED_H

#include "holders.h"

struct stopped {
	const struct hcp_info *info;	/* says which VM; outlives this struct */
	struct holders holders;
	char *why;		/* what is not stopped, or cannot be seen, and the remedy */
};

/* Is it stopped now? */
bool stopped_begin(struct stopped *stopped, const struct hcp_info *info);
/*
 * Has it been stopped since then?  Call this only if begin returned true.  It takes a struct
 * stopped as void *, so that it can be still() of hcp_set__reset_if() and hcp_stream_opts.
 */
bool stopped_still(void *stopped);
void stopped_end(struct stopped *stopped);

/* One process: its threads cannot run before a SIGCONT, or before its cgroup is thawed. */
bool process_stopped(struct holder *process);

#endif /* STOPPED_H */
