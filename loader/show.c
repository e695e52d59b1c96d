// SPDX-License-Identifier: GPL-2.0
/* list and show: who has a policy, and whether its set can be trusted. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "loader.h"
#include "out.h"
#include "state.h"

static int is_entry(const struct dirent *entry)
{
	return valid_name(entry->d_name);
}

static void list_text(const struct hcpolicy *policy)
{
	const struct hcp_info *info = hcpolicy__info(policy);
	char state[256];

	state_text(state, sizeof(state), policy);
	printf("%-16s %-12s %8d %-5s %12" PRIu64 "  %s\n", info->name, info->policy, info->pid,
	       hcpolicy__attached(policy) ? "yes" : "no",
	       hcp_set__count(hcpolicy__set(policy)), state);
}

/* stdout is an array: what cannot be opened, or was a dead VM's, says so in a field. */
static void list_json_error(struct json_object *array, const char *name)
{
	struct json_object *obj = json_object_new_object();

	put_str(obj, "name", name);
	json_object_object_add(obj, "error", err_take());
	json_object_array_add(array, obj);
}

static void list_json(struct json_object *array, const struct hcpolicy *policy, bool removed)
{
	struct json_object *obj = json_object_new_object();

	put_identity(obj, policy);
	put_u64(obj, "shared_pages", hcp_set__count(hcpolicy__set(policy)));
	put_state(obj, policy);
	put_bool(obj, "removed", removed);
	json_object_array_add(array, obj);
}

int cmd_list(const struct args *args)
{
	struct json_object *array;
	struct dirent **names;
	bool header = false, failed = false;
	int n;

	n = scandir(PIN_DIR, &names, is_entry, alphasort);
	if (n < 0 && errno != ENOENT) {
		err("%s: %s%s", PIN_DIR, strerror(errno),
		    errno == EACCES ? ": run as root" : "");
		return EXIT_FAIL;
	}
	array = json_object_new_array();
	for (int i = 0; i < n; i++) {
		struct hcpolicy *policy = hcpolicy__open_pinned(names[i]->d_name, policy_opts());
		bool removed = policy && pins_remove_dead(policy);

		if (!policy) {
			failed = true;
			if (out_json)
				list_json_error(array, names[i]->d_name);
		} else if (out_json) {
			list_json(array, policy, removed);
		} else if (!removed) {
			if (!header)
				printf("%-16s %-12s %8s %-5s %12s  %s\n", "NAME", "POLICY",
				       "PID", "ALIVE", "SHARED PAGES", "STATE");
			header = true;
			list_text(policy);
		}
		hcpolicy__close(policy);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	if (out_json)
		out_value(array);
	else
		json_object_put(array);
	return failed ? EXIT_FAIL : EXIT_OK;
}

static uint64_t count_ranges(const struct hcp_set *set)
{
	struct hcp_range r = {};
	uint64_t n = 0;

	while (hcp_set__next(set, &r))
		n++;
	return n;
}

/* When this machine started: what CLOCK_REALTIME would have said, in ns. */
static uint64_t boot_time(void)
{
	struct timespec now, up;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return (now.tv_sec - up.tv_sec) * 1000000000ULL + now.tv_nsec - up.tv_nsec;
}

static void show_text(const struct hcpolicy *policy)
{
	const struct hcp_info *info = hcpolicy__info(policy);
	const struct hcp_set *set = hcpolicy__set(policy);
	uint64_t shared = hcp_set__count(set), ranges = count_ranges(set);
	struct json_object *counters;
	char text[256], other[32];
	const char *why;

	printf("%-10s %s\n", "name", info->name);
	printf("%-10s %s\n", "policy", info->policy);
	if (info->label[0])
		printf("%-10s %s\n", "label", info->label);
	process_comm(other, info);
	printf("%-10s %d (%s), VM descriptor %d, ", "process", info->pid, other, info->vm_fd);
	time_text(other, boot_time() + info->start_time * (1000000000 / sysconf(_SC_CLK_TCK)));
	printf("started %s\n", other);
	time_text(other, info->attached_at);
	printf("%-10s %s\n", "attached", other);
	printf("%-10s %s of guest addresses, ", "covers", size_text(other, set_covers(info)));
	printf("%s of kernel memory\n", size_text(other, set_memory(info)));
	printf("%-10s %" PRIu64 " pages (%s) in %" PRIu64 " range%s\n", "shared", shared,
	       size_text(other, shared << HCP_PAGE_SHIFT), ranges, ranges == 1 ? "" : "s");
	state_text(text, sizeof(text), policy);
	printf("%-10s %s\n", "state", text);
	print_help_for_state(stdout, policy);

	counters = counters_read(policy, &why);
	if (!counters) {
		printf("%-10s none: %s\n", "counters", why);
		return;
	}
	json_object_object_foreach(counters, key, value) {
		snprintf(text, sizeof(text), "%s", key);
		for (char *p = text; (p = strchr(p, '_')); )
			*p = ' ';
		printf("%-10s %-20s %s\n", "counter", text, json_object_get_string(value));
	}
	json_object_put(counters);
}

static void show_json(const struct hcpolicy *policy)
{
	const struct hcp_set *set = hcpolicy__set(policy);
	struct json_object *obj = json_object_new_object();
	struct json_object *counters;
	const char *why;

	put_identity(obj, policy);
	put_u64(obj, "shared_pages", hcp_set__count(set));
	put_u64(obj, "shared_ranges", count_ranges(set));
	put_state(obj, policy);
	counters = counters_read(policy, &why);
	if (counters)
		json_object_object_add(obj, "counters", counters);
	else
		warn("no counters: %s", why);
	out_value(obj);
}

int cmd_show(const struct args *args)
{
	struct hcpolicy *policy;
	bool gone;

	policy = pins_open(args->words[0], &gone);
	if (!policy) {
		if (gone)
			err("policy '%s' ended with its VM", args->words[0]);
		return EXIT_FAIL;
	}
	if (out_json)
		show_json(policy);
	else
		show_text(policy);
	hcpolicy__close(policy);
	return EXIT_OK;
}
