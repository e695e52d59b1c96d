/* SPDX-License-Identifier: GPL-2.0 */
/* COM1, polled: the guest's output and, under a VMM without doorbell, its commands. */
#ifndef HCP_GUEST_SERIAL_H
#define HCP_GUEST_SERIAL_H

#include <stdint.h>

void serial_puts(const char *s);
/* As printf(), but only %s, %ld, %lu and %lx. */
__attribute__((format(printf, 1, 2))) void serial_print(const char *fmt, ...);

/* Is there something to read? */
int serial_pending(void);

/* One line without its end, cut at size - 1; returns 0 if there is no serial port. */
int serial_gets(char *buf, unsigned int size);

#endif /* HCP_GUEST_SERIAL_H */
