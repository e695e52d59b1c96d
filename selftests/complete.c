// SPDX-License-Identifier: GPL-2.0
/*
 * Whether the set can be trusted: complete only if the policy saw every request
 * of the guest and booked all of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "hcp.h"
#include "pol.h"
#include "tap.h"
#include "vm.h"

#define GPA	0x100000ULL
#define MAX_GPA	(1ULL << 30)

static struct vm *vm;
static struct vcpu *v;
static struct hcpolicy *policy;
static struct hcp_set *set;

static void new_vm(bool exits)
{
	vm = vm_new(1, exits);
	v = &vm->vcpus[0];
}

static void attach_bitmap(bool take_exits)
{
	policy = hcp_attach(vm, "bpf/bitmap.bpf.o", MAX_GPA, take_exits, NULL);
	set = hcpolicy__set(policy);
}

/* Any policy, and with options. */
static void attach(const char *file, const struct hcpolicy_attach_opts *opts)
{
	policy = hcp_open(file);
	CHECK_EQ(hcpolicy__set_max_gpa(policy, MAX_GPA), 0);
	CHECK_EQ(hcpolicy__load(policy), 0);
	CHECK_EQ(hcpolicy__attach(policy, vm->fd, opts), 0);
	set = hcpolicy__set(policy);
}

TEST(attached_before_the_first_run_the_set_is_complete)
{
	new_vm(false);
	attach_bitmap(false);
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), 0);
	CHECK_EQ(hcp_set__state(set), 0);
	CHECK_EQ(hcp_set__missed(set), 0);
	CHECK(hcp_set__complete(set));
	CHECK_EQ(hcp_set__count(set), 1);
}

TEST(attached_after_a_vCPU_ran_the_set_is_late)
{
	vm = vm_new(2, false);
	CHECK_EQ(vcpu_call(&vm->vcpus[1], GPA, 1, SHARE), -KVM_ENOSYS);
	attach_bitmap(false);
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), 0);
	CHECK_EQ(hcp_set__state(set), HCP_LATE);
	CHECK(!hcp_set__complete(set));
	CHECK_EQ(hcp_set__count(set), 1);
}

TEST(a_reset_makes_a_late_set_complete)
{
	new_vm(false);
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), -KVM_ENOSYS);
	attach_bitmap(false);
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), 0);
	hcp_set__lost(set, 0, 1);
	CHECK_EQ(hcp_set__missed(set), 1);
	hcp_set__reset(set);
	CHECK(hcp_set__complete(set));
	CHECK_EQ(hcp_set__count(set), 0);
	CHECK_EQ(vcpu_call(v, GPA, 2, SHARE), 0);
	CHECK_EQ(hcp_set__count(set), 2);
	CHECK(hcp_set__complete(set));
}

TEST(attached_where_a_guest_will_arrive_the_set_awaits_a_restore)
{
	struct hcpolicy_attach_opts opts = { .sz = sizeof(opts), .incoming = true };

	new_vm(false);
	attach("bpf/bitmap.bpf.o", &opts);
	CHECK_EQ(hcp_set__state(set), HCP_AWAITS_RESTORE);
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), 0);
	CHECK(!hcp_set__complete(set));
	CHECK_EQ(hcp_set__count(set), 1);
}

TEST(a_request_that_a_policy_gives_up_is_missed_and_one_beyond_the_set_is_not)
{
	new_vm(false);
	attach("selftests/loses.bpf.o", NULL);
	CHECK_EQ(vcpu_call(v, MAX_GPA, 3, SHARE), 0);
	CHECK_EQ(hcp_set__beyond(set), 3);
	CHECK(hcp_set__complete(set));
	CHECK_EQ(vcpu_call(v, MAX_GPA - PAGE, 3, SHARE), 0);
	CHECK_EQ(hcp_set__beyond(set), 5);
	CHECK_EQ(hcp_set__missed(set), 1);
	CHECK(!hcp_set__complete(set));
	CHECK_EQ(hcp_set__count(set), 0);
}

TEST(a_detached_policy_leaves_an_incomplete_set)
{
	new_vm(false);
	attach_bitmap(false);
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), 0);
	CHECK(hcpolicy__attached(policy));
	CHECK_EQ(hcpolicy__detach(policy), 0);
	CHECK(!hcpolicy__attached(policy));
	CHECK_EQ(hcp_set__state(set), HCP_DETACHED);
	CHECK(!hcp_set__complete(set));
	CHECK_EQ(vcpu_call(v, GPA, 1, HIDE), -KVM_ENOSYS);
	CHECK_EQ(hcp_set__count(set), 1);
}

/* Does list say so of the set? */
static bool listed(const char *words)
{
	char command[512];

	snprintf(command, sizeof(command), "%s list | grep '^hcst-foreign .*%s$'",
		 build_path("bin/hcpolicy"), words);
	return !system(command);
}

