/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* A message with descriptors over a UNIX socket that keeps messages apart.  hcpolicyd has this file too. */
#ifndef HCPOLICY_PASS_H
#define HCPOLICY_PASS_H

#include <sys/types.h>

/* At most so many descriptors go along. */
#define PASS_MAX	16

/* flags: of sendmsg(2).  A peer that has gone is EPIPE and no signal. */
int pass_send(int socket, const void *bytes, size_t len, const int *fds, unsigned int nfds, int flags);

/*
 * Returns the length.  fds gets *nfds descriptors, at most max.  -EMSGSIZE: there was more than
 * size, more descriptors, or another control message; then nothing stays open.  0: the peer has closed.
 */
ssize_t pass_receive(int socket, void *bytes, size_t size, int *fds, unsigned int max, unsigned int *nfds);

#endif /* HCPOLICY_PASS_H */
