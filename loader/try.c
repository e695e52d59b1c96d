// SPDX-License-Identifier: GPL-2.0
/*
 * try: a policy in a throw-away VM, whose guest makes the requests of a script or a trace.  What is
 * printed is what KVM has counted and the VM has seen.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "loader.h"
#include "out.h"
#include "ranges.h"
#include "script.h"
#include "state.h"
#include "trial.h"

struct try {
	struct hcpolicy *policy;
	struct trial trial;
	struct script script;
	bool quiet, progress;
	const char *last;		/* verdict; NULL: no request was made yet */
	uint64_t requests, expected, failed;
	time_t told;			/* when the progress was */
};

/* Without a script: what most policies decide by.  The last request ends beyond the set. */
static FILE *default_script(const struct hcpolicy *policy)
{
	uint64_t end = hcp_set__npages(hcpolicy__set(policy)) << HCP_PAGE_SHIFT;
	FILE *file = tmpfile();

	if (!file)
		return NULL;
	fprintf(file, "share 0x1000000 16\n"
		      "share 0x1000000 16\n"
		      "private 0x1004000 4 vcpu=1\n"
		      "share 0x100000000 512\n"
		      "share 0x%" PRIx64 " 16\n", end - 8 * 4096);
	rewind(file);
	return file;
}

static bool open_script(struct try *t, const char *name)
{
	t->script.name = name ? name : "default";
	if (!name)
		t->script.file = default_script(t->policy);
	else if (!strcmp(name, "-"))
		t->script.file = stdin;
	else
		t->script.file = fopen(name, "re");
	if (!t->script.file)
		err("%s: %s", t->script.name, strerror(errno));
	return t->script.file;
}

static void json_request(const struct trial_vcpu *v, const struct trial_answer *answer)
{
	struct json_object *obj = json_object_new_object();

	put_u64(obj, "line", v->line);
	put_str(obj, "request", v->request->a2 ? "private" : "share");
	put_u64(obj, "gpa", v->request->a0);
	put_u64(obj, "npages", v->request->a1);
	put_u64(obj, "vcpu", v->id);
	put_str(obj, "verdict", answer->verdict);
	json_object_object_add(obj, "ret", v->held ? NULL : json_object_new_int64(answer->ret));
	put_u64(obj, "retries", answer->retries);
	put_bool(obj, "overruled", answer->overruled);
	put_bool(obj, "bad_verdict", answer->bad_verdict);
	put_bool(obj, "bad_request", answer->bad_request);
	out_value(obj);
}

static void text_request(const struct trial_vcpu *v, const struct trial_answer *answer)
{
	printf("%6lu  %-7s 0x%" PRIx64 " %" PRIu64 " vcpu=%u: %s", v->line,
	       v->request->a2 ? "private" : "share", v->request->a0, v->request->a1, v->id,
	       answer->verdict);
	if (v->held)
		printf(", %" PRIu64 " times; the guest asks on", answer->retries);
	else
		printf(", the guest sees %" PRId64, answer->ret);
	if (answer->retries && !v->held)
		printf(", after %" PRIu64 " retries", answer->retries);
	if (answer->overruled)
		printf("; KVM does not allow what the policy answered");
	if (answer->bad_verdict)
		printf("; the policy's answer is no verdict and no errno");
	if (answer->bad_request)
		printf("; KVM did not ask the policy");
	putchar('\n');
}

static void show_progress(struct try *t)
{
	time_t now = time(NULL);

	if (!t->progress || now == t->told)
		return;
	t->told = now;
	fprintf(stderr, "\r%s: line %lu", t->script.name, t->script.line);
}

/* Run a vCPU that has a request, and say what became of it. */
static bool go_on(struct try *t, struct trial_vcpu *v)
{
	struct trial_answer answer;

	if (!trial_go_on(v, &answer))
		return false;
	t->last = answer.verdict;
	if (!t->quiet) {
		if (out_json)
			json_request(v, &answer);
		else
			text_request(v, &answer);
	}
	show_progress(t);
	return true;
}

