/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Which process does a number mean?  It is a number of our pid namespace, but /proc may be
 * mounted for another one.  So a pidfd checks every answer of /proc.
 */
#ifndef HCPOLICY_PROCESS_H
#define HCPOLICY_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* The inode of our pid namespace; 0: /proc does not say. */
uint64_t process_ns(void);

/* The number that /proc has for the process of a pidfd.  -1: it has ended; 0: it has no number. */
int process_number(int pidfd);

/*
 * When pid started, in clock ticks after boot.  -ESRCH: there is no such process;
 * -EXDEV: /proc is another pid namespace's, or not there.
 */
int process_start(int pid, uint64_t *ticks);

/* Has this process certainly ended?  start is what process_start() returned for it. */
bool process_gone(int pid, uint64_t ns, uint64_t start);

#endif /* HCPOLICY_PROCESS_H */
