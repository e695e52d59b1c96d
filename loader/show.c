// SPDX-License-Identifier: GPL-2.0
/* list and show: which VM has a policy, and whether its set can be trusted. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "every.h"
#include "loader.h"
#include "out.h"
#include "state.h"

/* A line of the table; policy NULL: it could not be opened. */
static void list_row(const char *name, const struct hcpolicy *policy, const char *state)
{
	const struct hcp_info copy = info_copy(policy), *info = hcpolicy__info(policy) ? &copy : NULL;
	const struct hcp_set *set = policy ? hcpolicy__set(policy) : NULL;
	char pid[16] = "?", shared[24] = "?";
	static bool header;

	if (!header)
		printf("%-16s %-12s %8s %-5s %12s  %s\n", "NAME", "POLICY", "PID", "ALIVE",
		       "SHARED PAGES", "STATE");
	header = true;
	if (set) {
		snprintf(pid, sizeof(pid), "%d", info->pid);
		snprintf(shared, sizeof(shared), "%" PRIu64, hcp_set__count(set));
	}
	printf("%-16s %-12s %8s %-5s %12s  %s\n", name, info ? info->policy : "?", pid,
	       !policy ? "?" : hcpolicy__attached(policy) ? "yes" : "no", shared, state);
}

/* The pins that are missing and could not be put back; NULL: none. */
static const char *missing_pins(char buf[64], const struct hcpolicy *policy)
{
	static const char *const maps[] = { HCP_MAP_SHARED, HCP_MAP_INFO };
	size_t len = 0;

	for (int i = 0; i < 2; i++)
		if (hcpolicy__map_fd(policy, maps[i]) < 0)
			len += snprintf(buf + len, 64 - len, "%s%s", len ? ", " : "", maps[i]);
	if (hcpolicy__link_fd(policy) < 0)
		len += snprintf(buf + len, 64 - len, "%slink", len ? ", " : "");
	return len ? buf : NULL;
}

static void list_text(const struct attachment *a)
{
	char state[256] = "keeps no set that this version can read", missing[64], text[512];
	const struct hcpolicy *policy = a->policy;
	bool half = missing_pins(missing, policy);

	if (hcpolicy__set(policy))
		state_text(state, sizeof(state), policy);
	if (attached_by_old(policy))
		strncat(state, "; attached by hcpolicy 0.1", sizeof(state) - strlen(state) - 1);
	if (!a->name)
		snprintf(text, sizeof(text), "%s; not pinned: hcpolicy detach --id %" PRIu32, state, a->id);
	else if (hcpolicy__set(policy))
		snprintf(text, sizeof(text), "%s%s%s", state, half ? "; missing: " : "", half ? missing : "");
	else
		snprintf(text, sizeof(text), "missing: %s: hcpolicy detach %s clears the rest",
			 half ? missing : "?", a->name);
	list_row(a->name ?: "-", policy, text);
}

static void list_json(struct json_object *array, const struct attachment *a)
{
	const struct hcp_info *info = hcpolicy__info(a->policy);
	struct json_object *obj = json_object_new_object();
	const struct hcp_set *set = hcpolicy__set(a->policy);
	char missing[64];

	if (info)
		put_identity(obj, a->policy);
	/* What a policy without a name calls itself opens nothing. */
	if (a->name)
		put_str(obj, "name", a->name);
	else
		json_object_object_del(obj, "name");
	if (set) {
		put_u64(obj, "shared_pages", hcp_set__count(set));
		put_state(obj, a->policy);
	}
	if (a->name && missing_pins(missing, a->policy))
		put_str(obj, "missing", missing);
	if (info || !a->name)
		put_u64(obj, "link_id", a->id);
	put_bool(obj, "pinned", a->name && !a->removed);
	if (a->name)
		put_bool(obj, "removed", a->removed);
	json_object_array_add(array, obj);
}

/* In text the row of a name shows that it exists.  Standard error has said why. */
static void list_error(struct json_object *array, const char *name)
{
	struct json_object *obj;

	if (!out_json) {
		if (name)
			list_row(name, NULL, "cannot be opened: see the error");
		return;
	}
	obj = json_object_new_object();
	if (name)
		put_str(obj, "name", name);
	json_object_object_add(obj, "error", err_take());
	json_object_array_add(array, obj);
}

