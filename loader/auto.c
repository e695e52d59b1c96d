// SPDX-License-Identifier: GPL-2.0
/*
 * auto: attaches to a VM that has just appeared what auto.conf says.  hcpolicy-auto@.service runs it for
 * each VM that KVM announces, and libvirt's hook for each domain.
 *
 * The rule: for each VM one line says what it got, or why it got nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include "auto-check.h"
#include "auto-conf.h"
#include "domain.h"
#include "every.h"
#include "loader.h"
#include "out.h"
#include "state.h"

/*
 * KVM announces a VM before its process has a descriptor of it, but only by some instructions.  A
 * machine that is so busy that this takes longer has other problems.
 */
#define WAIT_SECONDS	30

static void nothing(void *ctx, struct attachment *attachment)
{
}

/* The sets of VMs that have ended take memory that the new one may need. */
static void remove_ended(void)
{
	every_attachment(&(struct every) { .fn = nothing });
}

/* Is this the link that has the name which its set claims? */
static bool is_pinned(const char *name, unsigned int link)
{
	struct hcpolicy_opts quiet = *policy_opts();
	struct hcpolicy *policy;
	bool same;

	quiet.log = quiet.warn = NULL;
	policy = hcpolicy__open_pinned(name, &quiet);
	same = policy && hcpolicy__id(policy, "link") == link;
	hcpolicy__close(policy);
	return same;
}

/*
 * Only KVM knows that a VM has a policy, and which link that is: hcp_info says what whoever has the
 * attachment has written there.
 */
static void say_taken(pid_t pid)
{
	unsigned int link = counters_link(pid);
	struct hcpolicy_opts quiet = *policy_opts();
	struct hcpolicy *policy;
	char comm[32], state[256];
	struct hcp_info info;
	bool pinned;

	quiet.log = quiet.warn = NULL;
	proc_comm(pid, comm);
	pins_mark_foreign();
	policy = link ? hcpolicy__open_id(link, &quiet) : NULL;
	if (hcpolicy__set(policy)) {
		info = info_copy(policy);
		pinned = is_pinned(info.name, link);
		state_text(state, sizeof(state), policy);
		printf("process %d (%s) has policy '%s' already, %s%s: the set is %s\n", pid, comm,
		       info.policy, pinned ? "as " : "without a name", pinned ? info.name : "", state);
	} else {
		printf("process %d (%s) has a policy already: which one, and whether its set is complete, "
		       "is not known: see hcpolicy list --all\n", pid, comm);
	}
	hcpolicy__close(policy);
}

static void report(const struct hcpolicy *policy, const char *conf, const struct auto_rule *rule)
{
	const struct hcp_info info = info_copy(policy);
	char comm[32], covers[32], state[256];

	process_comm(comm, &info);
	state_text(state, sizeof(state), policy);
	printf("%s: policy '%s' is attached to process %d (%s) by %s:%u, covers %s of guest addresses: the set is %s\n",
	       info.name, info.policy, info.pid, comm, conf, rule->line, size_text(covers, set_covers(&info)), state);
}

/*
 * libvirt's name for it; NULL: the VM is called by its process.  A client of the broker may have taken
 * that name: the VM must not lack its policy for it.
 */
static const char *name_of_domain(char name[HCP_NAME_LEN], pid_t pid)
{
	struct hcpolicy_opts quiet = *policy_opts();
	int err;

	if (!domain_of(name, pid))
		return NULL;
	quiet.log = quiet.warn = NULL;
	err = hcpolicy__clear(name, &quiet);
	if (!err || err == -ENOENT)
		return name;
	/* It may be this VM's own. */
	if (err == -EEXIST && !counters_link(pid))
		printf("process %d is called by its number: another VM has the name of its domain, '%s'\n", pid, name);
	return NULL;
}

static int follow(const struct args *args, const char *conf, const struct auto_rule *rule)
{
	bool taken = false;
	char domain[HCP_NAME_LEN], comm[32];
	struct args attach_args = {
		.words = { rule->policy }, .nwords = 1, .params = rule->params,
		.nparams = rule->nparams, .pid = args->pid, .pidfd = args->pidfd,
		.vm_fd = -1, .wait = WAIT_SECONDS, .max_gpa = rule->max_gpa,
		.incoming = rule->incoming, .taken = &taken,
	};
	struct hcpolicy *policy;

	remove_ended();
	attach_args.name = args->name ?: name_of_domain(domain, args->pid);
	policy = attach_vm(&attach_args);
	/* From its VMM; or of the unit and libvirt's hook this is the second. */
	if (!policy && taken) {
		say_taken(args->pid);
		return EXIT_OK;
	}
	if (!policy) {
		proc_comm(args->pid, comm);
		err("process %d (%s) gets no policy, but should have '%s' by %s:%u", args->pid, comm, rule->policy,
		    conf, rule->line);
		return EXIT_FAIL;
	}
	report(policy, conf, rule);
	hcpolicy__close(policy);
	return EXIT_OK;
}

static int decide(const struct args *args, const struct auto_conf *conf)
{
	const struct auto_rule *rule;
	struct maker maker;
	int status = EXIT_OK;
	char comm[32];

	proc_comm(args->pid, comm);
	/* udev starts nothing then, so somebody has asked. */
	if (conf->missing) {
		printf("process %d (%s) gets no policy, as there is no %s\n", args->pid, comm, conf->file);
		return EXIT_OK;
	}
	if (!maker_read(&maker, args->pid, args->pidfd))
		return EXIT_FAIL;
	rule = auto_conf_find(conf, &maker);
	if (!rule)
		printf("process %d (%s) gets no policy: no rule of %s is for user %u, control group %s, "
		       "command %s\n", args->pid, comm, conf->file, maker.uid, printable(maker.cgroup),
		       printable(maker.command));
	else if (!rule->policy)
		printf("process %d (%s) gets no policy, by %s:%u\n", args->pid, comm, conf->file, rule->line);
	else
		status = follow(args, conf->file, rule);
	maker_free(&maker);
	return status;
}

/* KVM names the thread that has made the VM. */
static int find_process(const struct args *args, const struct auto_conf *conf)
{
	struct args found = *args;
	int status;

	found.pid = proc_of_thread(args->pid);
	if (!found.pid) {
		err("no process %d: it has ended", args->pid);
		return EXIT_FAIL;
	}
	if (!name_fits(args->name, found.pid))
		return EXIT_USAGE;
	found.pidfd = proc_open(found.pid);
	if (found.pidfd < 0)
		return EXIT_FAIL;
	status = decide(&found, conf);
	close(found.pidfd);
	return status;
}

int cmd_auto(const struct args *args)
{
	struct auto_conf conf;
	int status = EXIT_OK;
	char comm[32];

	if (out_json) {
		err("auto prints lines for the journal: hcpolicy list -j has JSON");
		return EXIT_USAGE;
	}
	if (args->check && (args->pid || args->name)) {
		err("--check looks at the rules alone: leave out --pid and --name");
		return EXIT_USAGE;
	}
	if (args->check)
		return auto_check(args->conf);
	if (!args->pid) {
		err("auto needs --pid, the process whose VM it is, or --check");
		return EXIT_USAGE;
	}
	if (!auto_conf_read(&conf, args->conf, NULL)) {
		proc_comm(args->pid, comm);
		err("process %d (%s) gets no policy, as the rules are wrong", args->pid, comm);
		return EXIT_FAIL;
	}
	if (conf.n || conf.missing)
		status = find_process(args, &conf);
	auto_conf_free(&conf);
	return status;
}
