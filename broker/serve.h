/* SPDX-License-Identifier: GPL-2.0 */
/* One connection, from its request to its answer: the work of a child process. */
#ifndef SERVE_H
#define SERVE_H

#include <hcpolicy/abi.h>
#include "rules.h"

struct connection {
	int fd;
	const struct peer *peer;
	const struct rules *rules;
	unsigned int vms;	/* how many the user has, with those that other children are at */
	int parent;		/* a socket: gets a struct attachment with the link's descriptor */
};

/* What a child has attached. */
struct attachment {
	char name[HCP_NAME_LEN];
};

/* Refuse whatever the client wants. */
void serve_refusal(int connection, int error, const char *why);
/* Take the request, and answer it. */
void serve(const struct connection *connection);

#endif /* SERVE_H */
