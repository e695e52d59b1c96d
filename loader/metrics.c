// SPDX-License-Identifier: GPL-2.0
/*
 * metrics: numbers about every attachment, and the VMs that should have one, in Prometheus's text format
 * (0.0.4), which the textfile collector of node_exporter reads.
 *
 * The format wants the samples of one metric together, so each metric has its text, and each
 * attachment adds to all of them.  One character that a reader does not take would spoil the whole
 * file.  Others can write to hcp_info, so nothing of it is printed as it is.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auto-conf.h"
#include "every.h"
#include "file.h"
#include "loader.h"
#include "out.h"
#include "state.h"
#include "vms.h"

enum metric {
	UP, ATTACHMENT_UP, ATTACHMENT_INFO, ATTACHED_TIME, SET_COMPLETE, SET_INCOMPLETE, SHARED_PAGES,
	MISSED_PAGES, BEYOND_PAGES, REACH, MEMORY, COUNTERS_UP, REQUESTS, OVERRULED, BAD_VERDICTS,
	BAD_REQUESTS, VMS, AUTO_UP, VMS_UNKNOWN, VM_UNATTACHED, NMETRICS,
};

static const struct { const char *name, *type, *help; } metrics[NMETRICS] = {
	[UP] = { "up", "gauge", "1: every attachment was found. 0: the list of them cannot be read." },
	[ATTACHMENT_UP] = { "attachment_up", "gauge",
		"1: the attachment was read. 0: it cannot be, or has just ended, and has no other metrics." },
	[ATTACHMENT_INFO] = { "attachment_info", "gauge",
		"The policy, the label of the guest, and the process of the VM. Always 1." },
	[ATTACHED_TIME] = { "attached_timestamp_seconds", "gauge", "When the policy was attached, since 1970." },
	[SET_COMPLETE] = { "set_complete", "gauge", "1: the set has every request of its guest." },
	[SET_INCOMPLETE] = { "set_incomplete", "gauge", "1: the set is not complete for this reason." },
	[SHARED_PAGES] = { "shared_pages", "gauge", "Pages of 4096 bytes that the guest shares." },
	[MISSED_PAGES] = { "missed_pages_total", "counter", "Pages inside the set whose requests were not recorded." },
	[BEYOND_PAGES] = { "beyond_pages_total", "counter", "Pages of requests beyond the end of the set." },
	[REACH] = { "reach_bytes", "gauge", "The guest address from which on the set knows nothing." },
	[MEMORY] = { "memory_bytes", "gauge", "Kernel memory of the policy's maps." },
	[COUNTERS_UP] = { "counters_up", "gauge", "1: KVM's counters of the VM were read. 0: they cannot be." },
	[REQUESTS] = { "requests_total", "counter", "Requests of the VM since it began, by what became of them." },
	[OVERRULED] = { "overruled_total", "counter",
		"Pieces of requests for which KVM did not let the policy's verdict stand." },
	[BAD_VERDICTS] = { "bad_verdicts_total", "counter",
		"Pieces of requests for which the policy's answer was no verdict." },
	[BAD_REQUESTS] = { "bad_requests_total", "counter",
		"Requests that the policy was not asked about, as their range or attributes are invalid." },
	[VMS] = { "vms", "gauge", "VMs of this machine, with and without a policy." },
	[AUTO_UP] = { "auto_up", "gauge",
		"1: each VM without a policy was held against the rules of auto.conf. 0: that cannot be." },
	[VMS_UNKNOWN] = { "vms_unknown", "gauge",
		"VMs without a policy of which no rule is known, as their process is not." },
	[VM_UNATTACHED] = { "vm_unattached", "gauge",
		"A VM that should have a policy, by a rule of auto.conf, and has none. Always 1." },
};

static const struct { uint32_t state; const char *word; } reasons[] = {
	{ 0, "missed" }, { HCP_UNATTACHED, "unattached" }, { HCP_AWAITS_RESTORE, "awaits_restore" },
	{ HCP_LATE, "late" }, { HCP_CHANGING, "changing" }, { HCP_FOREIGN, "foreign" },
	{ HCP_RUNNING, "running" }, { HCP_DETACHED, "detached" },
};
#define NREASONS (sizeof(reasons) / sizeof(*reasons))

/* As KVM calls them.  Its other counters say why it decided by itself. */
static const char *const verdicts[] = { "handled", "default", "retry", "refused" };

