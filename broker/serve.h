/* SPDX-License-Identifier: GPL-2.0 */
/* One connection, from its request to its answer: the work of a child process. */
#ifndef SERVE_H
#define SERVE_H

#include "rules.h"

struct connection {
	int fd;
	const struct peer *peer;
	const struct rules *rules;
	unsigned int vms;	/* how many the user has */
	unsigned int ending;	/* of these, how many have just ended */
	unsigned int undecided;	/* how many more other children are at */
	/*
	 * A socket: gets a struct attachment with the link's descriptor as soon as there is a link, and a
	 * byte when the client has its answer.
	 */
	int parent;
};

/* Refuse whatever the client wants. */
void serve_refusal(int connection, int error, const char *why);
/* Take the request, and answer it. */
void serve(const struct connection *connection);

#endif /* SERVE_H */
