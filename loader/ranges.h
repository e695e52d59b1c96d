/* SPDX-License-Identifier: GPL-2.0 */
/* The shared ranges of a set, sorted and merged, as text or as JSON. */
#ifndef RANGES_H
#define RANGES_H

#include <stdio.h>
#include <json-c/json.h>
#include <hcpolicy/set.h>

struct json_object *range_json(const struct hcp_range *range);
void ranges_print_text(FILE *file, const struct hcp_set *set);
void ranges_print_json(FILE *file, const struct hcp_set *set, bool pretty);

#endif /* RANGES_H */
