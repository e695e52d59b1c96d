// SPDX-License-Identifier: GPL-2.0
/*
 * Policies come and go while vCPUs run, links and VMs end in any order, and what
 * has ended is not called any more.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pol.h"
#include "tap.h"
#include "vm.h"

#define GPA		0x100000ULL
#define HUP_MS		20000

static struct vm *vm;

/* A VM, and a policy that has handled a request of it. */
static struct pol *set_up(void)
{
	struct pol *p;

	vm = vm_new(1, false);
	p = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), 0);
	CHECK_EQ(p->state->calls, 1);
	return p;
}

/* Both vCPUs make one request again and again. */
static void loop_all(int64_t expect, bool check)
{
	struct hcg_request req = hc_request(GPA, 1, SHARE, expect);
	unsigned int i;

	if (!check)
		req.flags = 0;
	for (i = 0; i < vm->nvcpus; i++)
		vcpu_loop(&vm->vcpus[i], &req, 1);
}

/* How many requests they made.  All were answered as expected. */
static uint64_t stop_all(void)
{
	uint64_t n = 0;
	unsigned int i;

	for (i = 0; i < vm->nvcpus; i++) {
		n += vcpu_stop(&vm->vcpus[i]);
		if (vm->vcpus[i].mbox->failed)
			tap_fail(__FILE__, __LINE__, "vCPU %u: %llu answers were wrong, one was %lld", i,
				 (unsigned long long)vm->vcpus[i].mbox->failed,
				 (long long)vm->vcpus[i].mbox->first_ret);
	}
	return n;
}

TEST(policies_attach_and_detach_while_vCPUs_run)
{
	uint64_t calls = 0, requests;
	struct vcpu_stats a, b;
	struct pol *p;
	int i;

	vm = vm_new(2, false);
	p = pol_handler(vm->fd);
	loop_all(0, false);
	for (i = 0; i < 30; i++) {
		CHECK_EQ(pol_try_attach(p), 0);
		WAIT_UNTIL(p->state->calls > calls);
		pol_detach(p);
		calls = p->state->calls;
		CHECK_EQ(p->state->in_call, 0);
		pol_close_link(p);
	}
	requests = stop_all();

	a = vcpu_stats(&vm->vcpus[0]);
	b = vcpu_stats(&vm->vcpus[1]);
	CHECK_EQ(a.handled + b.handled, calls);
	CHECK_EQ(p->state->calls, calls);
	CHECK_CMP(requests, >, calls);
}

TEST(each_request_is_seen_by_exactly_one_policy_while_they_are_replaced)
{
	struct pol *first, *p[2];
	uint64_t requests, seen;
	int i;

	vm = vm_new(2, false);
	first = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);
	p[0] = pol_handler(-1);
	p[1] = pol_handler(-1);
	loop_all(0, true);
	WAIT_UNTIL(first->state->calls);
	pol_replace(first, p[0]);
	for (i = 0; i < 30; i++) {
		seen = p[i % 2]->state->calls;
		WAIT_UNTIL(p[i % 2]->state->calls > seen);
		pol_replace(p[i % 2], p[(i + 1) % 2]);
	}
	requests = stop_all();
	CHECK_EQ(first->state->calls + p[0]->state->calls + p[1]->state->calls, requests);
}

/* One processor does nothing else while a program runs. */
static void want_two_processors(void)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		tap_skip("it takes two processors to see that a call is in progress");
}

static void check_no_call(const struct pol *p, int round)
{
	if (p->state->in_call)
		tap_fail(__FILE__, __LINE__, "round %d: %llu calls are in progress", round,
			 (unsigned long long)p->state->in_call);
}

/*
 * End a policy by `end`, in the middle of a call of it.  No call may be in progress when that has
 * returned.
 */
static void check_quiet(void (*end)(struct pol *p))
{
	uint64_t calls;
	struct pol *p;
	int i;

	want_two_processors();
	vm = vm_new(2, false);
	p = pol_handler(vm->fd);
	p->state->spin_ns = 20000000;
	loop_all(0, false);
	for (i = 0; i < 20; i++) {
		CHECK_EQ(pol_try_attach(p), 0);
		SPIN_UNTIL(p->state->in_call);
		end(p);
		calls = p->state->calls;
		check_no_call(p, i);
		tap_pause();
		CHECK_EQ(p->state->calls, calls);
		if (p->link)
			pol_close_link(p);
	}
	stop_all();
}

TEST(when_detach_returns_no_call_is_in_progress)
{
	check_quiet(pol_detach);
}

TEST(when_the_last_close_of_the_link_returns_no_call_is_in_progress)
{
	check_quiet(pol_close_link);
}

