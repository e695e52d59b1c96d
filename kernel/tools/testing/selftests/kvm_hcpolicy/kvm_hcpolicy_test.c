// SPDX-License-Identifier: GPL-2.0
/*
 * Policies for KVM_HC_MAP_GPA_RANGE: what a policy answers, what the guest and
 * userspace see then, and how a policy comes and goes.
 *
 * The guest is one hypercall and a HLT in real mode: its registers are set
 * before, and read after.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../kselftest_harness.h"
#include "policy.h"

#define GPA		0x100000
#define SHARE		0
#define HIDE		KVM_MAP_GPA_RANGE_ENCRYPTED
#define GUEST_PAGE	4096

/* VMMCALL; HLT.  KVM patches the instruction on Intel. */
static const __u8 guest_code[] = { 0x0f, 0x01, 0xd9, 0xf4 };

/* The value of the policy's struct_ops map. */
struct policy_ops {
	__s32 vm_fd;
	__u32 flags;
	void *map_gpa_range;
	char name[KVM_HCPOLICY_NAME_LEN];
};

struct policy {
	struct bpf_object *obj;
	struct bpf_map *ops;
	struct bpf_link *link;
	struct policy_state *state;
};

FIXTURE(hcpolicy) {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	void *mem;
	struct policy policy;
	int exits;		/* KVM_EXIT_HYPERCALL seen */
	__s64 exit_ret;		/* and answered so */
};

static int policy_load(struct policy *p, int vm_fd, __u32 flags)
{
	struct policy_ops *ops;
	size_t size;
	void *bss;
	int err;

	p->obj = bpf_object__open_file("kvm_hcpolicy.bpf.o", NULL);
	if (!p->obj)
		return -errno;

	p->ops = bpf_object__find_map_by_name(p->obj, "policy");
	ops = bpf_map__initial_value(p->ops, &size);
	ops->vm_fd = vm_fd;
	ops->flags = flags;
	err = bpf_object__load(p->obj);
	if (err)
		return err;

	bss = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED,
		   bpf_object__find_map_fd_by_name(p->obj, ".bss"), 0);
	if (bss == MAP_FAILED)
		return -errno;
	p->state = bss;
	return 0;
}

static int policy_attach(struct policy *p, int vm_fd, __u32 flags, int answer)
{
	int err = policy_load(p, vm_fd, flags);

	if (err)
		return err;
	p->state->answer = answer;
	p->link = bpf_map__attach_struct_ops(p->ops);
	return p->link ? 0 : -errno;
}

static void policy_free(struct policy *p)
{
	bpf_link__destroy(p->link);
	if (p->state)
		munmap(p->state, sysconf(_SC_PAGESIZE));
	bpf_object__close(p->obj);
	memset(p, 0, sizeof(*p));
}

static int enable_exits(int vm)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_EXIT_HYPERCALL,
		.args[0] = 1 << KVM_HC_MAP_GPA_RANGE,
	};

	return ioctl(vm, KVM_ENABLE_CAP, &cap);
}