static bool request(struct try *t, const struct script_step *step)
{
	struct trial_vcpu *v = trial_vcpu(&t->trial, step->vcpu);

	if (!v || (v->held && !go_on(t, v)))
		return false;
	if (v->held) {
		script_err(&t->script, "vCPU %u still asks for what line %lu says, and gets RETRY: tune the policy "
			   "before, or ask on another vcpu=", v->id, v->line);
		return false;
	}
	t->requests++;
	trial_ask(v, step->shared, step->gpa, step->npages, t->script.line);
	return go_on(t, v);
}

/* What was held may go on now. */
static bool tune(struct try *t, const struct script_step *step)
{
	struct trial_vcpu *v;
	int ret = hcpolicy__set_param(t->policy, step->key, step->value);

	if (ret) {
		/* Why has been said. */
		script_err(&t->script, "tune %s=%s is refused", step->key, step->value);
		return false;
	}
	for (v = t->trial.vcpus; v < t->trial.vcpus + t->trial.nvcpus; v++)
		if (v->held && !go_on(t, v))
			return false;
	return true;
}

/* The first page of the range that is not as expected; false: there is none. */
static bool other_page(const struct try *t, const struct script_step *step, uint64_t *page)
{
	uint64_t gfn = step->gpa >> HCP_PAGE_SHIFT, end = gfn + step->npages;
	struct hcp_range r = { .gfn = gfn };

	/* The first shared pages from gfn on. */
	if (!hcp_set__next(hcpolicy__set(t->policy), &r))
		r.gfn = end;
	if (!step->shared)
		*page = r.gfn;
	else
		*page = r.gfn > gfn ? gfn : r.gfn + r.npages;
	return *page < end;
}

static bool counter(const struct try *t, const struct script_step *step)
{
	struct hcpolicy_param p;

	for (unsigned int n = 0; hcpolicy__param(t->policy, n, &p); n++) {
		if (p.kind != HCPOLICY_COUNTER || strcmp(p.name, step->key))
			continue;
		if (strtoull(p.value, NULL, 10) == step->number)
			return true;
		script_err(&t->script, "expected %s to be %" PRIu64 ", but it is %s", p.name, step->number, p.value);
		return false;
	}
	script_err(&t->script, "the policy has no counter '%s'; `hcpolicy policies` lists what it has", step->key);
	return false;
}

static bool holds(const struct try *t, const struct script_step *step)
{
	char state[256];
	uint64_t page;

	switch (step->what) {
	case SCRIPT_EXPECT_VERDICT:
		if (t->last && !strcmp(t->last, step->verdict))
			return true;
		script_err(&t->script, "expected %s, but %s%s", step->verdict,
			   t->last ? "the last request got " : "no request was made yet", t->last ?: "");
		return false;
	case SCRIPT_EXPECT_PAGES:
		if (!other_page(t, step, &page))
			return true;
		script_err(&t->script, "expected %s pages, but the page at 0x%" PRIx64 " is %s",
			   step->shared ? "shared" : "private", page << HCP_PAGE_SHIFT,
			   step->shared ? "private" : "shared");
		return false;
	case SCRIPT_EXPECT_COMPLETE:
		if (state_text(state, sizeof(state), t->policy) == step->complete)
			return true;
		script_err(&t->script, "expected the set to be %s, but it is %s",
			   step->complete ? "complete" : "incomplete", state);
		return false;
	default:
		return counter(t, step);
	}
}

static void expect(struct try *t, const struct script_step *step)
{
	bool ok = holds(t, step);
	struct json_object *obj;

	t->expected++;
	t->failed += !ok;
	if (!out_json || (ok && t->quiet))
		return;
	obj = json_object_new_object();
	put_u64(obj, "line", t->script.line);
	put_bool(obj, "expected", ok);
	if (!ok)
		json_object_object_add(obj, "error", err_take());
	out_value(obj);
}

