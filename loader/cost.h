/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a policy costs by the size of the request, as a multiple of what bitmap costs in the same
 * run.  Each is attached to a throw-away VM of its own.
 */
#ifndef COST_H
#define COST_H

#include <stdbool.h>
#include <stdint.h>

#define COST_SIZES 3

struct cost {
	double times_bitmap[COST_SIZES];
	uint64_t handled[COST_SIZES];	/* of the requests of a batch */
};

/* Of a loaded policy, which is attached for that.  False: reported. */
struct hcpolicy;
bool cost_measure(struct cost *cost, struct hcpolicy *policy, const char *name);

void cost_print(const struct cost *cost);
struct json_object;
void cost_put(struct json_object *obj, const struct cost *cost);

#endif /* COST_H */
