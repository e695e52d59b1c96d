// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that only userspace can convert (KVM_X86_SW_PROTECTED_VM): a policy
 * absorbs requests for what is so already, and can never skip a conversion.
 */
#include <errno.h>
#include <stdlib.h>

#include "pol.h"
#include "tap.h"
#include "vm.h"

#define GPA		VM_FREE_GPA
#define CHUNK		KVM_HCPOLICY_MAX_PAGES
#define ANSWERED	(KVM_HCPOLICY_PRIVATE_MEM | KVM_HCPOLICY_MATCH)

static struct vm *vm;
static struct vcpu *v;
static struct pol *p;

static void convert(struct vcpu *v)
{
	vm_convert(vm, v->exit.gpa, v->exit.npages, !(v->exit.attrs & HIDE));
}

/* A policy that says HANDLED to everything and was given the VMM's exits. */
static void set_up(bool exits)
{
	vm = vm_new_protected(1, exits);
	v = &vm->vcpus[0];
	v->on_exit = convert;
	p = pol_obey(vm->fd, KVM_HCPOLICY_TAKE_EXITS, KVM_HCPOLICY_HANDLED);
}

static uint32_t flags_seen(void)
{
	return p->state->flags & ANSWERED;
}

TEST(a_conversion_exits_whatever_the_policy_says)
{
	set_up(true);
	CHECK_EQ(vcpu_call(v, GPA, 4, HIDE), 0);
	CHECK_EQ(v->exits, 1);
	CHECK_EQ(flags_seen(), KVM_HCPOLICY_PRIVATE_MEM);
	CHECK_EQ(p->state->flags & KVM_HCPOLICY_MAY_HANDLE, 0);
	CHECK_STATS(v, .dflt = 1, .overruled = 1);
}

TEST(a_repeated_request_is_absorbed)
{
	set_up(true);
	CHECK_EQ(vcpu_call(v, GPA, 4, HIDE), 0);
	CHECK_EQ(vcpu_call(v, GPA, 4, HIDE), 0);
	CHECK_EQ(vcpu_call(v, GPA + PAGE, 2, HIDE), 0);
	CHECK_EQ(v->exits, 1);
	CHECK_EQ(flags_seen(), ANSWERED);
	CHECK_EQ(p->state->flags & KVM_HCPOLICY_MAY_HANDLE, KVM_HCPOLICY_MAY_HANDLE);
	CHECK_STATS(v, .dflt = 1, .overruled = 1, .handled = 2);
}

TEST(what_was_never_private_needs_no_conversion_to_be_shared)
{
	set_up(true);
	CHECK_EQ(vcpu_call(v, GPA, 4, SHARE), 0);
	CHECK_EQ(v->exits, 0);
	CHECK_STATS(v, .handled = 1);
}

TEST(a_range_that_is_so_in_part_exits)
{
	set_up(true);
	vm_convert(vm, GPA, 3, false);
	CHECK_EQ(vcpu_call(v, GPA, 4, HIDE), 0);
	CHECK_EQ(v->exits, 1);
	CHECK_EQ(vcpu_call(v, GPA, 4, HIDE), 0);
	CHECK_EQ(v->exits, 1);
	CHECK_EQ(vcpu_call(v, GPA + 3 * PAGE, 2, SHARE), 0);
	CHECK_EQ(v->exits, 2);
}

/* Without an exit nobody would convert: the guest must not see success. */
TEST(a_conversion_without_exits_is_ENOSYS)
{
	set_up(false);
	CHECK_EQ(vcpu_call(v, GPA, 1, HIDE), -KVM_ENOSYS);
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), 0);
	CHECK_STATS(v, .dflt = 1, .overruled = 1, .handled = 1);
}

