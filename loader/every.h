/* SPDX-License-Identifier: GPL-2.0 */
/* Every attachment: those with a name, sorted, and then those without, by the ids of their links. */
#ifndef EVERY_H
#define EVERY_H

#include <hcpolicy/policy.h>

struct attachment {
	const char *name;		/* NULL: it has none */
	uint32_t id;			/* of its link; 0: not known */
	/*
	 * Closed after the call, if fn does not keep it by setting NULL here.  NULL: it cannot be
	 * opened.  If there is no name and no id either, all names or ids cannot be read.
	 */
	struct hcpolicy *policy;
	/* It cannot be opened because it has just ended.  Else an error was reported. */
	bool gone;
	bool removed;			/* its VM is dead, and its name was removed */
};

struct every {
	bool unnamed;			/* those without a name too */
	/* Does the caller know it already?  Then it is not opened.  NULL: it knows none. */
	bool (*known)(void *ctx, const char *name, uint32_t id);
	void (*fn)(void *ctx, struct attachment *attachment);
	void *ctx;
};

void every_attachment(const struct every *every);

#endif /* EVERY_H */
