/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_ADDR_H
#define HCVM_ADDR_H

#include <sys/un.h>

#include "conn.h"

/* addr is unix:PATH or tcp:HOST:PORT.  Returns a descriptor, or -1 and the reason in why. */
int addr_listen(const char *addr, char *why, size_t len);
/* Connect c.  Its timeout and aborts apply, except while a name server is asked. */
int addr_connect(struct conn *c, const char *addr);
/* The address of a UNIX socket.  -1: the path is empty or too long. */
int addr_unix(const char *path, struct sockaddr_un *un);
/* Remove the socket that addr_listen() made for a unix:PATH. */
void addr_forget(const char *addr);

#endif /* HCVM_ADDR_H */
