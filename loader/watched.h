/* SPDX-License-Identifier: GPL-2.0 */
/* The events of one attachment, printed; and all that is shared, where events may be missing. */
#ifndef WATCHED_H
#define WATCHED_H

#include <hcpolicy/events.h>
#include "out.h"

struct watched {
	struct hcpolicy *policy;
	struct hcpolicy_events *events;
	struct out_array *array;	/* where JSON goes; NULL: each item is a line of its own */
	/* Of several, whose text lines and items say which one it is. */
	bool several;
	char name[HCP_NAME_LEN];	/* "": it has none */
	uint32_t id;			/* its link's */
	/* Of the policy as it was opened, to tell in the end what became of its VM. */
	struct hcp_info info;
	int folder;			/* of the VM in debugfs; -1: it could not be found */
};

/* Take an open policy. */
void watched_take(struct watched *w, struct hcpolicy *policy);

/* Begin to read its events, and print all that is shared.  False and errno: ENOENT if it sends none. */
bool watched_begin(struct watched *w, const char *why);
/* Say that the policy has ended, and its VM's fate.  False: that is not known yet (fate.h). */
bool watched_say_ended(struct watched *w, bool last);
/* Close the policy and its events. */
void watched_end(struct watched *w);

/* An item that says whose it is, and how to print it. */
struct json_object *watched_item(const struct watched *w);
void watched_put(struct watched *w, struct json_object *item);
/* The same of a line of text, before it is printed. */
void watched_line(const struct watched *w);

#endif /* WATCHED_H */
