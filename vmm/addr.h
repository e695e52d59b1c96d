/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_ADDR_H
#define HCVM_ADDR_H

#include "conn.h"

/* unix:PATH or tcp:HOST:PORT.  A descriptor, or -1 and the reason in why. */
int addr_listen(const char *addr, char *why, size_t len);
/* The connection's timeout and aborts apply, except while a name server is asked. */
int addr_connect(struct conn *c, const char *addr);
/* Removes the socket that listening at a unix:PATH made. */
void addr_forget(const char *addr);

#endif /* HCVM_ADDR_H */
