// SPDX-License-Identifier: GPL-2.0
/* list and show: which VM has a policy, and whether its set can be trusted. */
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

/* A line of the table; policy NULL: it could not be opened. */
static void list_row(const char *name, const struct hcpolicy *policy, const char *state)
{
	const struct hcp_info *info = policy ? hcpolicy__info(policy) : NULL;
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

/* name NULL: it is not pinned, and has only the link id. */
static void list_text(const char *name, uint32_t id, const struct hcpolicy *policy)
{
	char state[256] = "keeps no set that this version can read", missing[64], text[512];
	bool half = missing_pins(missing, policy);

	if (hcpolicy__set(policy))
		state_text(state, sizeof(state), policy);
	if (attached_by_old(policy))
		strncat(state, "; attached by hcpolicy 0.1", sizeof(state) - strlen(state) - 1);
	if (!name)
		snprintf(text, sizeof(text), "%s; not pinned: hcpolicy detach --id %" PRIu32, state, id);
	else if (hcpolicy__set(policy))
		snprintf(text, sizeof(text), "%s%s%s", state, half ? "; missing: " : "", half ? missing : "");
	else
		snprintf(text, sizeof(text), "missing: %s: hcpolicy detach %s clears the rest",
			 half ? missing : "?", name);
	list_row(name ?: "-", policy, text);
}

/* In text the row shows that the name exists.  Standard error has said why. */
static void list_error(struct json_object *array, const char *name)
{
	struct json_object *obj;

	if (!out_json) {
		list_row(name, NULL, "cannot be opened: see the error");
		return;
	}
	obj = json_object_new_object();
	put_str(obj, "name", name);
	json_object_object_add(obj, "error", err_take());
	json_object_array_add(array, obj);
}

/* name and id: as in list_text(). */
static void list_json(struct json_object *array, const char *name, uint32_t id,
		      const struct hcpolicy *policy, bool removed)
{
	const struct hcp_info *info = hcpolicy__info(policy);
	struct json_object *obj = json_object_new_object();
	const struct hcp_set *set = hcpolicy__set(policy);
	char missing[64];

	if (info)
		put_identity(obj, policy);
	/* What a policy without a name calls itself opens nothing. */
	if (name)
		put_str(obj, "name", name);
	else
		json_object_object_del(obj, "name");
	if (set) {
		put_u64(obj, "shared_pages", hcp_set__count(set));
		put_state(obj, policy);
	}
	if (name && missing_pins(missing, policy))
		put_str(obj, "missing", missing);
	if (info || !name)
		put_u64(obj, "link_id", name ? info->link_id : id);
	put_bool(obj, "pinned", name && !removed);
	if (name)
		put_bool(obj, "removed", removed);
	json_object_array_add(array, obj);
}

struct list {
	struct json_object *array;
	uint32_t *ids;		/* of the links that have a name */
	size_t nids;
	bool failed;
};

static void list_remember(struct list *list, const struct hcpolicy *policy)
{
	const struct hcp_info *info = hcpolicy__info(policy);

	if (!info)
		return;
	list->ids = realloc(list->ids, (list->nids + 1) * sizeof(*list->ids));
	if (!list->ids)
		abort();
	list->ids[list->nids++] = info->link_id;
}

static int list_id(uint32_t id, void *ctx)
{
	struct hcpolicy_opts quiet = *policy_opts();
	struct list *list = ctx;
	struct hcpolicy *policy;

	for (size_t i = 0; i < list->nids; i++)
		if (list->ids[i] == id)
			return 0;
	quiet.log = NULL;
	policy = hcpolicy__open_id(id, &quiet);
	if (!policy)
		return 0;	/* it has just ended */
	if (out_json)
		list_json(list->array, NULL, id, policy, false);
	else
		list_text(NULL, id, policy);
	hcpolicy__close(policy);
	return 0;
}

static int list_name(const char *name, void *ctx)
{
	struct hcpolicy_opts quiet = *policy_opts();
	struct list *list = ctx;
	struct hcpolicy *policy;
	bool removed;

	quiet.log = NULL;
	policy = hcpolicy__open_pinned(name, &quiet);
	if (!policy && errno == ENOENT)
		return 0;	/* it has just been detached */
	if (!policy)
		policy = hcpolicy__open_pinned(name, policy_opts());
	if (!policy) {
		list->failed = true;
		list_error(list->array, name);
		return 0;
	}
	list_remember(list, policy);
	removed = pins_remove_dead(policy);
	if (out_json)
		list_json(list->array, name, 0, policy, removed);
	else if (!removed)
		list_text(name, 0, policy);
	hcpolicy__close(policy);
	return 0;
}

static void list_failed(struct list *list)
{
	struct json_object *obj = json_object_new_object();

	if (!err_seen())
		err("the attached policies: %s", strerror(errno));
	json_object_object_add(obj, "error", out_json ? err_take() : NULL);
	json_object_array_add(list->array, obj);
	list->failed = true;
}

int cmd_list(const struct args *args)
{
	struct list list = { .array = json_object_new_array() };

	pins_mark_foreign();
	if (hcpolicy__each_pinned(list_name, &list, policy_opts()))
		list_failed(&list);
	/* Even if the names cannot be read, every attached policy has an id. */
	if (args->all && hcpolicy__each_attached(list_id, &list, policy_opts()))
		list_failed(&list);
	if (out_json)
		out_value(list.array);
	else
		json_object_put(list.array);
	free(list.ids);
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
