// SPDX-License-Identifier: GPL-2.0
/*
 * What a policy may answer, what the guest and the VMM see then, and what KVM
 * counts.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "pol.h"
#include "tap.h"
#include "vm.h"

#define GPA		0x100000ULL
#define EXITS		true
#define NO_EXITS	false
#define PAGE_SZ_2M	1		/* KVM_MAP_GPA_RANGE_PAGE_SZ_2M, which only x86's headers have */

static struct vm *vm;
static struct vcpu *v;
static struct pol *p;

/* A VM with a policy that answers with answer. */
static void set_up(bool exits, uint32_t flags, int answer)
{
	vm = vm_new(1, exits);
	v = &vm->vcpus[0];
	p = pol_obey(vm->fd, flags, answer);
}

TEST(without_a_policy_and_without_exits_the_guest_sees_ENOSYS)
{
	vm = vm_new(1, NO_EXITS);
	v = &vm->vcpus[0];
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), -KVM_ENOSYS);
	CHECK_STATS(v, 0);
}

TEST(without_a_policy_the_request_exits)
{
	vm = vm_new(1, EXITS);
	v = &vm->vcpus[0];
	v->exit_ret = -7;
	CHECK_EQ(vcpu_call(v, GPA, 3, HIDE), -7);
	CHECK_EQ(v->exits, 1);
	CHECK_STATS(v, 0);
}

TEST(the_policy_sees_the_request_as_the_guest_made_it)
{
	NEEDS_RANGES();
	set_up(NO_EXITS, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(vcpu_call(v, GPA, 5, SHARE | PAGE_SZ_2M), 0);
	CHECK_EQ(p->state->calls, 1);
	CHECK_EQ(p->state->gpa, GPA);
	CHECK_EQ(p->state->npages, 5);
	CHECK_EQ(p->state->attrs, PAGE_SZ_2M);
	CHECK_EQ(p->state->shared, 1);
	CHECK_EQ(p->state->source, KVM_HCPOLICY_SRC_HYPERCALL);
	CHECK_EQ(p->state->vcpu_id, 0);
	CHECK_EQ(p->state->flags, KVM_HCPOLICY_MAY_HANDLE);

	CHECK_EQ(vcpu_call(v, 0, 1, HIDE), 0);
	CHECK_EQ(p->state->calls, 2);
	CHECK_EQ(p->state->gpa, 0);
	CHECK_EQ(p->state->npages, 1);
	CHECK_EQ(p->state->attrs, HIDE);
	CHECK_EQ(p->state->shared, 0);
}

TEST(the_policy_is_told_which_vCPU_asks)
{
	vm = vm_new(2, NO_EXITS);
	p = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(vcpu_call(&vm->vcpus[1], GPA, 1, SHARE), 0);
	CHECK_EQ(p->state->vcpu_id, 1);
	CHECK_STATS(&vm->vcpus[0], 0);
	CHECK_STATS(&vm->vcpus[1], .handled = 1);
}

TEST(a_policy_does_not_see_requests_of_another_VM)
{
	struct vm *other = vm_new(1, NO_EXITS);

	set_up(NO_EXITS, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(vcpu_call(&other->vcpus[0], GPA, 1, SHARE), -KVM_ENOSYS);
	CHECK_EQ(p->state->calls, 0);
}

TEST(DEFAULT_with_exits_off_is_ENOSYS)
{
	set_up(NO_EXITS, 0, KVM_HCPOLICY_DEFAULT);
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), -KVM_ENOSYS);
	CHECK_EQ(p->state->calls, 1);
	CHECK_STATS(v, .dflt = 1);
}

TEST(DEFAULT_with_exits_on_exits)
{
	set_up(EXITS, 0, KVM_HCPOLICY_DEFAULT);
	v->exit_ret = -7;
	CHECK_EQ(vcpu_call(v, GPA, up_to(3), HIDE), -7);
	CHECK_EQ(p->state->calls, 1);
	CHECK_EQ(p->state->flags, KVM_HCPOLICY_EXIT_ENABLED);
	CHECK_EQ(v->exits, 1);
	CHECK_EQ(v->exit.gpa, GPA);
	CHECK_EQ(v->exit.npages, up_to(3));
	CHECK_EQ(v->exit.attrs, HIDE);
	CHECK_STATS(v, .dflt = 1);
}

