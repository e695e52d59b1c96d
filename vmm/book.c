// SPDX-License-Identifier: GPL-2.0
/*
 * The shared-page set, by the same reader from either source: a policy in the
 * kernel, or this VMM's own KVM_EXIT_HYPERCALL exits.  With a policy the exit is
 * not enabled.  Rule: opened before the first KVM_RUN, or the set has a gap.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/kvm_para.h>
#include <hcpolicy/policy.h>

#include "../guest/mailbox.h"
#include "vm.h"
#include "wrong.h"

struct book {
	struct hcpolicy *policy;	/* NULL: the exits are the source */
	struct hcp_set *set;		/* the policy's, or our own */
};

static void on_log(void *ctx, const char *line)
{
	note("%s", line);
}

/* The library has said in words what went wrong. */
static int attach(struct vm *vm, struct book *book)
{
	struct hcpolicy_opts opts = { .sz = sizeof(opts), .log = on_log };
	struct hcpolicy_attach_opts attach = {
		.sz = sizeof(attach), .name = vm->cfg->name, .label = vm->cfg->label,
		/* What the guest that arrives shares already comes with it. */
		.incoming = vm->cfg->incoming,
	};

	book->policy = hcpolicy__open(vm->cfg->policy, &opts);
	if (!book->policy || hcpolicy__set_max_gpa(book->policy, vm_max_gpa(vm)) ||
	    hcpolicy__load(book->policy) || hcpolicy__attach(book->policy, vm->fd, &attach))
		return fail_errno("--policy %s", vm->cfg->policy);
	if (vm->cfg->name && hcpolicy__pin(book->policy))
		return fail_errno("--name %s", vm->cfg->name);
	book->set = hcpolicy__set(book->policy);
	return 0;
}

static int enable_exits(struct vm *vm, struct book *book)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_EXIT_HYPERCALL,
		.args[0] = 1 << KVM_HC_MAP_GPA_RANGE,
	};

	book->set = hcp_set__new(vm_max_gpa(vm) >> HCP_PAGE_SHIFT);
	if (!book->set)
		return fail_errno("no memory for the shared-page set");
	if (vm->cfg->label && hcp_set__set_label(book->set, vm->cfg->label))
		return fail_errno("--label %s", vm->cfg->label);
	if (vm->cfg->incoming)
		hcp_set__await_restore(book->set);
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &cap))
		return fail_errno("KVM_CAP_EXIT_HYPERCALL (Linux 5.14)");
	return 0;
}

int book_open(struct vm *vm)
{
	if (!vm->cfg->policy && !vm->cbit && !vm->cfg->guest)
		return 0;
	vm->book = calloc(1, sizeof(*vm->book));
	if (!vm->book)
		return fail("out of memory");
	return vm->cfg->policy ? attach(vm, vm->book) : enable_exits(vm, vm->book);
}

void book_close(struct vm *vm)
{
	if (!vm->book)
		return;
	if (vm->book->policy) {
		/* Its pins would outlive the VM otherwise, whoever has detached it. */
		if (hcpolicy__link_fd(vm->book->policy) >= 0)
			hcpolicy__detach(vm->book->policy);
		hcpolicy__close(vm->book->policy);
	} else {
		hcp_set__free(vm->book->set);
	}
	free(vm->book);
	vm->book = NULL;
}

int64_t book_exit(struct vm *vm, uint64_t gpa, uint64_t npages, uint64_t attrs)
{
	/* The guest would not get far without the rest. */
	if (wrong_is(WRONG_UNBOOKED) && gpa >= HCG_FREE_GPA)
		return 0;
	wrong_late_exit(vm);
	return hcp_set__exit(vm->book->set, gpa, npages, attrs);
}

struct hcp_set *book_set(const struct vm *vm)
{
	return vm->book ? vm->book->set : NULL;
}

bool book_kept(void *vm)
{
	struct book *book = ((struct vm *)vm)->book;

	return !book || !book->policy || hcpolicy__attached(book->policy);
}

static void report_complete(const struct vm *vm, const struct hcp_set *set)
{
	uint32_t more = book_kept((void *)vm) ? 0 : HCP_DETACHED;
	struct hcp_reason reason;
	unsigned int n = 0;

	for (; hcp_set__why(set, more, n, &reason); n++)
		note("complete no, %s", reason.why);
	if (!n)
		note("complete yes");
}

void book_report(const struct vm *vm)
{
	struct hcp_range range = {};
	unsigned long ranges = 0;
	const struct hcp_set *set = book_set(vm);

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