static void vm_close(struct _test_data_hcpolicy *self)
{
	int *fds[] = { &self->vcpu, &self->vm, &self->kvm };
	size_t i;

	if (self->run)
		munmap(self->run, ioctl(self->kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
	self->run = NULL;
	for (i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

FIXTURE_SETUP(hcpolicy)
{
	struct kvm_userspace_memory_region slot = { .memory_size = GUEST_PAGE };
	struct kvm_sregs sregs;
	int err;

	self->vm = -1;
	self->vcpu = -1;
	self->kvm = open("/dev/kvm", O_RDWR);
	if (self->kvm < 0)
		SKIP(return, "no /dev/kvm");
	if (geteuid())
		SKIP(return, "not root");
	self->vm = ioctl(self->kvm, KVM_CREATE_VM, 0);
	ASSERT_GE(self->vm, 0);

	err = policy_load(&self->policy, self->vm, 0);
	policy_free(&self->policy);
	if (err == -ESRCH)
		SKIP(return, "this KVM has no hypercall policies");
	ASSERT_EQ(err, 0);

	self->mem = mmap(NULL, GUEST_PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->mem, MAP_FAILED);
	memcpy(self->mem, guest_code, sizeof(guest_code));
	slot.userspace_addr = (unsigned long)self->mem;
	ASSERT_EQ(ioctl(self->vm, KVM_SET_USER_MEMORY_REGION, &slot), 0);

	self->vcpu = ioctl(self->vm, KVM_CREATE_VCPU, 0);
	ASSERT_GE(self->vcpu, 0);
	self->run = mmap(NULL, ioctl(self->kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
			 PROT_READ | PROT_WRITE, MAP_SHARED, self->vcpu, 0);
	ASSERT_NE(self->run, MAP_FAILED);

	ASSERT_EQ(ioctl(self->vcpu, KVM_GET_SREGS, &sregs), 0);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	ASSERT_EQ(ioctl(self->vcpu, KVM_SET_SREGS, &sregs), 0);
}

FIXTURE_TEARDOWN(hcpolicy)
{
	policy_free(&self->policy);
	vm_close(self);
	munmap(self->mem, GUEST_PAGE);
}

/* What the guest gets for KVM_HC_MAP_GPA_RANGE; INT_MIN if it did not get there. */
static int guest_asks(struct _test_data_hcpolicy *self, __u64 gpa, __u64 npages, __u64 attrs)
{
	struct kvm_regs regs = {
		.rax = KVM_HC_MAP_GPA_RANGE,
		.rbx = gpa,
		.rcx = npages,
		.rdx = attrs,
		.rflags = 2,
	};

	if (ioctl(self->vcpu, KVM_SET_REGS, &regs))
		return INT_MIN;
	while (!ioctl(self->vcpu, KVM_RUN, 0) && self->run->exit_reason == KVM_EXIT_HYPERCALL) {
		self->exits++;
		self->run->hypercall.ret = self->exit_ret;
	}
	if (self->run->exit_reason != KVM_EXIT_HLT || ioctl(self->vcpu, KVM_GET_REGS, &regs))
		return INT_MIN;
	return regs.rax;
}

TEST_F(hcpolicy, nobody_answers_without_policy_and_exits)
{
	EXPECT_EQ(guest_asks(self, GPA, 1, SHARE), -KVM_ENOSYS);
}

TEST_F(hcpolicy, userspace_answers_without_policy)
{
	ASSERT_EQ(enable_exits(self->vm), 0);
	self->exit_ret = -7;
	EXPECT_EQ(guest_asks(self, GPA, 1, SHARE), -7);
	EXPECT_EQ(self->exits, 1);
}

TEST_F(hcpolicy, the_policy_sees_the_request)
{
	ASSERT_EQ(policy_attach(&self->policy, self->vm, 0, KVM_HCPOLICY_HANDLED), 0);
	EXPECT_EQ(guest_asks(self, GPA, 3, HIDE), 0);
	EXPECT_EQ(self->policy.state->calls, 1);
	EXPECT_EQ(self->policy.state->gpa, GPA);
	EXPECT_EQ(self->policy.state->npages, 3);
	EXPECT_EQ(self->policy.state->attrs, HIDE);
	EXPECT_EQ(self->policy.state->shared, 0);
	EXPECT_EQ(self->policy.state->flags, KVM_HCPOLICY_MAY_HANDLE);
}

TEST_F(hcpolicy, HANDLED_needs_TAKE_EXITS_if_userspace_wants_exits)
{
	ASSERT_EQ(enable_exits(self->vm), 0);
	ASSERT_EQ(policy_attach(&self->policy, self->vm, 0, KVM_HCPOLICY_HANDLED), 0);
	EXPECT_EQ(guest_asks(self, GPA, 1, SHARE), 0);
	EXPECT_EQ(self->policy.state->calls, 1);
	EXPECT_EQ(self->exits, 1);
}

TEST_F(hcpolicy, HANDLED_with_TAKE_EXITS_does_not_exit)
{
	ASSERT_EQ(enable_exits(self->vm), 0);
	ASSERT_EQ(policy_attach(&self->policy, self->vm, KVM_HCPOLICY_TAKE_EXITS,
				KVM_HCPOLICY_HANDLED), 0);
	self->exit_ret = -7;
	EXPECT_EQ(guest_asks(self, GPA, 1, SHARE), 0);
	EXPECT_EQ(self->exits, 0);
}

TEST_F(hcpolicy, DEFAULT_is_ENOSYS_or_an_exit)
{
	ASSERT_EQ(policy_attach(&self->policy, self->vm, 0, KVM_HCPOLICY_DEFAULT), 0);
	EXPECT_EQ(guest_asks(self, GPA, 1, SHARE), -KVM_ENOSYS);
	ASSERT_EQ(enable_exits(self->vm), 0);
	EXPECT_EQ(guest_asks(self, GPA, 1, SHARE), 0);
	EXPECT_EQ(self->exits, 1);
}

TEST_F(hcpolicy, RETRY_asks_again)
{
	ASSERT_EQ(policy_attach(&self->policy, self->vm, 0, KVM_HCPOLICY_RETRY), 0);
	self->policy.state->then = KVM_HCPOLICY_HANDLED;
	self->policy.state->change_at = 20;
	EXPECT_EQ(guest_asks(self, GPA, 1, SHARE), 0);
	EXPECT_EQ(self->policy.state->calls, 20);
}

TEST_F(hcpolicy, a_refusal_reaches_the_guest_only)
{
	ASSERT_EQ(enable_exits(self->vm), 0);
	ASSERT_EQ(policy_attach(&self->policy, self->vm, 0, -EPERM), 0);
	EXPECT_EQ(guest_asks(self, GPA, 1, SHARE), -KVM_EPERM);
	self->policy.state->answer = -ENOMEM;
	EXPECT_EQ(guest_asks(self, GPA, 1, SHARE), -KVM_EINVAL);
	EXPECT_EQ(self->exits, 0);
}

TEST_F(hcpolicy, an_answer_that_is_none_is_DEFAULT)
{
	ASSERT_EQ(policy_attach(&self->policy, self->vm, 0, 1000), 0);
	EXPECT_EQ(guest_asks(self, GPA, 1, SHARE), -KVM_ENOSYS);
	self->policy.state->answer = INT_MIN;
	EXPECT_EQ(guest_asks(self, GPA, 1, SHARE), -KVM_ENOSYS);
	EXPECT_EQ(self->policy.state->calls, 2);
}

TEST_F(hcpolicy, nonsense_does_not_reach_the_policy)
{
	ASSERT_EQ(policy_attach(&self->policy, self->vm, 0, KVM_HCPOLICY_HANDLED), 0);
	EXPECT_EQ(guest_asks(self, GPA + 1, 1, SHARE), -KVM_EINVAL);
	EXPECT_EQ(guest_asks(self, GPA, 0, SHARE), -KVM_EINVAL);
	EXPECT_EQ(guest_asks(self, GPA, 1, 1 << 5), -KVM_ENOSYS);
	EXPECT_EQ(self->policy.state->calls, 0);
}

TEST_F(hcpolicy, a_large_request_comes_in_pieces)
{
	ASSERT_EQ(policy_attach(&self->policy, self->vm, 0, KVM_HCPOLICY_HANDLED), 0);
	EXPECT_EQ(guest_asks(self, 0, KVM_HCPOLICY_MAX_PAGES + 1, SHARE), 0);
	EXPECT_EQ(self->policy.state->calls, 2);
	EXPECT_EQ(self->policy.state->gpa, (__u64)KVM_HCPOLICY_MAX_PAGES * GUEST_PAGE);
	EXPECT_EQ(self->policy.state->npages, 1);
}

TEST_F(hcpolicy, attaching_fails_with_a_reason)
{
	struct policy p = {};

	EXPECT_EQ(policy_attach(&p, 0, 0, 0), -EBADF);
	policy_free(&p);
	EXPECT_EQ(policy_attach(&p, self->kvm, 0, 0), -EINVAL);
	policy_free(&p);
	EXPECT_EQ(policy_attach(&p, self->vm, 1U << 31, 0), -EINVAL);
	policy_free(&p);

	ASSERT_EQ(policy_attach(&self->policy, self->vm, KVM_HCPOLICY_BEFORE_RUN, 0), 0);
	EXPECT_EQ(policy_attach(&p, self->vm, 0, 0), -EBUSY);
	policy_free(&p);

	EXPECT_EQ(guest_asks(self, GPA, 1, SHARE), -KVM_ENOSYS);
	policy_free(&self->policy);
	EXPECT_EQ(policy_attach(&p, self->vm, KVM_HCPOLICY_BEFORE_RUN, 0), -EALREADY);
	policy_free(&p);
}

TEST_F(hcpolicy, a_replacement_takes_over)
{
	struct policy next = {};

	ASSERT_EQ(policy_attach(&self->policy, self->vm, 0, KVM_HCPOLICY_HANDLED), 0);
	ASSERT_EQ(policy_load(&next, -1, 0), 0);
	next.state->answer = -EPERM;
	EXPECT_EQ(bpf_link__update_map(self->policy.link, next.ops), 0);
	EXPECT_EQ(guest_asks(self, GPA, 1, SHARE), -KVM_EPERM);
	EXPECT_EQ(self->policy.state->calls, 0);
	EXPECT_EQ(next.state->calls, 1);

	EXPECT_EQ(bpf_link_detach(bpf_link__fd(self->policy.link)), 0);
	EXPECT_EQ(guest_asks(self, GPA, 1, SHARE), -KVM_ENOSYS);
	EXPECT_EQ(bpf_link__update_map(self->policy.link, next.ops), -ENOLINK);
	policy_free(&next);
}

TEST_F(hcpolicy, the_end_of_the_VM_is_signalled)
{
	struct pollfd pfd;

	ASSERT_EQ(policy_attach(&self->policy, self->vm, 0, 0), 0);
	pfd.fd = bpf_link__fd(self->policy.link);
	EXPECT_EQ(poll(&pfd, 1, 0), 0);
	vm_close(self);
	EXPECT_EQ(poll(&pfd, 1, 10000), 1);
	EXPECT_EQ(pfd.revents, POLLHUP);
}

TEST_HARNESS_MAIN
