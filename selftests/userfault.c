// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU can wait in a page fault for as long as userspace likes, in the middle
 * of KVM.  Nobody who attaches, replaces or detaches a policy waits with it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/userfaultfd.h>

#include "pol.h"
#include "tap.h"
#include "vm.h"

#define GPA	0x100000ULL

static struct vm *vm;
static int uffd;

/* vCPU 0 reads a page that is not there, and waits for it. */
static void block_vcpu(void)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	struct hcg_request reqs[2] = {
		{ .op = HCG_READ, .a0 = VM_FREE_GPA, .flags = HCG_EXPECT, .expect = 0 },
		hc_request(GPA, 1, SHARE, -KVM_ENOSYS),
	};
	struct uffd_msg msg;

	vm = vm_new(2, false);
	uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	CHECK_CMP(uffd, >=, 0);
	CHECK_EQ(ioctl(uffd, UFFDIO_API, &api), 0);
	reg.range.start = (uintptr_t)vm->mem + VM_FREE_GPA;
	reg.range.len = PAGE;
	CHECK_EQ(ioctl(uffd, UFFDIO_REGISTER, &reg), 0);

	vcpu_start(&vm->vcpus[0], reqs, 2);
	CHECK_EQ(read(uffd, &msg, sizeof(msg)), sizeof(msg));
	CHECK_EQ(msg.event, UFFD_EVENT_PAGEFAULT);
	CHECK_EQ(msg.arg.pagefault.address & -PAGE, reg.range.start);
	CHECK(vm->vcpus[0].running);
}

/* It was blocked all the time, and goes on when it gets its page. */
static void unblock_vcpu(void)
{
	struct uffdio_zeropage zero = {
		.range = { .start = (uintptr_t)vm->mem + VM_FREE_GPA, .len = PAGE },
	};

	CHECK(vm->vcpus[0].running);
	CHECK_EQ(ioctl(uffd, UFFDIO_ZEROPAGE, &zero), 0);
	vcpu_join(&vm->vcpus[0]);
	CHECK_EQ(vm->vcpus[0].mbox->failed, 0);
}

/* Everything that waits for calls in progress, on target, which vCPU v is of. */
static void attach_replace_detach(struct vm *target, struct vcpu *v)
{
	struct pol *p, *next, *last;

	p = pol_obey(target->fd, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), 0);
	next = pol_handler(-1);
	pol_replace(p, next);
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), 0);
	CHECK_EQ(next->state->calls, 1);
	pol_detach(next);
	last = pol_obey(target->fd, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), 0);
	pol_close_link(last);
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), -KVM_ENOSYS);
}

TEST(policies_of_another_VM_do_not_wait_for_a_blocked_vCPU)
{
	struct vm *other = vm_new(1, false);

	block_vcpu();
	attach_replace_detach(other, &other->vcpus[0]);
	unblock_vcpu();
}

TEST(policies_of_the_same_VM_do_not_wait_for_a_blocked_vCPU)
{
	block_vcpu();
	attach_replace_detach(vm, &vm->vcpus[1]);
	unblock_vcpu();
}

TEST(the_end_of_another_VM_does_not_wait_for_a_blocked_vCPU)
{
	struct vm *other = vm_new(1, false);
	struct pol *p;

	block_vcpu();
	p = pol_obey(other->fd, 0, KVM_HCPOLICY_HANDLED);
	vm_free(other);
	CHECK(pol_hung_up(p, 20000));
	unblock_vcpu();
}

TAP_MAIN