/* The VMM's answer to the conversion is the guest's, too. */
TEST(a_conversion_that_the_VMM_refuses_is_refused)
{
	set_up(true);
	v->on_exit = NULL;
	v->exit_ret = -KVM_EINVAL;
	CHECK_EQ(vcpu_call(v, GPA, 1, HIDE), -KVM_EINVAL);
	CHECK_EQ(vcpu_call(v, GPA, 1, HIDE), -KVM_EINVAL);
	CHECK_EQ(v->exits, 2);
}

TEST(each_piece_of_a_large_request_is_matched_by_itself)
{
	set_up(true);
	vm_convert(vm, GPA, CHUNK, false);

	/* The first piece matches and the second does not: one exit of the whole. */
	CHECK_EQ(vcpu_call(v, GPA, CHUNK + 2, HIDE), 0);
	CHECK_EQ(p->state->calls, 2);
	CHECK_EQ(flags_seen(), KVM_HCPOLICY_PRIVATE_MEM);
	CHECK_EQ(v->exits, 1);
	CHECK_EQ(v->exit.gpa, GPA);
	CHECK_EQ(v->exit.npages, CHUNK + 2);
	CHECK_STATS(v, .dflt = 1, .overruled = 1);

	/* And the other way round. */
	vm_convert(vm, GPA, 1, true);
	CHECK_EQ(vcpu_call(v, GPA, CHUNK + 2, HIDE), 0);
	CHECK_EQ(flags_seen(), ANSWERED);
	CHECK_EQ(v->exits, 2);

	CHECK_EQ(vcpu_call(v, GPA, CHUNK + 2, HIDE), 0);
	CHECK_EQ(v->exits, 2);
	CHECK_STATS(v, .dflt = 2, .overruled = 2, .handled = 1);
}

/* What the guest writes to a page that it hides is nowhere in shared memory. */
TEST(an_absorbed_request_leaves_the_page_where_it_is)
{
	uint64_t *page;
	struct hcg_request reqs[] = {
		{ .op = HCG_WRITE, .a0 = GPA, .a1 = 1 },
		hc_request(GPA, 1, HIDE, 0),
		{ .op = HCG_WRITE, .a0 = GPA, .a1 = 2 },
		hc_request(GPA, 1, HIDE, 0),
		{ .op = HCG_READ, .flags = HCG_EXPECT, .a0 = GPA, .expect = 2 },
		hc_request(GPA, 1, SHARE, 0),
		{ .op = HCG_READ, .flags = HCG_EXPECT, .a0 = GPA, .expect = 1 },
	};

	set_up(true);
	page = (uint64_t *)(vm->mem + GPA);
	vcpu_batch(v, reqs, sizeof(reqs) / sizeof(*reqs));
	CHECK_EQ(v->mbox->failed, 0);
	CHECK_EQ(*page, 1);
	CHECK_EQ(v->exits, 2);
	CHECK_STATS(v, .dflt = 2, .overruled = 2, .handled = 1);
}

/*
 * Random requests over few pages.  A model knows what is private; when the
 * guest sees success, what it asked for is so, and it exits if and only if that
 * took a conversion.
 */
TEST(no_conversion_of_a_thousand_is_skipped)
{
	bool private[16] = {};
	unsigned int i, j, seed = 1;
	const char *env = getenv("HCP_SEED");

	if (env)
		seed = strtoul(env, NULL, 0);
	tap_note("seed %u", seed);
	srand(seed);

	set_up(true);
	for (i = 0; i < 1000; i++) {
		unsigned int first = rand() % 16, n = 1 + rand() % (16 - first);
		bool hide = rand() % 2, needed = false;
		uint64_t exits = v->exits;

		for (j = first; j < first + n; j++) {
			needed |= private[j] != hide;
			private[j] = hide;
		}
		CHECK_EQ(vcpu_call(v, GPA + first * PAGE, n, hide ? HIDE : SHARE), 0);
		CHECK_EQ(v->exits - exits, needed);
	}
	tap_note("%llu requests exited", (unsigned long long)v->exits);
	CHECK_CMP(v->exits, >, 0);
	CHECK_CMP(v->exits, <, 1000);
}

TAP_MAIN
