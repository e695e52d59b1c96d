// SPDX-License-Identifier: GPL-2.0
/*
 * What cannot be loaded, attached or replaced, and with which errno of the
 * kernel's; and that a refusal leaves everything as it was.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pol.h"
#include "tap.h"
#include "vm.h"

#define GPA	0x100000ULL
#define NOBODY	65534

static int try_attach(int vm_fd, uint32_t flags)
{
	return pol_try_attach(pol_load("obey", vm_fd, flags));
}

static int try_load(const char *file, uint32_t flags)
{
	struct pol p;

	return pol_try_load(&p, file, -1, flags);
}

TEST(a_descriptor_that_is_no_VM_is_EINVAL)
{
	struct vm *vm = vm_new(1, false);
	int null = open("/dev/null", O_RDWR);

	CHECK_CMP(null, >, 0);
	CHECK_EQ(try_attach(null, 0), -EINVAL);
	CHECK_EQ(try_attach(vm->kvm_fd, 0), -EINVAL);
	CHECK_EQ(try_attach(vm->vcpus[0].fd, 0), -EINVAL);
	CHECK_EQ(try_attach(vm->fd, 0), 0);
}

TEST(a_closed_descriptor_is_EBADF)
{
	CHECK_EQ(try_attach(999, 0), -EBADF);
	CHECK_EQ(try_attach(-1, 0), -EBADF);
	CHECK_EQ(try_attach(-999, 0), -EBADF);
}

TEST(descriptor_0_is_EBADF_even_if_it_is_a_VM)
{
	struct vm *vm = vm_new_empty();

	CHECK_EQ(dup2(vm->fd, 0), 0);
	CHECK_EQ(try_attach(0, 0), -EBADF);
	CHECK_EQ(try_attach(vm->fd, 0), 0);
}

/* How a child, a process of its own with the same descriptors, attaches. */
static int attach_in_child(struct pol *p, bool privileged)
{
	int status;
	pid_t pid;

	pid = fork();
	CHECK_CMP(pid, >=, 0);
	if (!pid) {
		if (!privileged)
			CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
		_exit(-pol_try_attach(p));
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

TEST(another_process_VM_without_CAP_SYS_ADMIN_is_EPERM)
{
	struct vm *vm = vm_new_empty();

	CHECK_EQ(attach_in_child(pol_load("obey", vm->fd, 0), false), -EPERM);
}

TEST(another_process_VM_with_CAP_SYS_ADMIN_attaches)
{
	struct vm *vm = vm_new_empty();

	CHECK_EQ(attach_in_child(pol_load("obey", vm->fd, 0), true), 0);
}

TEST(ones_own_VM_needs_no_CAP_SYS_ADMIN_to_attach)
{
	struct vm *vm = vm_new_empty();
	struct pol *p = pol_load("obey", vm->fd, 0);

	CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
	CHECK_EQ(pol_try_attach(p), 0);
}

TEST(a_dead_VM_is_EIO)
{
#ifdef __x86_64__
	struct vm *vm = vm_new_empty();
	void *run;
	int vcpu;

	/*
	 * It dies of an SMI, as there is no memory for the vCPU's state at its SMBASE: then KVM
	 * answers everything with EIO.
	 */
	vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	CHECK_CMP(vcpu, >=, 0);
	run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	CHECK(run != MAP_FAILED);
	CHECK_EQ(ioctl(vcpu, KVM_SMI, NULL), 0);
	CHECK_EQ(ioctl(vcpu, KVM_RUN, NULL), -1);
	CHECK_EQ(errno, EIO);
	CHECK_EQ(try_attach(vm->fd, 0), -EIO);
#else
	tap_skip("there is no such way to kill a VM of arm64");
#endif
}

TEST(a_second_policy_is_EBUSY_and_the_first_one_stays)
{
	struct vm *vm = vm_new(1, false);
	struct pol *first = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);
	struct pol *second = pol_load("obey", vm->fd, 0);

	CHECK_EQ(pol_try_attach(second), -EBUSY);
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), 0);
	CHECK_EQ(first->state->calls, 1);
	CHECK_EQ(second->state->calls, 0);
}

TEST(a_map_without_a_link_is_EOPNOTSUPP)
{
	struct vm *vm = vm_new(1, false);

	CHECK_EQ(pol_try_attach(pol_load("nolink", vm->fd, 0)), -EOPNOTSUPP);
	CHECK_EQ(try_attach(vm->fd, 0), 0);
}

TEST(a_policy_without_map_gpa_range_is_EINVAL)
{
	struct vm *vm = vm_new_empty();

	CHECK_EQ(pol_try_attach(pol_load("nomember", vm->fd, 0)), -EINVAL);
}