TEST(when_replace_returns_no_call_of_the_old_policy_is_in_progress)
{
	struct pol *p[2];
	uint64_t calls;
	int i;

	want_two_processors();
	vm = vm_new(2, false);
	for (i = 0; i < 2; i++) {
		p[i] = pol_handler(-1);
		p[i]->state->spin_ns = 20000000;
	}
	pol_replace(pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED), p[0]);
	loop_all(0, true);
	for (i = 0; i < 20; i++) {
		struct pol *old = p[i % 2], *new = p[(i + 1) % 2];

		SPIN_UNTIL(old->state->in_call);
		pol_replace(old, new);
		calls = old->state->calls;
		check_no_call(old, i);
		WAIT_UNTIL(new->state->calls);
		CHECK_EQ(old->state->calls, calls);
	}
	stop_all();
}

TEST(a_detached_link_hangs_up_and_the_VM_is_free_for_another)
{
	struct pol *p = set_up(), *next;

	CHECK(!pol_hung_up(p, 0));
	pol_detach(p);
	CHECK(pol_hung_up(p, 0));
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), -KVM_ENOSYS);
	CHECK_EQ(p->state->calls, 1);

	next = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), 0);
	CHECK_EQ(next->state->calls, 1);
	CHECK_EQ(p->state->calls, 1);
}

TEST(the_link_ends_first_and_then_the_VM)
{
	struct pol *p = set_up();

	pol_close_link(p);
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), -KVM_ENOSYS);
	CHECK_EQ(p->state->calls, 1);
	pol_free(p);
	vm_free(vm);
}

TEST(the_VM_ends_first_and_its_link_hangs_up)
{
	struct pol *p = set_up(), *next;

	CHECK(!pol_hung_up(p, 0));
	vm_free(vm);
	CHECK(pol_hung_up(p, HUP_MS));

	/* Nothing is left to replace, and detaching again does no harm. */
	next = pol_load("obey", -1, 0);
	CHECK_EQ(pol_try_replace(p, next), -ENOLINK);
	pol_detach(p);
	pol_free(p);

	set_up();
}

TEST(a_link_does_not_keep_the_VM)
{
	struct pol *p;
	int fd;

	vm = vm_new(1, false);
	fd = vm->fd;
	p = pol_obey(fd, 0, KVM_HCPOLICY_HANDLED);
	CHECK(vm_exists(fd));
	vm_free(vm);
	WAIT_UNTIL(!vm_exists(fd));
	CHECK(pol_hung_up(p, HUP_MS));
}

TEST(a_pinned_policy_ends_with_its_VM)
{
	const char *pin = "/sys/fs/bpf/hcst-pin";
	struct pol *p;

	vm = vm_new(1, false);
	p = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);
	unlink(pin);
	CHECK_EQ(bpf_link__pin(p->link, pin), 0);
	pol_close_link(p);
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), 0);
	CHECK_EQ(p->state->calls, 1);

	p->link = bpf_link__open(pin);
	CHECK(p->link);
	CHECK(!pol_hung_up(p, 0));
	vm_free(vm);
	CHECK(pol_hung_up(p, HUP_MS));
	CHECK_EQ(unlink(pin), 0);
}

static void *free_vm_thread(void *arg)
{
	vm_free(arg);
	return NULL;
}

TEST(link_and_VM_may_end_at_the_same_time)
{
	struct pol *p = NULL;
	pthread_t thread;
	int i, n = tap_storm(40), fd = -1;

	for (i = 0; i < n; i++) {
		vm = vm_new(1, false);
		if (vm->fd != fd) {
			p = pol_handler(vm->fd);
			fd = vm->fd;
		}
		CHECK_EQ(pol_try_attach(p), 0);
		CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), 0);
		CHECK_EQ(pthread_create(&thread, NULL, free_vm_thread, vm), 0);
		if (i % 2)
			pol_detach(p);
		else
			pol_close_link(p);
		CHECK_EQ(pthread_join(thread, NULL), 0);
		if (p->link)
			pol_close_link(p);
	}
}

/* A VM in a process of its own, both of whose vCPUs make requests. */
static pid_t vm_in_child(int *vm_fd)
{
	int fds[2], pidfd, number;
	pid_t pid;

	CHECK_EQ(pipe(fds), 0);
	pid = fork();
	CHECK_CMP(pid, >=, 0);
	if (!pid) {
		vm = vm_new(2, false);
		loop_all(0, false);
		CHECK_EQ(write(fds[1], &vm->fd, sizeof(vm->fd)), sizeof(vm->fd));
		for (;;)
			pause();
	}
	close(fds[1]);
	CHECK_EQ(read(fds[0], &number, sizeof(number)), sizeof(number));
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	CHECK_CMP(pidfd, >=, 0);
	*vm_fd = syscall(SYS_pidfd_getfd, pidfd, number, 0);
	CHECK_CMP(*vm_fd, >=, 0);
	return pid;
}

TEST(the_end_of_the_VMs_process_detaches_in_the_middle_of_a_call)
{
	struct pol *p;
	pid_t pid;
	int fd;

	want_two_processors();
	pid = vm_in_child(&fd);
	p = pol_handler(fd);
	p->state->spin_ns = 20000000;
	CHECK_EQ(pol_try_attach(p), 0);
	close(fd);
	SPIN_UNTIL(p->state->in_call);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK(pol_hung_up(p, HUP_MS));
	CHECK_EQ(p->state->in_call, 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

TAP_MAIN
