// SPDX-License-Identifier: GPL-2.0
/*
 * attach, replace and detach.  The pins keep an attachment alive when the command ends.
 * Before they exist, closing the object undoes everything.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "loader.h"
#include "out.h"
#include "state.h"

int lib_failed(const char *name, const char *doing)
{
	if (!err_seen())
		err("'%s': %s: %s", name, doing, strerror(errno));
	return EXIT_FAIL;
}

/* Open a policy and set its parameters.  NULL: an error that was reported. */
struct hcpolicy *open_policy(const char *name, const struct args *args)
{
	struct hcpolicy *policy = hcpolicy__open(name, policy_opts());

	if (!policy) {
		lib_failed(name, "open");
		return NULL;
	}
	for (int i = 0; i < args->nparams; i++) {
		const char *value = strchr(args->params[i], '=');	/* main.c has checked it */
		char *key = strndup(args->params[i], value - args->params[i]);
		int ret = hcpolicy__set_param(policy, key, value + 1);

		free(key);
		if (ret) {
			lib_failed(name, args->params[i]);
			hcpolicy__close(policy);
			return NULL;
		}
	}
	return policy;
}

/* Is name free?  Removes what is left there of a policy that is no longer attached. */
static bool name_free(const char *name)
{
	int err = hcpolicy__clear(name, policy_opts());

	if (!err || err == -ENOENT)
		return true;
	lib_failed(name, "name");
	return false;
}

static void report(const char *did, const struct hcpolicy *policy)
{
	const struct hcp_info copy = info_copy(policy), *info = &copy;
	char comm[32], covers[32], costs[32];
	struct json_object *obj;

	if (out_json) {
		obj = json_object_new_object();
		put_identity(obj, policy);
		put_state(obj, policy);
		out_value(obj);
		return;
	}
	process_comm(comm, info);
	printf("%s: policy '%s' %s process %d (%s)\n",
	       info->name, info->policy, did, info->pid, comm);
	printf("covers %s of guest addresses, %s of kernel memory\n",
	       size_text(covers, set_covers(info)), size_text(costs, set_memory(info)));
	printf("the set is ");
	print_state(policy);
}

/* KVM proves that the policy missed no request here.  The user has to report the rest. */
static void report_grounds(const struct hcpolicy *policy)
{
	if (out_json || !hcp_set__complete(hcpolicy__set(policy)))
		return;
	puts("this rests on two things: the guest starts here (use --incoming for one that arrives by\n"
	     "migration or from a snapshot), and you report each reset of the VM (hcpolicy reset)");
}

/* Will a guest arrive?  Yes with --incoming, or if the VMM was started to receive one. */
static bool incoming(const struct args *args)
{
	char arg[64];

	if (args->incoming)
		return true;
	if (!proc_awaits_guest(args->pid, arg, sizeof(arg)))
		return false;
	if (*arg)
		warn("process %d was started with %s, so a guest that ran elsewhere will arrive: "
		     "attaching with --incoming", args->pid, arg);
	else
		warn("process %d: its command line cannot be read, so a guest that ran elsewhere may arrive: "
		     "attaching with --incoming", args->pid);
	return true;
}

bool name_fits(const char *name, pid_t pid)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", pid);
	if (!name || strspn(name, "0123456789") != strlen(name) || !strcmp(name, number))
		return true;
	err("--name %s: it would be taken for process %s: names of digits are those of their "
	    "processes", name, name);
	return false;
}

static bool attach_to(struct hcpolicy *policy, int vm_fd, const struct hcpolicy_attach_opts *opts, bool *taken)
{
	int err;

	if (taken)
		pins_hold_log();
	err = hcpolicy__attach(policy, vm_fd, opts);
	if (taken) {
		*taken = err == -EBUSY;
		pins_end_hold(!*taken);
	}
	errno = -err;
	return !err;
}

