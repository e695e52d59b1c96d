// SPDX-License-Identifier: GPL-2.0
/*
 * An attachment in words and in JSON.  A set is complete only if its state says so and the link
 * is alive.  After the link's end requests go by unseen, and the state does not change.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "loader.h"
#include "out.h"
#include "state.h"

uint64_t set_covers(const struct hcp_info *info)
{
	return info->npages << HCP_PAGE_SHIFT;
}

uint64_t set_memory(const struct hcp_info *info)
{
	return info->npages / 8;
}

uint32_t more_state(const struct hcpolicy *policy)
{
	return hcpolicy__attached(policy) ? 0 : HCP_DETACHED;
}

/* The set is complete only up to its reach, so say where that is. */
static size_t beyond_text(char *buf, size_t size, const struct hcp_set *set)
{
	uint64_t beyond = hcp_set__beyond(set), reach = hcp_set__reach(set);
	char top[32];

	buf[0] = '\0';
	if (!beyond && reach == hcp_set__npages(set))
		return 0;
	return snprintf(buf, size, " below %s, %" PRIu64 " page%s requested beyond",
			size_text(top, reach << HCP_PAGE_SHIFT), beyond, beyond == 1 ? "" : "s");
}

struct hcp_info info_copy(const struct hcpolicy *policy)
{
	const struct hcp_info *shared = hcpolicy__info(policy);
	struct hcp_info info = {};
	uint32_t id;

	if (!shared)
		return info;
	info = *shared;
	/* The kernel's word, if there is a link; it takes no const, but changes nothing. */
	id = hcpolicy__id((struct hcpolicy *)policy, "link");
	if (id)
		info.link_id = id;

	info.name[HCP_NAME_LEN - 1] = info.policy[HCP_NAME_LEN - 1] = info.label[HCP_NAME_LEN - 1] = 0;
	printable(info.name);
	printable(info.policy);
	printable(info.label);
	return info;
}

bool attached_by_old(const struct hcpolicy *policy)
{
	const struct hcp_info *info = hcpolicy__info(policy);

	return info && info->version < HCP_INFO_VERSION;
}

bool state_text_more(char *buf, size_t size, const struct hcpolicy *policy, uint32_t more)
{
	const struct hcp_set *set = hcpolicy__set(policy);
	struct hcp_reason reason;
	unsigned int n = 0;
	size_t len;

	more |= more_state(policy);
	len = snprintf(buf, size, "not complete: ");
	for (; hcp_set__why(set, more, n, &reason) && len < size; n++)
		len += snprintf(buf + len, size - len, "%s%s", n ? ", " : "", reason.why);
	if (!n) {
		len = snprintf(buf, size, "complete");
		beyond_text(buf + len, size - len, set);
	}
	return !n;
}

bool state_text(char *buf, size_t size, const struct hcpolicy *policy)
{
	return state_text_more(buf, size, policy, 0);
}

/* What to type for a reason.  State 0: pages were missed. */
static void print_command(FILE *file, uint32_t state, const char *name)
{
	if (state == HCP_AWAITS_RESTORE)
		fprintf(file, " (hcpolicy restore %s FILE --with-its-guest)", name);
	else if (!state || state & (HCP_LATE | HCP_FOREIGN | HCP_DETACHED))
		fprintf(file, " (with the VM stopped: hcpolicy reset %s)", name);
}

void print_help_for_state(FILE *file, const struct hcpolicy *policy)
{
	const struct hcp_set *set = hcpolicy__set(policy);
	uint32_t more = more_state(policy);
	struct hcp_reason reason;
	/* The state has named the only one. */
	bool several = hcp_set__why(set, more, 1, &reason);

	for (unsigned int n = 0; hcp_set__why(set, more, n, &reason); n++) {
		fprintf(file, "%-10s %s%s%s", n ? "" : "help", several ? reason.why : "",
			several ? ": " : "", reason.help);
		print_command(file, reason.state, info_copy(policy).name);
		putc('\n', file);
	}
}

void print_state(const struct hcpolicy *policy)
{
	char text[256];

	state_text(text, sizeof(text), policy);
	puts(text);
}

void put_state_more(struct json_object *obj, const struct hcpolicy *policy, uint32_t more)
{
	struct json_object *array = json_object_new_array();
	const struct hcp_set *set = hcpolicy__set(policy);
	struct hcp_reason reason;
	unsigned int n = 0;

	more |= more_state(policy);
	for (; hcp_set__why(set, more, n, &reason); n++)
		json_object_array_add(array, json_object_new_string(reason.why));
	put_bool(obj, "complete", !n);
	json_object_object_add(obj, "reasons", array);
	put_u64(obj, "missed", hcp_set__missed(set));
	put_u64(obj, "beyond", hcp_set__beyond(set));
	put_u64(obj, "reach", hcp_set__reach(set) << HCP_PAGE_SHIFT);
}

void put_state(struct json_object *obj, const struct hcpolicy *policy)
{
	put_state_more(obj, policy, 0);
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
	if (proc_elsewhere(info))
		strcpy(comm, "in another pid namespace");
	else if (proc_start_time(info->pid) == info->start_time)
		proc_comm(info->pid, comm);
	else
		strcpy(comm, "gone");
}

void put_identity(struct json_object *obj, const struct hcpolicy *policy)
{
	const struct hcp_info copy = info_copy(policy), *info = &copy;
	char text[32];

	put_str(obj, "name", info->name);
	put_str(obj, "policy", info->policy);
	put_str(obj, "label", info->label);
	put_u64(obj, "pid", info->pid);
	put_u64(obj, "vm_fd", info->vm_fd);
	process_comm(text, info);
	put_str(obj, "comm", text);
	put_u64(obj, "start_time", info->start_time);
	put_u64(obj, "info_version", info->version);
	put_bool(obj, "alive", hcpolicy__attached(policy));
	time_text(text, info->attached_at);
	put_str(obj, "attached_at", text);
	put_u64(obj, "max_gpa", set_covers(info));
	put_u64(obj, "memory", set_memory(info));
}
