/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Which process a number means.  It is a number of our pid namespace, and /proc may be
 * mounted for another one: so every answer of /proc is checked by a pidfd.
 */
#ifndef HCPOLICY_PROCESS_H
#define HCPOLICY_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* Our pid namespace, by its inode; 0: /proc does not say. */
uint64_t process_ns(void);

/*
 * When pid started, in clock ticks after boot.  -ESRCH: there is no such process;
 * -EXDEV: /proc is another pid namespace's, or not there.
 */
int process_start(int pid, uint64_t *ticks);

/* Has the process certainly ended: number, namespace and start as process_start() told them? */
bool process_gone(int pid, uint64_t ns, uint64_t start);

#endif /* HCPOLICY_PROCESS_H */