/* With what has to be closed in any case. */
static bool attach_opened(struct hcpolicy *policy, const struct args *args, int *pidfd, int *vm_fd)
{
	const char *name = args->words[0];
	char number[16];
	struct hcpolicy_attach_opts opts = {
		.sz = sizeof(opts), .name = args->name ?: number, .pid = args->pid,
		.pid_vm_fd = args->vm_fd, .take_exits = args->take_exits, .label = args->label,
	};

	snprintf(number, sizeof(number), "%d", args->pid);
	if (*pidfd < 0)
		*pidfd = proc_open(args->pid);
	if (*pidfd < 0)
		return false;
	/* Who waits for a VM has the policy loaded when it comes, as its guest may start at once. */
	if (!args->wait)
		*vm_fd = proc_take_vm(args->pid, *pidfd, &opts.pid_vm_fd, 0);
	if (!args->wait && *vm_fd < 0)
		return false;
	if (args->max_gpa && hcpolicy__set_max_gpa(policy, args->max_gpa)) {
		lib_failed(name, "--max-gpa");
		return false;
	}
	/* If the VM has a policy, that may have the name: KVM is asked first. */
	if (!args->taken && !name_free(opts.name))
		return false;
	if (hcpolicy__load(policy)) {
		lib_failed(name, "load");
		return false;
	}
	if (args->wait)
		*vm_fd = proc_take_vm(args->pid, *pidfd, &opts.pid_vm_fd, args->wait);
	if (*vm_fd < 0)
		return false;
	opts.incoming = incoming(args);
	if (!attach_to(policy, *vm_fd, &opts, args->taken)) {
		if (!args->taken || !*args->taken)
			lib_failed(name, "attach");
		return false;
	}
	if (hcpolicy__pin(policy)) {
		lib_failed(name, "pin");
		return false;
	}
	return true;
}

struct hcpolicy *attach_vm(const struct args *args)
{
	struct hcpolicy *policy = open_policy(args->words[0], args);
	int pidfd = args->pidfd, vm_fd = -1;
	bool ok;

	if (!policy)
		return NULL;
	ok = attach_opened(policy, args, &pidfd, &vm_fd);
	if (vm_fd >= 0)
		close(vm_fd);
	if (pidfd >= 0 && pidfd != args->pidfd)
		close(pidfd);
	if (ok)
		return policy;
	hcpolicy__close(policy);
	return NULL;
}

int cmd_attach(const struct args *args)
{
	struct hcpolicy *policy;

	if (!args->pid) {
		err("attach needs --pid, the process whose VM it is");
		return EXIT_USAGE;
	}
	if (!name_fits(args->name, args->pid))
		return EXIT_USAGE;
	policy = attach_vm(args);
	if (!policy)
		return EXIT_FAIL;
	if (hcp_set__state(hcpolicy__set(policy)) & HCP_LATE)
		warn("attached after the guest started: its earlier requests are unknown. "
		     "Attach before its first instruction: use qemu -S, virsh start --paused, "
		     "or attach from the VMM itself");
	report("is attached to", policy);
	report_grounds(policy);
	hcpolicy__close(policy);
	return EXIT_OK;
}

int cmd_replace(const struct args *args)
{
	const char *name = args->words[0], *next_name = args->words[1];
	struct hcpolicy *policy = pins_open_alive(name), *next;
	int status = EXIT_FAIL;
	bool old;

	if (!policy)
		return EXIT_FAIL;
	old = attached_by_old(policy);
	next = open_policy(next_name, args);
	if (!next)
		goto out;
	if (hcpolicy__replace(policy, next, args->take_exits)) {
		lib_failed(next_name, "replace");
		goto out;
	}
	report("has taken over", next);
	if (old)
		report_grounds(next);
	status = EXIT_OK;
out:
	hcpolicy__close(next);
	hcpolicy__close(policy);
	return status;
}

static int report_detached(const char *name, int id, bool gone)
{
	struct json_object *obj;

	if (out_json) {
		obj = json_object_new_object();
		if (name)
			put_str(obj, "name", name);
		else
			put_u64(obj, "link_id", id);
		put_bool(obj, "detached", !gone);
		put_bool(obj, "gone", gone);
		out_value(obj);
	} else if (!gone) {
		if (name)
			printf("%s: detached\n", name);
		else
			printf("link id %d: detached\n", id);
	}
	return EXIT_OK;
}

static int detach_id(int id)
{
	struct hcpolicy *policy = hcpolicy__open_id(id, policy_opts());
	int status = EXIT_OK;

	if (!policy || hcpolicy__detach(policy)) {
		status = EXIT_FAIL;
		if (!err_seen())
			err("link id %d: detach: %s", id, strerror(errno));
	}
	hcpolicy__close(policy);
	return status ? status : report_detached(NULL, id, false);
}

int cmd_detach(const struct args *args)
{
	const char *name = args->words[0];
	struct hcpolicy_opts quiet = *policy_opts();
	int status = EXIT_OK;
	struct hcpolicy *policy;

	if (args->id)
		return detach_id(args->id);
	quiet.log = NULL;
	if (!hcpolicy__clear(name, &quiet))
		return report_detached(name, 0, true);
	policy = hcpolicy__open_pinned(name, policy_opts());
	if (!policy || hcpolicy__detach(policy))
		status = lib_failed(name, "detach");
	hcpolicy__close(policy);
	return status ? status : report_detached(name, 0, false);
}