TEST(a_set_that_the_program_of_another_link_keeps_too_is_not_complete)
{
	struct hcpolicy_attach_opts opts = { .sz = sizeof(opts), .name = "hcst-foreign" };
	struct vm *other = vm_new(1, false);
	struct pol *p, *next;

	new_vm(false);
	attach("bpf/bitmap.bpf.o", &opts);
	CHECK_EQ(hcpolicy__pin(policy), 0);
	p = pol_obey(other->fd, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(hcpolicy__mark_foreign(NULL), 0);
	CHECK(hcp_set__complete(set) && listed(" complete"));

	next = pol_over(hcpolicy__map_fd(policy, HCP_MAP_SHARED), hcpolicy__map_fd(policy, HCP_MAP_INFO));
	pol_replace(p, next);
	CHECK_EQ(vcpu_call(&other->vcpus[0], GPA, 1, SHARE), 0);
	CHECK_EQ(hcp_set__count(set), 1);
	CHECK(listed("another VM.s policy kept it too"));
	CHECK_EQ(hcp_set__state(set), HCP_FOREIGN);

	/* A reset does not help as long as it goes on. */
	hcp_set__reset(set);
	CHECK(hcp_set__complete(set));
	CHECK_EQ(hcpolicy__mark_foreign(NULL), 0);
	CHECK_EQ(hcp_set__state(set), HCP_FOREIGN);
	pol_detach(next);
	hcp_set__reset(set);
	CHECK_EQ(hcpolicy__mark_foreign(NULL), 0);
	CHECK(hcp_set__complete(set) && listed(" complete"));
	CHECK_EQ(hcpolicy__detach(policy), 0);
}

TEST(a_policy_that_is_not_attached_has_an_incomplete_set)
{
	policy = hcp_open("bpf/bitmap.bpf.o");
	CHECK_EQ(hcpolicy__set_max_gpa(policy, MAX_GPA), 0);
	CHECK_EQ(hcpolicy__load(policy), 0);
	CHECK_EQ(hcp_set__state(hcpolicy__set(policy)), HCP_UNATTACHED);
	CHECK(!hcp_set__complete(hcpolicy__set(policy)));
}

TEST(replace_hands_the_same_complete_set_on)
{
	struct hcpolicy *next = hcp_open("bpf/bitmap.bpf.o");

	new_vm(false);
	attach_bitmap(false);
	CHECK_EQ(vcpu_call(v, GPA, 3, SHARE), 0);
	CHECK_EQ(hcpolicy__replace(policy, next, false), 0);
	hcpolicy__close(policy);
	CHECK_EQ(vcpu_call(v, GPA + PAGE, 1, HIDE), 0);
	CHECK_EQ(hcp_set__count(hcpolicy__set(next)), 2);
	CHECK(hcp_set__complete(hcpolicy__set(next)));
	CHECK(hcpolicy__attached(next));
}

TEST(replace_after_the_end_of_the_VM_is_ENOLINK)
{
	new_vm(false);
	attach_bitmap(false);
	CHECK_EQ(vcpu_call(v, GPA, 3, SHARE), 0);
	CHECK(hcpolicy__complete(policy));
	vm_free(vm);
	WAIT_UNTIL(!hcpolicy__attached(policy));
	/* The set does not know. */
	CHECK(hcp_set__complete(hcpolicy__set(policy)) && !hcpolicy__complete(policy));
	CHECK_EQ(hcpolicy__replace(policy, hcp_open("bpf/bitmap.bpf.o"), false), -ENOLINK);
	/* What the guest said until its end is still there. */
	CHECK_EQ(hcp_set__count(hcpolicy__set(policy)), 3);
}

TEST(bitmap_leaves_enabled_exits_to_the_VMM_and_books_them_too)
{
	new_vm(true);
	attach_bitmap(false);
	CHECK_EQ(vcpu_call(v, GPA, up_to(3), SHARE), 0);
	CHECK_EQ(v->exits, 1);
	CHECK_EQ(hcp_set__count(set), up_to(3));
	CHECK(hcp_set__complete(set));
	CHECK_STATS(v, .dflt = 1);
}

TEST(bitmap_with_TAKE_EXITS_leaves_none)
{
	new_vm(true);
	attach_bitmap(true);
	CHECK_EQ(vcpu_call(v, GPA, up_to(3), SHARE), 0);
	CHECK_EQ(v->exits, 0);
	CHECK_EQ(hcp_set__count(set), up_to(3));
	CHECK(hcp_set__complete(set));
	CHECK_STATS(v, .handled = 1);
}

TEST(a_second_policy_is_EBUSY_and_the_set_of_the_first_stays_complete)
{
	struct hcpolicy *second = hcp_open("bpf/bitmap.bpf.o");

	new_vm(false);
	attach_bitmap(false);
	CHECK_EQ(hcpolicy__load(second), 0);
	CHECK_EQ(hcpolicy__attach(second, vm->fd, NULL), -EBUSY);
	hcpolicy__close(second);
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), 0);
	CHECK(hcp_set__complete(set));
}

TAP_MAIN