static bool run_script(struct try *t)
{
	struct script_step step;
	bool ok = true;
	int ret = 0;

	while (ok && (ret = script_next(&t->script, &step)) > 0) {
		if (step.what == SCRIPT_REQUEST)
			ok = request(t, &step);
		else if (step.what == SCRIPT_TUNE)
			ok = tune(t, &step);
		else
			expect(t, &step);
	}
	if (t->told)
		fprintf(stderr, "\r%s: %lu lines\n", t->script.name, t->script.line);
	return ok && !ret;
}

static void json_result(const struct try *t, bool whole)
{
	struct json_object *obj = json_object_new_object(), *ranges = json_object_new_array();
	struct hcp_range r = {};

	while (hcp_set__next(hcpolicy__set(t->policy), &r))
		json_object_array_add(ranges, range_json(&r));
	put_str(obj, "policy", info_copy(t->policy).policy);
	put_u64(obj, "requests", t->requests);
	put_u64(obj, "expectations", t->expected);
	put_u64(obj, "failed", t->failed);
	put_bool(obj, "done", whole);
	put_state(obj, t->policy);
	put_params(obj, t->policy);
	json_object_object_add(obj, "ranges", ranges);
	out_value(obj);
}

static void text_result(const struct try *t, bool whole)
{
	struct hcp_range r = {};
	struct hcpolicy_param p;

	if (hcp_set__next(hcpolicy__set(t->policy), &r)) {
		puts("the set, as far as it is shared:");
		ranges_print_text(stdout, hcpolicy__set(t->policy));
	} else {
		puts("the set: nothing is shared");
	}
	for (unsigned int n = 0; hcpolicy__param(t->policy, n, &p); n++)
		if (p.kind == HCPOLICY_COUNTER)
			printf("%s=%s  %s\n", p.name, p.value, p.help);
	printf("the set is ");
	print_state(t->policy);
	printf("%" PRIu64 " requests; %" PRIu64 " expectations, %" PRIu64 " failed%s\n", t->requests, t->expected,
	       t->failed, whole ? "" : "; the script was not done to its end");
}

static bool attach(struct try *t, const char *name, const struct args *args)
{
	struct hcpolicy_attach_opts opts = { .sz = sizeof(opts), .take_exits = args->take_exits };
	const char *what = "--max-gpa";
	int ret = 0;

	if (args->max_gpa)
		ret = hcpolicy__set_max_gpa(t->policy, args->max_gpa);
	if (!ret) {
		what = "load";
		ret = hcpolicy__load(t->policy);
	}
	if (!ret) {
		if (!trial_begin(&t->trial, args->exits || args->take_exits))
			return false;
		what = "attach";
		ret = hcpolicy__attach(t->policy, t->trial.vm_fd, &opts);
	}
	if (ret)
		lib_failed(name, what);
	return !ret;
}

int cmd_try(const struct args *args)
{
	const char *name = args->words[0];
	struct try t = {
		.quiet = args->quiet,
		.progress = isatty(STDERR_FILENO) && (args->quiet || !isatty(STDOUT_FILENO)),
		.trial = { .kvm_fd = -1, .vm_fd = -1 },
	};
	bool ok = false;

	if (!trial_possible())
		return EXIT_FAIL;
	/* In the order of what happens, with the errors between; and with -j a document a line. */
	out_pretty = false;
	setvbuf(stdout, NULL, _IOLBF, 0);
	t.policy = open_policy(name, args);
	if (t.policy && attach(&t, name, args) && open_script(&t, args->nwords > 1 ? args->words[1] : NULL)) {
		ok = run_script(&t);
		if (out_json)
			json_result(&t, ok);
		else
			text_result(&t, ok);
		fclose(t.script.file);
	}
	hcpolicy__close(t.policy);
	trial_end(&t.trial);
	return ok && !t.failed ? EXIT_OK : EXIT_FAIL;
}