struct page {
	FILE *samples[NMETRICS];
	char *text[NMETRICS];
	size_t size[NMETRICS];
	bool found_all, read_all;
};

static void label(FILE *file, const char *key, const char *value)
{
	fprintf(file, "%s=\"", key);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			putc('\\', file);
		putc(*value >= ' ' && *value <= '~' ? *value : '?', file);
	}
	putc('"', file);
}

/* Labels follow, each a key and a value, and then NULL. */
__attribute__((sentinel))
static void sample(struct page *page, enum metric metric, uint64_t number, ...)
{
	FILE *file = page->samples[metric];
	const char *key, *before = "{";
	va_list ap;

	fprintf(file, "hcpolicy_%s", metrics[metric].name);
	va_start(ap, number);
	for (; (key = va_arg(ap, const char *)); before = ",") {
		fputs(before, file);
		label(file, key, va_arg(ap, const char *));
	}
	va_end(ap);
	fprintf(file, "%s %" PRIu64 "\n", *before == ',' ? "}" : "", number);
}

/* Of an attachment, without other labels than its name. */
static void value(struct page *page, enum metric metric, const char *name, uint64_t number)
{
	sample(page, metric, number, "name", name, NULL);
}

static void sample_info(struct page *page, const char *name, const struct hcp_info *info)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", info->pid);
	sample(page, ATTACHMENT_INFO, 1, "name", name, "policy", info->policy, "label", info->label,
	       "pid", pid, NULL);
}

static void sample_state(struct page *page, const char *name, const struct hcpolicy *policy)
{
	const struct hcp_set *set = hcpolicy__set(policy);
	uint32_t more = more_state(policy);
	struct hcp_reason reason;
	bool is[NREASONS] = {}, complete = true;

	for (unsigned int n = 0; hcp_set__why(set, more, n, &reason); n++) {
		complete = false;
		for (size_t i = 0; i < NREASONS; i++)
			is[i] |= reasons[i].state == reason.state;
	}
	value(page, SET_COMPLETE, name, complete);
	for (size_t i = 0; i < NREASONS; i++)
		sample(page, SET_INCOMPLETE, is[i], "name", name, "reason", reasons[i].word, NULL);
}

static uint64_t memory(const struct hcpolicy *policy)
{
	uint64_t bytes = 0;
	const char *map;

	for (unsigned int n = 0; (map = hcpolicy__map_name(policy, n)); n++)
		bytes += proc_map_memory(hcpolicy__map_fd(policy, map));
	return bytes;
}

static void sample_counters(struct page *page, const char *name, const struct hcpolicy *policy)
{
	static const struct { const char *counter; enum metric metric; } others[] = {
		{ "overruled", OVERRULED }, { "bad_verdict", BAD_VERDICTS }, { "bad_request", BAD_REQUESTS },
	};
	struct json_object *counters, *counter;
	const char *why;

	counters = counters_read(policy, &why);
	value(page, COUNTERS_UP, name, counters ? 1 : 0);
	if (!counters) {
		warn("attachment '%s': no counters: %s", name, why);
		return;
	}
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(*verdicts); i++)
		if (json_object_object_get_ex(counters, verdicts[i], &counter))
			sample(page, REQUESTS, json_object_get_uint64(counter), "name", name,
			       "verdict", verdicts[i], NULL);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (json_object_object_get_ex(counters, others[i].counter, &counter))
			value(page, others[i].metric, name, json_object_get_uint64(counter));
	json_object_put(counters);
}

