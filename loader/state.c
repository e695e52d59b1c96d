// SPDX-License-Identifier: GPL-2.0
/*
 * An attachment in words and in JSON.  A set is called complete only if its
 * state says so and the link is alive: after the link's end requests go by
 * unseen, whatever was written before.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "loader.h"
#include "out.h"
#include "state.h"

#define MAX_REASONS 4

uint64_t set_covers(const struct hcp_info *info)
{
	return info->npages << HCP_PAGE_SHIFT;
}

uint64_t set_memory(const struct hcp_info *info)
{
	return info->npages / 8;
}

/* How many reasons there are for not trusting the set. */
static int reasons(const struct hcpolicy *policy, char text[MAX_REASONS][64])
{
	const struct hcp_set *set = hcpolicy__set(policy);
	uint32_t state = hcp_set__state(set);
	uint64_t missed = hcp_set__missed(set);
	int n = 0;

	if (state & HCP_LATE)
		snprintf(text[n++], 64, "attached or restored late");
	if (missed)
		snprintf(text[n++], 64, "%" PRIu64 " page%s missed", missed,
			 missed == 1 ? "" : "s");
	if (state & HCP_UNATTACHED)
		snprintf(text[n++], 64, "not attached yet");
	else if (state & HCP_DETACHED || !hcpolicy__attached(policy))
		snprintf(text[n++], 64, "detached");
	return n;
}

void state_text(char *buf, size_t size, const struct hcpolicy *policy)
{
	char text[MAX_REASONS][64];
	int n = reasons(policy, text);
	size_t len;

	len = snprintf(buf, size, n ? "not complete: " : "complete");
	for (int i = 0; i < n && len < size; i++)
		len += snprintf(buf + len, size - len, "%s%s", i ? ", " : "", text[i]);
}

void print_state(const struct hcpolicy *policy)
{
	char text[256];

	state_text(text, sizeof(text), policy);
	puts(text);
}

void put_state(struct json_object *obj, const struct hcpolicy *policy)
{
	struct json_object *array = json_object_new_array();
	char text[MAX_REASONS][64];
	int n = reasons(policy, text);

	for (int i = 0; i < n; i++)
		json_object_array_add(array, json_object_new_string(text[i]));
	put_bool(obj, "complete", !n);
	json_object_object_add(obj, "reasons", array);
	put_u64(obj, "missed", hcp_set__missed(hcpolicy__set(policy)));
}

void time_text(char buf[32], uint64_t ns)
{
	time_t seconds = ns / 1000000000;
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void process_comm(char comm[32], const struct hcp_info *info)
{
	if (proc_start_time(info->pid) == info->start_time)
		proc_comm(info->pid, comm);
	else
		strcpy(comm, "gone");
}

void put_identity(struct json_object *obj, const struct hcpolicy *policy)
{
	const struct hcp_info *info = hcpolicy__info(policy);
	char text[32];

	put_str(obj, "name", info->name);
	put_str(obj, "policy", info->policy);
	put_u64(obj, "pid", info->pid);
	put_u64(obj, "vm_fd", info->vm_fd);
	process_comm(text, info);
	put_str(obj, "comm", text);
	put_u64(obj, "start_time", info->start_time);
	put_bool(obj, "alive", hcpolicy__attached(policy));
	time_text(text, info->attached_at);
	put_str(obj, "attached_at", text);
	put_u64(obj, "max_gpa", set_covers(info));
	put_u64(obj, "memory", set_memory(info));
}