TEST(a_sleepable_program_is_EINVAL_at_load)
{
	CHECK_EQ(try_load("sleepable", 0), -EINVAL);
}

TEST(a_program_that_writes_to_its_request_is_EACCES_at_load)
{
	CHECK_EQ(try_load("meddle", 0), -EACCES);
}

TEST(unknown_flags_are_EINVAL)
{
	struct vm *vm = vm_new_empty();

	CHECK_EQ(try_attach(vm->fd, 1u << 2), -EINVAL);
	CHECK_EQ(try_attach(vm->fd, KVM_HCPOLICY_TAKE_EXITS | 1u << 31), -EINVAL);
	CHECK_EQ(try_attach(vm->fd, KVM_HCPOLICY_TAKE_EXITS | KVM_HCPOLICY_BEFORE_RUN), 0);
}

TEST(BEFORE_RUN_after_a_vCPU_ran_is_EALREADY_and_nothing_is_attached)
{
	struct vm *vm = vm_new(2, false);

	CHECK_EQ(vcpu_call(&vm->vcpus[1], GPA, 1, SHARE), -KVM_ENOSYS);
	CHECK_EQ(try_attach(vm->fd, KVM_HCPOLICY_BEFORE_RUN), -EALREADY);
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), -KVM_ENOSYS);
	CHECK_EQ(try_attach(vm->fd, 0), 0);
}

TEST(BEFORE_RUN_before_the_first_vCPU_runs_attaches)
{
	struct vm *vm = vm_new(2, false);
	struct pol *p = pol_obey(vm->fd, KVM_HCPOLICY_BEFORE_RUN, KVM_HCPOLICY_HANDLED);

	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), 0);
	CHECK_EQ(p->state->calls, 1);
}

/* Neither of the two sees anything of a replacement that was refused. */
static void check_replace_refused(int vm_fd, uint32_t flags, int err)
{
	struct vm *vm = vm_new(1, false);
	struct pol *p = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);
	struct pol *next = pol_load("obey", vm_fd ? vm_fd : vm->fd, flags);

	CHECK_EQ(pol_try_replace(p, next), err);
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), 0);
	CHECK_EQ(p->state->calls, 1);
	CHECK_EQ(next->state->calls, 0);
}

TEST(replace_by_a_policy_that_names_a_VM_is_EINVAL)
{
	check_replace_refused(0, 0, -EINVAL);
	check_replace_refused(999, 0, -EINVAL);
	check_replace_refused(-2, 0, -EINVAL);
}

TEST(replace_with_BEFORE_RUN_is_EINVAL)
{
	check_replace_refused(-1, KVM_HCPOLICY_BEFORE_RUN, -EINVAL);
}

/* Whoever has the link only may not take the VMM's exits away. */
TEST(replace_with_TAKE_EXITS_that_the_attachment_had_not_is_EINVAL)
{
	check_replace_refused(-1, KVM_HCPOLICY_TAKE_EXITS, -EINVAL);
}

TEST(TAKE_EXITS_of_the_attachment_may_be_given_up_and_taken_again)
{
	struct vm *vm = vm_new_empty();
	struct pol *with, *without;

	with = pol_obey(vm->fd, KVM_HCPOLICY_TAKE_EXITS, KVM_HCPOLICY_HANDLED);
	without = pol_load("obey", -1, 0);
	pol_replace(with, without);
	pol_replace(without, pol_load("obey", -1, KVM_HCPOLICY_TAKE_EXITS));
}

TEST(replace_by_itself_is_no_error)
{
	struct vm *vm = vm_new(1, false);
	struct pol *p = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);

	CHECK_EQ(pol_try_replace(p, p), 0);
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), 0);
	CHECK_EQ(p->state->calls, 1);
}

TEST(replace_after_detach_is_ENOLINK)
{
	struct vm *vm = vm_new(1, false);
	struct pol *p = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);

	pol_detach(p);
	CHECK_EQ(pol_try_replace(p, pol_load("obey", -1, 0)), -ENOLINK);
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), -KVM_ENOSYS);
}

TEST(refused_attaches_do_not_keep_the_VM)
{
	struct vm *vm = vm_new(1, false);
	int fd = vm->fd;

	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), -KVM_ENOSYS);
	CHECK_EQ(try_attach(vm->fd, KVM_HCPOLICY_BEFORE_RUN), -EALREADY);
	CHECK_EQ(attach_in_child(pol_load("obey", vm->fd, 0), false), -EPERM);
	CHECK_EQ(try_attach(vm->fd, 0), 0);
	CHECK_EQ(try_attach(vm->fd, 0), -EBUSY);
	CHECK(vm_exists(fd));
	vm_free(vm);
	WAIT_UNTIL(!vm_exists(fd));
}

TAP_MAIN
