// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps the shared-page set, from one of two sources: a policy in the kernel, or this VMM's
 * own KVM_EXIT_HYPERCALL exits.  With a policy these exits are enabled only by --take-exits, and
 * record nothing.  Whoever reads the set need not know which source it has.  The keeper is opened
 * before the first KVM_RUN; otherwise requests would be missed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/kvm_para.h>
#include <hcpolicy/policy.h>

#include "keeper.h"

struct keeper {
	struct hcpolicy *policy;	/* NULL: the exits are the source */
	struct hcp_set *set;		/* the policy's, or our own */
};

static void on_log(void *ctx, const char *line)
{
	note("%s", line);
}

static int enable_exits(struct vm *vm)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_EXIT_HYPERCALL,
		.args[0] = 1 << KVM_HC_MAP_GPA_RANGE,
	};

	if (ioctl(vm->fd, KVM_ENABLE_CAP, &cap))
		return fail_errno("without --policy or with --take-exits hcvm needs KVM_CAP_EXIT_HYPERCALL (Linux 5.14)");
	return 0;
}

static int set_params(const struct vm_config *cfg, struct hcpolicy *policy)
{
	unsigned int i;

	for (i = 0; i < cfg->nparams; i++) {
		const char *value = strchr(cfg->params[i], '=');
		char *key = strndup(cfg->params[i], value - cfg->params[i]);
		int err = hcpolicy__set_param(policy, key, value + 1);

		free(key);
		if (err)
			return fail_errno("--param %s", cfg->params[i]);
	}
	return 0;
}

/* The library has already reported in words what went wrong. */
static int attach(struct vm *vm, struct keeper *keeper, const struct hcpolicy_opts *opts)
{
	struct hcpolicy_attach_opts attach = {
		.sz = sizeof(attach), .name = vm->cfg->name, .label = vm->cfg->label,
		/* A guest that arrives brings its set. */
		.incoming = vm->cfg->incoming,
		.take_exits = vm->cfg->take_exits,
	};

	keeper->policy = hcpolicy__open(vm->cfg->policy, opts);
	if (!keeper->policy)
		return fail_errno("--policy %s", vm->cfg->policy);
	if (set_params(vm->cfg, keeper->policy))
		return -1;
	if (hcpolicy__set_max_gpa(keeper->policy, vm_max_gpa(vm)) ||
	    hcpolicy__load(keeper->policy) || hcpolicy__attach(keeper->policy, vm->fd, &attach))
		return fail_errno("--policy %s", vm->cfg->policy);
	if (vm->cfg->name && hcpolicy__pin(keeper->policy))
		return fail_errno("--name %s", vm->cfg->name);
	return 0;
}

/* The same by the broker, which needs no privileges here. */
static int request(struct vm *vm, struct keeper *keeper, const struct hcpolicy_opts *opts)
{
	struct hcpolicy_request_opts request = {
		.sz = sizeof(request), .socket = vm->cfg->broker, .max_gpa = vm_max_gpa(vm),
		.name = vm->cfg->name, .label = vm->cfg->label, .params = vm->cfg->params,
		.incoming = vm->cfg->incoming, .take_exits = vm->cfg->take_exits,
	};

	keeper->policy = hcpolicy__request(vm->cfg->policy, vm->fd, &request, opts);
	/* Not with errno: "Operation not permitted" would be taken for the socket's. */
	return keeper->policy ? 0 : fail("--broker %s: the VM gets no policy '%s'", vm->cfg->broker, vm->cfg->policy);
}

static int keep_by_policy(struct vm *vm, struct keeper *keeper)
{
	struct hcpolicy_opts opts = { .sz = sizeof(opts), .log = on_log };

	if (vm->cfg->take_exits && enable_exits(vm))
		return -1;
	if (vm->cfg->broker ? request(vm, keeper, &opts) : attach(vm, keeper, &opts))
		return -1;
	keeper->set = hcpolicy__set(keeper->policy);
	return 0;
}

static int keep_by_exits(struct vm *vm, struct keeper *keeper)
{
	keeper->set = hcp_set__new(vm_max_gpa(vm) >> HCP_PAGE_SHIFT);
	if (!keeper->set)
		return fail_errno("no memory for the shared-page set");
	if (vm->cfg->label && hcp_set__set_label(keeper->set, vm->cfg->label))
		return fail_errno("--label %s", vm->cfg->label);
	if (vm->cfg->incoming)
		hcp_set__await_restore(keeper->set);
	return enable_exits(vm);
}

int keeper_open(struct vm *vm)
{
	if (!vm->cfg->policy && !vm->cbit && !vm->cfg->guest)
		return 0;
	vm->keeper = calloc(1, sizeof(*vm->keeper));
	if (!vm->keeper)
		return fail("out of memory");
	return vm->cfg->policy ? keep_by_policy(vm, vm->keeper) : keep_by_exits(vm, vm->keeper);
}

void keeper_close(struct vm *vm)
{
	if (!vm->keeper)
		return;
	if (vm->keeper->policy) {
		/* Also removes its pins, which would outlive the VM.  The broker removes its own. */
		if (!vm->cfg->broker && hcpolicy__link_fd(vm->keeper->policy) >= 0)
			hcpolicy__detach(vm->keeper->policy);
		hcpolicy__close(vm->keeper->policy);
	} else {
		hcp_set__free(vm->keeper->set);
	}
	free(vm->keeper);
	vm->keeper = NULL;
}

int64_t keeper_exit(struct vm *vm, uint64_t gpa, uint64_t npages, uint64_t attrs)
{
	/* An attached policy has already recorded the requests that it leaves to the VMM. */
	if (vm->keeper->policy)
		return hcpolicy__attached(vm->keeper->policy) ? 0 : -KVM_ENOSYS;
	return hcp_set__exit(vm->keeper->set, gpa, npages, attrs);
}

struct hcp_set *keeper_set(const struct vm *vm)
{
	return vm->keeper ? vm->keeper->set : NULL;
}

bool keeper_keeps(void *vm)
{
	struct keeper *keeper = ((struct vm *)vm)->keeper;

	return !keeper || !keeper->policy || hcpolicy__attached(keeper->policy);
}

static void report_complete(const struct vm *vm, const struct hcp_set *set)
{
	uint32_t more = keeper_keeps((void *)vm) ? 0 : HCP_DETACHED;
	struct hcp_reason reason;
	unsigned int n = 0;

	for (; hcp_set__why(set, more, n, &reason); n++)
		note("complete no, %s", reason.why);
	if (!n)
		note("complete yes");
}

void keeper_report(const struct vm *vm)
{
	struct hcp_range range = {};
	unsigned long ranges = 0;
	const struct hcp_set *set = keeper_set(vm);

	if (!set)
		return;
	while (hcp_set__next(set, &range))
		ranges++;

	note("source %s", vm->cfg->policy ? "policy" : "exits");
	note("shared-pages %llu", (unsigned long long)hcp_set__count(set));
	note("shared-ranges %lu", ranges);
	note("missed-pages %llu", (unsigned long long)hcp_set__missed(set));
	note("beyond-pages %llu", (unsigned long long)hcp_set__beyond(set));
	report_complete(vm, set);
}