TEST(HANDLED_with_exits_off_is_success)
{
	set_up(NO_EXITS, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), 0);
	CHECK_EQ(p->state->calls, 1);
	CHECK_EQ(v->exits, 0);
	CHECK_STATS(v, .handled = 1);
}

TEST(HANDLED_with_exits_on_exits_and_counts_as_overruled)
{
	set_up(EXITS, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), 0);
	CHECK_EQ(p->state->calls, 1);
	CHECK_EQ(p->state->flags & KVM_HCPOLICY_MAY_HANDLE, 0);
	CHECK_EQ(v->exits, 1);
	CHECK_STATS(v, .dflt = 1, .overruled = 1);
}

TEST(HANDLED_with_exits_on_and_TAKE_EXITS_does_not_exit)
{
	set_up(EXITS, KVM_HCPOLICY_TAKE_EXITS, KVM_HCPOLICY_HANDLED);
	v->exit_ret = -7;
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), 0);
	CHECK_EQ(p->state->calls, 1);
	CHECK_EQ(p->state->flags, KVM_HCPOLICY_EXIT_ENABLED | KVM_HCPOLICY_MAY_HANDLE);
	CHECK_EQ(v->exits, 0);
	CHECK_STATS(v, .handled = 1);
}

TEST(DEFAULT_with_TAKE_EXITS_exits)
{
	set_up(EXITS, KVM_HCPOLICY_TAKE_EXITS, KVM_HCPOLICY_DEFAULT);
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), 0);
	CHECK_EQ(v->exits, 1);
	CHECK_STATS(v, .dflt = 1);
}

TEST(TAKE_EXITS_is_given_up_by_a_replacement_without_it)
{
	set_up(EXITS, KVM_HCPOLICY_TAKE_EXITS, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), 0);
	CHECK_EQ(v->exits, 0);
	pol_replace(p, pol_handler(-1));
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), 0);
	CHECK_EQ(v->exits, 1);
	CHECK_STATS(v, .handled = 1, .dflt = 1, .overruled = 1);
}

TEST(RETRY_calls_again_until_the_policy_changes_its_mind)
{
	set_up(NO_EXITS, 0, KVM_HCPOLICY_RETRY);
	p->state->then = KVM_HCPOLICY_HANDLED;
	p->state->change_at = 11;
	CHECK_EQ(vcpu_call(v, GPA, up_to(2), SHARE), 0);
	CHECK_EQ(p->state->calls, 11);
	CHECK_EQ(p->state->gpa, GPA);
	CHECK_EQ(p->state->npages, up_to(2));
	CHECK_STATS(v, .handled = 1, .retry = 10);
}

TEST(RETRY_may_end_in_a_refusal_or_an_exit)
{
	set_up(EXITS, 0, KVM_HCPOLICY_RETRY);
	p->state->then = -EPERM;
	p->state->change_at = 3;
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), as_seen(-KVM_EPERM));
	CHECK_EQ(v->exits, 0);

	p->state->then = KVM_HCPOLICY_DEFAULT;
	p->state->change_at = p->state->calls + 3;
	v->exit_ret = -7;
	CHECK_EQ(vcpu_call(v, GPA, 1, SHARE), -7);
	CHECK_EQ(v->exits, 1);
	CHECK_STATS(v, .dflt = 1, .refused = 1, .retry = 4);
}

TEST(RETRY_ends_when_the_policy_is_detached)
{
	struct hcg_request req = hc_request(GPA, 1, SHARE, -KVM_ENOSYS);

	set_up(NO_EXITS, 0, KVM_HCPOLICY_RETRY);
	vcpu_start(v, &req, 1);
	WAIT_UNTIL(p->state->calls > 20);
	pol_detach(p);
	vcpu_join(v);
	CHECK_EQ(v->mbox->failed, 0);
}

