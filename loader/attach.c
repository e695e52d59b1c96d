// SPDX-License-Identifier: GPL-2.0
/*
 * attach, replace and detach.  An attachment outlives the command by its pins;
 * until they stand, closing the object undoes everything.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "loader.h"
#include "out.h"
#include "state.h"

/* A call of the library failed; what it logged is better than its errno. */
static int lib_failed(const char *policy, const char *doing)
{
	if (!err_seen())
		err("policy '%s': %s: %s", policy, doing, strerror(errno));
	return EXIT_FAIL;
}

static int set_params(struct hcpolicy *policy, const char *name, const struct args *args)
{
	for (int i = 0; i < args->nparams; i++) {
		char key[64];
		const char *value = strchr(args->params[i], '=');

		if (!value || value == args->params[i] ||
		    (size_t)(value - args->params[i]) >= sizeof(key)) {
			err("--param %s: KEY=VALUE is meant", args->params[i]);
			return EXIT_USAGE;
		}
		snprintf(key, sizeof(key), "%.*s", (int)(value - args->params[i]),
			 args->params[i]);
		if (hcpolicy__set_param(policy, key, value + 1))
			return lib_failed(name, args->params[i]);
	}
	return EXIT_OK;
}

/* Is name free?  What a dead VM or a lost link left there is removed. */
static bool name_free(const char *name)
{
	struct hcpolicy *old;
	char path[128];
	bool gone, attached;

	snprintf(path, sizeof(path), "%s/%s", PIN_DIR, name);
	if (access(path, F_OK))
		return true;
	old = pins_open(name, &gone);
	if (!old)
		return gone;
	attached = hcpolicy__attached(old);
	if (attached)
		err("there is a policy of the name '%s' already: hcpolicy replace %s, or --name",
		    name, name);
	else
		hcpolicy__unpin(old);
	hcpolicy__close(old);
	return !attached;
}

static void report(const char *did, const struct hcpolicy *policy)
{
	const struct hcp_info *info = hcpolicy__info(policy);
	char comm[32], covers[32], costs[32];
	struct json_object *obj;

	proc_comm(info->pid, comm);
	if (out_json) {
		obj = json_object_new_object();
		put_identity(obj, policy);
		put_state(obj, policy);
		out_value(obj);
		return;
	}
	printf("%s: %s policy '%s' of process %d (%s)\n",
	       info->name, did, info->policy, info->pid, comm);
	printf("covers %s of guest addresses, %s of kernel memory\n",
	       size_text(covers, set_covers(info)), size_text(costs, set_memory(info)));
	printf("the set is ");
	print_state(policy);
}

int cmd_attach(const struct args *args)
{
	struct hcpolicy_attach_opts opts = { .sz = sizeof(opts) };
	const char *name = args->words[0];
	struct hcpolicy *policy;
	int status = EXIT_FAIL;
	char number[16];
	int vm_fd = -1;

	if (!args->pid) {
		err("attach needs --pid, the process whose VM it is");
		return EXIT_USAGE;
	}
	snprintf(number, sizeof(number), "%d", args->pid);
	opts.name = args->name ? args->name : number;
	opts.pid = args->pid;
	opts.pid_vm_fd = args->vm_fd;
	opts.take_exits = args->take_exits;
	if (!valid_name(opts.name)) {
		err("'%s' cannot be a name: [A-Za-z0-9_-]+, at most %d",
		    opts.name, HCP_NAME_LEN - 1);
		return EXIT_USAGE;
	}

	policy = hcpolicy__open(name, policy_opts());
	if (!policy)
		return lib_failed(name, "open");
	if (args->max_gpa && hcpolicy__set_max_gpa(policy, args->max_gpa)) {
		lib_failed(name, "--max-gpa");
		goto out;
	}
	status = set_params(policy, name, args);
	if (status)
		goto out;
	status = EXIT_FAIL;
	vm_fd = proc_take_vm(args->pid, &opts.pid_vm_fd);
	if (vm_fd < 0 || !name_free(opts.name))
		goto out;
	if (hcpolicy__load(policy)) {
		lib_failed(name, "load");
		goto out;
	}
	if (hcpolicy__attach(policy, vm_fd, &opts)) {
		lib_failed(name, "attach");
		goto out;
	}
	if (hcpolicy__pin(policy)) {
		lib_failed(name, "pin");
		goto out;
	}
	if (hcp_set__state(hcpolicy__set(policy)) & HCP_LATE)
		warn("attached after the guest began to run: what it shared before is unknown. "
		     "Attach before its first instruction: qemu -S, virsh start --paused, "
		     "or from the VMM itself");
	report("attached", policy);
	status = EXIT_OK;
out:
	if (vm_fd >= 0)
		close(vm_fd);
	hcpolicy__close(policy);
	return status;
}

int cmd_replace(const struct args *args)
{
	const char *name = args->words[0], *next_name = args->words[1];
	struct hcpolicy *policy, *next;
	int status;
	bool gone;

	policy = pins_open(name, &gone);
	if (!policy) {
		if (gone)
			err("policy '%s' had ended with its VM: nothing to replace", name);
		return EXIT_FAIL;
	}
	next = hcpolicy__open(next_name, policy_opts());
	if (!next) {
		status = lib_failed(next_name, "open");
		goto out;
	}
	status = set_params(next, next_name, args);
	if (status)
		goto out_next;
	if (hcpolicy__replace(policy, next, args->take_exits)) {
		status = lib_failed(next_name, "replace");
		goto out_next;
	}
	report("replaced the policy by", next);
out_next:
	hcpolicy__close(next);
out:
	hcpolicy__close(policy);
	return status;
}

int cmd_detach(const struct args *args)
{
	const char *name = args->words[0];
	int status = EXIT_OK;
	struct hcpolicy *policy;
	bool gone;

	policy = pins_open(name, &gone);
	if (!policy && !gone)
		return EXIT_FAIL;
	if (policy && hcpolicy__detach(policy))
		status = lib_failed(name, "detach");
	hcpolicy__close(policy);
	if (status)
		return status;
	if (out_json) {
		struct json_object *obj = json_object_new_object();

		put_str(obj, "name", name);
		put_bool(obj, "detached", !gone);
		put_bool(obj, "gone", gone);
		out_value(obj);
	} else if (!gone) {
		printf("%s: detached\n", name);
	}
	return EXIT_OK;
}