struct list {
	struct json_object *array;
	bool failed;
};

static void list_one(void *ctx, struct attachment *a)
{
	struct list *list = ctx;

	if (a->gone)
		return;
	if (!a->policy) {
		list->failed = true;
		list_error(list->array, a->name);
	} else if (out_json) {
		list_json(list->array, a);
	} else if (!a->removed) {
		list_text(a);
	}
}

int cmd_list(const struct args *args)
{
	struct list list = { .array = json_object_new_array() };

	pins_mark_foreign();
	every_attachment(&(struct every) { .unnamed = args->all, .fn = list_one, .ctx = &list });
	if (out_json)
		out_value(list.array);
	else
		json_object_put(list.array);
	return list.failed ? EXIT_FAIL : EXIT_OK;
}

static uint64_t count_ranges(const struct hcp_set *set)
{
	struct hcp_range r = {};
	uint64_t n = 0;

	while (hcp_set__next(set, &r))
		n++;
	return n;
}

/* When this machine started, by CLOCK_REALTIME, in ns. */
static uint64_t boot_time(void)
{
	return clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME);
}

static void print_set_params(struct hcpolicy *policy)
{
	struct hcpolicy_param p;

	for (unsigned int n = 0; hcpolicy__param(policy, n, &p); n++) {
		if (p.kind == HCPOLICY_COUNTER)
			printf("%-10s %-20s %s\n", "counted", p.name, p.value);
		else
			printf("%-10s %s=%s%s\n", "parameter", p.name, number_text(p.value),
			       p.kind == HCPOLICY_TUNABLE ? " (tunable)" : "");
	}
	if (errno == EPERM)
		printf("%-10s not shown, as that needs CAP_SYS_ADMIN\n", "parameter");
}

/* From here bpftool takes over. */
static void print_ids(struct hcpolicy *policy)
{
	const char *map;

	printf("%-10s link %u", "BPF ids", hcpolicy__id(policy, "link"));
	if (hcpolicy__id(policy, "program"))
		printf(", program %u", hcpolicy__id(policy, "program"));
	for (unsigned int n = 0; (map = hcpolicy__map_name(policy, n)); n++)
		printf(", map %s %u", map, hcpolicy__id(policy, map));
	putchar('\n');
}

static void put_ids(struct json_object *obj, struct hcpolicy *policy)
{
	struct json_object *ids = json_object_new_object(), *maps = json_object_new_object();
	const char *map;

	put_u64(ids, "link", hcpolicy__id(policy, "link"));
	put_u64(ids, "program", hcpolicy__id(policy, "program"));
	for (unsigned int n = 0; (map = hcpolicy__map_name(policy, n)); n++)
		put_u64(maps, map, hcpolicy__id(policy, map));
	json_object_object_add(ids, "maps", maps);
	json_object_object_add(obj, "ids", ids);
}

static void show_text(struct hcpolicy *policy)
{
	const struct hcp_info copy = info_copy(policy), *info = &copy;
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
	print_set_params(policy);
	print_ids(policy);
	state_text(text, sizeof(text), policy);
	printf("%-10s %s\n", "state", text);
	print_help_for_state(stdout, policy);
	if (attached_by_old(policy))
		printf("%-10s attached by hcpolicy 0.1, so its set cannot be reset or restored: hcpolicy replace "
		       "%s %s ends that\n", "help", info->name, info->policy);

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

static void show_json(struct hcpolicy *policy)
{
	const struct hcp_set *set = hcpolicy__set(policy);
	struct json_object *obj = json_object_new_object();
	struct json_object *counters;
	const char *why;

	put_identity(obj, policy);
	put_u64(obj, "shared_pages", hcp_set__count(set));
	put_u64(obj, "shared_ranges", count_ranges(set));
	put_state(obj, policy);
	put_params(obj, policy);
	put_ids(obj, policy);
	counters = counters_read(policy, &why);
	if (counters)
		json_object_object_add(obj, "counters", counters);
	else
		warn("no counters: %s", why);
	out_value(obj);
}

int cmd_show(const struct args *args)
{
	struct hcpolicy *policy = pins_open_alive(args->words[0]);

	if (!policy)
		return EXIT_FAIL;
	if (out_json)
		show_json(policy);
	else
		show_text(policy);
	hcpolicy__close(policy);
	return EXIT_OK;
}
