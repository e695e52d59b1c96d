/* SPDX-License-Identifier: GPL-2.0 */
/* A user or a group, as rules name them.  hcpolicyd has this file too. */
#ifndef WHO_H
#define WHO_H

#include <stdbool.h>

struct who {
	bool group;
	unsigned int id;
};

/* user:NAME or group:NAME, each also with a number.  False: this machine does not know it. */
bool who_parse(const char *text, struct who *who);

#endif /* WHO_H */