static unsigned long voluntary_switches(int tid)
{
	unsigned long n = 0;
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	f = fopen(path, "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "voluntary_ctxt_switches: %lu", &n);
	fclose(f);
	return n;
}

/* Each call after the sixteenth gives the CPU away once. */
TEST(RETRY_without_end_sleeps_from_the_17th_on)
{
	struct hcg_request req = hc_request(GPA, 1, SHARE, 0);
	unsigned long before;

	set_up(NO_EXITS, 0, KVM_HCPOLICY_RETRY);
	vcpu_put(v, HCG_CMD_RUN, &req, 1);
	p->state->spin_ns = 200000000;	/* time to look, before the first answer */
	vcpu_run_in_thread(v);
	WAIT_UNTIL(p->state->calls);
	before = voluntary_switches(v->tid);
	p->state->spin_ns = 0;

	WAIT_UNTIL(p->state->calls >= 80);
	CHECK_CMP(voluntary_switches(v->tid) - before, >=, 80 - 16 - 2);
	p->state->answer = KVM_HCPOLICY_HANDLED;
	vcpu_join(v);
	CHECK_EQ(v->mbox->failed, 0);
	CHECK_STATS(v, .handled = 1, .retry = p->state->calls - 1);
}

static void on_signal(int sig)
{
	v->run->immediate_exit = 1;
}

/* What a VMM does to stop a vCPU: a signal, whose handler sets immediate_exit. */
static void check_interrupted(unsigned int calls)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct hcg_request req = hc_request(GPA, 1, SHARE, 0);
	uint64_t seen;

	set_up(NO_EXITS, 0, KVM_HCPOLICY_RETRY);
	p->state->spin_ns = calls < 16 ? 50000000 : 0;
	v->stop_on_eintr = true;
	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	vcpu_start(v, &req, 1);
	WAIT_UNTIL(p->state->calls >= calls);
	CHECK_EQ(pthread_kill(v->thread, SIGUSR1), 0);
	vcpu_join(v);
	CHECK(!v->ready);
	CHECK_EQ(p->state->in_call, 0);

	/* Stopped is stopped: with immediate_exit set the guest gets no further. */
	seen = p->state->calls;
	CHECK_EQ(ioctl(v->fd, KVM_RUN, NULL), -1);
	CHECK_EQ(errno, EINTR);
	CHECK_EQ(p->state->calls, seen);

	/* And the guest's request is still there to be answered. */
	v->run->immediate_exit = 0;
	p->state->answer = KVM_HCPOLICY_HANDLED;
	CHECK(vcpu_run(v));
	CHECK_EQ(v->mbox->failed, 0);
	CHECK_EQ(p->state->calls, seen + 1);
	CHECK_STATS(v, .handled = 1, .retry = seen);
}

TEST(RETRY_without_end_is_interruptible_while_it_spins)
{
	check_interrupted(1);
}

TEST(RETRY_without_end_is_interruptible_while_it_sleeps)
{
	check_interrupted(40);
}

/* A refusal reaches the guest and never the VMM. */
static void check_refused(int answer, int64_t expect)
{
	int64_t ret;

	p->state->answer = answer;
	ret = vcpu_call(v, GPA, 1, SHARE);
	if (ret != expect)
		tap_fail(__FILE__, __LINE__, "the policy said %d, the guest saw %lld, not %lld",
			 answer, (long long)ret, (long long)expect);
}

TEST(each_errno_becomes_its_KVM_errno)
{
	set_up(EXITS, 0, 0);
	check_refused(-EFAULT, as_seen(-KVM_EFAULT));
	check_refused(-EINVAL, as_seen(-KVM_EINVAL));
	check_refused(-E2BIG, as_seen(-KVM_E2BIG));
	check_refused(-EPERM, as_seen(-KVM_EPERM));
	check_refused(-EOPNOTSUPP, as_seen(-KVM_EOPNOTSUPP));
	check_refused(-ENOSYS, as_seen(-KVM_ENOSYS));
	CHECK_EQ(v->exits, 0);
	CHECK_STATS(v, .refused = 6);
}

TEST(an_errno_that_guests_do_not_know_becomes_EINVAL)
{
	set_up(EXITS, KVM_HCPOLICY_TAKE_EXITS, 0);
	check_refused(-ENOMEM, -KVM_EINVAL);
	check_refused(-EAGAIN, -KVM_EINVAL);
	check_refused(-1000, -KVM_EINVAL);
	check_refused(-4095, -KVM_EINVAL);
	CHECK_EQ(v->exits, 0);
	CHECK_STATS(v, .refused = 4);
}

TEST(an_answer_that_is_no_verdict_is_DEFAULT_and_counted)
{
	static const int answers[] = { 3, 1000, INT_MAX, INT_MIN, -4096, -5000 };
	size_t i, n = sizeof(answers) / sizeof(*answers);

	set_up(EXITS, KVM_HCPOLICY_TAKE_EXITS, 0);
	v->exit_ret = -7;
	for (i = 0; i < n; i++) {
		check_refused(answers[i], -7);
		CHECK_EQ(v->exits, i + 1);
	}
	CHECK_STATS(v, .dflt = n, .bad_verdict = n);
}