static void add_attachment(void *ctx, struct attachment *a)
{
	const struct hcp_set *set = hcpolicy__set(a->policy);
	char id[16 + sizeof("link:")];
	const char *name = a->name;
	struct page *page = ctx;
	struct hcp_info info;

	if (a->removed)
		return;
	if (!a->policy && !a->gone)
		page->read_all = false;
	if (!name && !a->id) {
		page->found_all = false;
		return;
	}
	/* No name has a colon. */
	snprintf(id, sizeof(id), "link:%" PRIu32, a->id);
	name = name ?: id;
	value(page, ATTACHMENT_UP, name, set ? 1 : 0);
	if (!set)
		return;
	info = info_copy(a->policy);
	sample_info(page, name, &info);
	value(page, ATTACHED_TIME, name, info.attached_at / 1000000000);
	sample_state(page, name, a->policy);
	value(page, SHARED_PAGES, name, hcp_set__count(set));
	value(page, MISSED_PAGES, name, hcp_set__missed(set));
	value(page, BEYOND_PAGES, name, hcp_set__beyond(set));
	value(page, REACH, name, hcp_set__reach(set) << HCP_PAGE_SHIFT);
	value(page, MEMORY, name, memory(a->policy));
	sample_counters(page, name, a->policy);
}

struct unattached {
	struct page *page;
	const char *conf;
};

static void add_unattached(void *ctx, const struct vm_without *vm)
{
	const struct unattached *to = ctx;
	char pid[16], *rule;

	snprintf(pid, sizeof(pid), "%d", vm->pid);
	if (asprintf(&rule, "%s:%u", to->conf, vm->rule->line) < 0)
		abort();
	sample(to->page, VM_UNATTACHED, 1, "vm", vm->folder, "pid", pid, "comm", vm->comm,
	       "policy", vm->rule->policy, "rule", rule, NULL);
	free(rule);
}

static void add_vms(struct page *page, const struct args *args)
{
	struct unattached to = { .page = page };
	struct auto_conf conf;
	struct vms vms;
	bool good;

	good = auto_conf_read(&conf, args->conf, NULL);
	to.conf = conf.file;
	vms = vms_look(&conf, add_unattached, &to);
	if (vms.seen)
		sample(page, VMS, vms.n, NULL);
	if (!good)
		page->read_all = false;
	else if (conf.n && vms.why)
		warn("%s: whether each VM has its policy is not known: %s", to.conf, vms.why);
	if (!good || conf.n)
		sample(page, AUTO_UP, good && !vms.why, NULL);
	if (conf.n && !vms.why)
		sample(page, VMS_UNKNOWN, vms.unknown, NULL);
	auto_conf_free(&conf);
}

/* All metrics that have samples. */
static char *join(struct page *page, size_t *size)
{
	FILE *file;
	char *text;

	file = open_memstream(&text, size);
	if (!file)
		abort();
	for (size_t i = 0; i < NMETRICS; i++) {
		if (fclose(page->samples[i]))
			abort();
		if (page->size[i])
			fprintf(file, "# HELP hcpolicy_%s %s\n# TYPE hcpolicy_%s %s\n%s", metrics[i].name,
				metrics[i].help, metrics[i].name, metrics[i].type, page->text[i]);
		free(page->text[i]);
	}
	if (fclose(file))
		abort();
	return text;
}

int cmd_metrics(const struct args *args)
{
	struct page page = { .found_all = true, .read_all = true };
	size_t size;
	char *text;
	bool ok;

	if (out_json) {
		err("metrics prints the text that Prometheus reads: hcpolicy list -j and show -j "
		    "have JSON");
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < NMETRICS; i++) {
		page.samples[i] = open_memstream(&page.text[i], &page.size[i]);
		if (!page.samples[i])
			abort();
	}
	pins_mark_foreign();
	every_attachment(&(struct every) { .unnamed = true, .fn = add_attachment, .ctx = &page });
	sample(&page, UP, page.found_all, NULL);
	add_vms(&page, args);
	text = join(&page, &size);
	/* Also after an error, which is in it. */
	ok = args->nwords ? file_write(args->words[0], text, size) :
			    fwrite(text, 1, size, stdout) == size;
	free(text);
	return ok && page.read_all ? EXIT_OK : EXIT_FAIL;
}