TEST(an_answer_that_is_no_verdict_is_ENOSYS_without_exits)
{
	set_up(NO_EXITS, 0, 0);
	check_refused(3, -KVM_ENOSYS);
	check_refused(INT_MIN, -KVM_ENOSYS);
	CHECK_STATS(v, .dflt = 2, .bad_verdict = 2);
}

/* A request of several pieces: one piece after the other, and one answer. */
TEST(a_large_request_comes_in_pieces_that_cover_it)
{
	uint64_t npages = 3 * KVM_HCPOLICY_MAX_PAGES + 5;

	NEEDS_RANGES();
	set_up(NO_EXITS, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(vcpu_call(v, GPA, npages, SHARE), 0);
	CHECK_EQ(p->state->calls, 4);
	CHECK_EQ(p->state->pages, npages);
	CHECK_EQ(p->state->most_pages, KVM_HCPOLICY_MAX_PAGES);
	CHECK_EQ(p->state->gpa, GPA + 3 * KVM_HCPOLICY_MAX_PAGES * PAGE);
	CHECK_EQ(p->state->npages, 5);
	CHECK_STATS(v, .handled = 1);
}

TEST(a_refused_piece_refuses_the_request_and_the_policy_sees_the_rest)
{
	NEEDS_RANGES();
	set_up(EXITS, KVM_HCPOLICY_TAKE_EXITS, KVM_HCPOLICY_HANDLED);
	p->state->then = -EPERM;
	p->state->change_at = 2;
	CHECK_EQ(vcpu_call(v, GPA, 4 * KVM_HCPOLICY_MAX_PAGES, SHARE), -KVM_EPERM);
	CHECK_EQ(p->state->calls, 4);
	CHECK_EQ(p->state->pages, 4 * KVM_HCPOLICY_MAX_PAGES);
	CHECK_STATS(v, .refused = 1);

	/* Of several errnos the first counts. */
	p->state->answer = -E2BIG;
	p->state->calls = 0;
	CHECK_EQ(vcpu_call(v, GPA, 4 * KVM_HCPOLICY_MAX_PAGES, SHARE), -KVM_E2BIG);
	CHECK_EQ(p->state->calls, 4);
	CHECK_EQ(v->exits, 0);
	CHECK_STATS(v, .refused = 2);
}

TEST(a_piece_that_is_left_to_KVM_makes_one_exit_of_the_whole)
{
	NEEDS_RANGES();
	set_up(EXITS, KVM_HCPOLICY_TAKE_EXITS, KVM_HCPOLICY_DEFAULT);
	p->state->then = KVM_HCPOLICY_HANDLED;
	p->state->change_at = 2;
	CHECK_EQ(vcpu_call(v, GPA, 4 * KVM_HCPOLICY_MAX_PAGES, HIDE), 0);
	CHECK_EQ(p->state->calls, 4);
	CHECK_EQ(v->exits, 1);
	CHECK_EQ(v->exit.gpa, GPA);
	CHECK_EQ(v->exit.npages, 4 * KVM_HCPOLICY_MAX_PAGES);
	CHECK_STATS(v, .dflt = 1);
}

TEST(RETRY_of_a_piece_starts_the_request_over)
{
	uint64_t npages = 4 * KVM_HCPOLICY_MAX_PAGES;

	NEEDS_RANGES();
	set_up(NO_EXITS, 0, KVM_HCPOLICY_HANDLED);
	p->state->then = KVM_HCPOLICY_RETRY;
	p->state->change_at = 2;
	vcpu_start(v, (struct hcg_request[]){ hc_request(GPA, npages, HIDE, 0) }, 1);
	WAIT_UNTIL(p->state->calls >= 4);
	CHECK_EQ(p->state->gpa, GPA);
	p->state->change_at = 0;
	vcpu_join(v);
	CHECK_EQ(v->mbox->failed, 0);
	CHECK_EQ(p->state->gpa, GPA + 3 * KVM_HCPOLICY_MAX_PAGES * PAGE);
	CHECK_STATS(v, .handled = 1, .retry = p->state->calls - 5);
}

TAP_MAIN
