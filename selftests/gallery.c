// SPDX-License-Identifier: GPL-2.0
/* What each policy of bpf-progs/ promises, on the real hook, with requests of two vCPUs. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>

#include "hcp.h"
#include "tap.h"
#include "vm.h"

#define GPA	0x100000ULL
#define MAX_GPA	(1ULL << 30)

static struct vm *vm;
static struct hcpolicy *policy;
static struct hcp_set *set;

/* params: NAME, VALUE, ..., NULL */
static void start(const char *file, bool exits, bool take_exits, const char *const params[])
{
	struct hcpolicy_attach_opts opts = { .sz = sizeof(opts), .take_exits = take_exits };

	vm = vm_new(2, exits);
	policy = hcp_open(file);
	for (; params && *params; params += 2)
		CHECK_EQ(hcpolicy__set_param(policy, params[0], params[1]), 0);
	CHECK_EQ(hcpolicy__set_max_gpa(policy, MAX_GPA), 0);
	CHECK_EQ(hcpolicy__load(policy), 0);
	CHECK_EQ(hcpolicy__attach(policy, vm->fd, &opts), 0);
	set = hcpolicy__set(policy);
}

#define PARAMS(...)	((const char *const[]) { __VA_ARGS__, NULL })

static void tune(const char *key, const char *value)
{
	CHECK_EQ(hcpolicy__set_param(policy, key, value), 0);
}

static uint64_t counted(const char *name)
{
	struct hcpolicy_param p;
	unsigned int n;

	for (n = 0; hcpolicy__param(policy, n, &p); n++) {
		if (!strcmp(p.name, name))
			return strtoull(p.value, NULL, 0);
	}
	CHECK(!"a counter of that name");
	return 0;
}

static long call(int vcpu, uint64_t gpa, uint64_t npages, uint64_t attrs)
{
	return vcpu_call(&vm->vcpus[vcpu], gpa, npages, attrs);
}

/* --- quota */

TEST(quota_grants_exactly_up_to_its_ceiling)
{
	start("bpf/quota.bpf.o", false, false, PARAMS("ceiling", "10"));
	CHECK_EQ(call(0, GPA, 6, SHARE), 0);
	CHECK_EQ(call(1, GPA + 6 * PAGE, 4, SHARE), 0);
	CHECK_EQ(call(0, GPA + 10 * PAGE, 1, SHARE), -KVM_EPERM);
	CHECK_EQ(counted("shared_pages"), 11);
	CHECK_EQ(counted("refused_requests"), 1);
	CHECK_EQ(counted("refused_pages"), 1);
	/* Booked all the same: the guest may have done it. */
	CHECK_EQ(hcp_set__count(set), 11);
	CHECK(hcp_set__complete(set));
}

TEST(quota_counts_a_page_once_and_takes_it_back)
{
	start("bpf/quota.bpf.o", false, false, PARAMS("ceiling", "10"));
	CHECK_EQ(call(0, GPA, 10, SHARE), 0);
	CHECK_EQ(call(1, GPA, 10, SHARE), 0);
	CHECK_EQ(call(1, GPA + 8 * PAGE, 3, SHARE), -KVM_EPERM);
	CHECK_EQ(call(0, GPA, 2, HIDE), 0);
	CHECK_EQ(call(0, GPA, 2, HIDE), 0);
	CHECK_EQ(counted("shared_pages"), 9);
	CHECK_EQ(call(1, GPA + 20 * PAGE, 1, SHARE), 0);
	CHECK_EQ(call(1, GPA + 21 * PAGE, 1, SHARE), -KVM_EPERM);
	tune("ceiling", "12");
	CHECK_EQ(call(1, GPA + 22 * PAGE, 1, SHARE), 0);
	CHECK_EQ(counted("shared_pages"), hcp_set__count(set));
}

TEST(quota_refuses_what_is_not_in_its_window)
{
	start("bpf/quota.bpf.o", false, false,
	      PARAMS("window_start", "0x100000", "window_end", "0x200000"));
	CHECK_EQ(call(0, 0xff000, 1, SHARE), -KVM_EPERM);
	CHECK_EQ(call(0, 0xff000, 2, SHARE), -KVM_EPERM);
	CHECK_EQ(call(0, 0x100000, 256, SHARE), 0);
	CHECK_EQ(call(1, 0x1ff000, 2, SHARE), -KVM_EPERM);
	CHECK_EQ(call(1, 0x200000, 1, SHARE), -KVM_EPERM);
	CHECK_EQ(call(1, 0x200000, 1, HIDE), 0);
}

TEST(quota_asks_the_VMM_where_it_has_enabled_exits)
{
	start("bpf/quota.bpf.o", true, true, PARAMS("ceiling", "1"));
	CHECK_EQ(call(0, GPA, 1, SHARE), 0);
	CHECK_EQ(vm->vcpus[0].exits, 0);
	CHECK_EQ(call(0, GPA + PAGE, 1, SHARE), 0);
	CHECK_EQ(vm->vcpus[0].exits, 1);
	CHECK_EQ(counted("refused_requests"), 1);
}

TEST(quota_counts_anew_after_a_reset_a_restore_and_a_replace)
{
	struct hcpolicy *before;

	start("bpf/bitmap.bpf.o", false, false, NULL);
	CHECK_EQ(call(0, GPA, 100, SHARE), 0);
	CHECK_EQ(call(0, MAX_GPA - PAGE, 1, SHARE), 0);
	before = policy;
	policy = hcp_open("bpf/quota.bpf.o");
	tune("ceiling", "102");
	CHECK_EQ(hcpolicy__replace(before, policy, false), 0);
	hcpolicy__close(before);
	set = hcpolicy__set(policy);
	CHECK_EQ(call(0, GPA + 100 * PAGE, 1, SHARE), 0);
	CHECK_EQ(call(1, GPA + 101 * PAGE, 1, SHARE), -KVM_EPERM);
	CHECK_EQ(counted("shared_pages"), 103);

	hcp_set__reset(set);
	CHECK_EQ(call(1, GPA, 102, SHARE), 0);
	CHECK_EQ(call(1, GPA + 102 * PAGE, 1, SHARE), -KVM_EPERM);
	CHECK_EQ(counted("shared_pages"), 103);
}

/* --- requests of two vCPUs at once */

struct worker {
	pthread_t thread;
	int vcpu;
	unsigned int seed, granted;
};

static void *convert(void *arg)
{
	struct worker *w = arg;
	unsigned int i, first, n;

	for (i = 0; i < 400; i++) {
		first = rand_r(&w->seed) % 300;
		n = 1 + rand_r(&w->seed) % 200;
		w->granted += !call(w->vcpu, GPA + first * PAGE, n, rand_r(&w->seed) & 1 ? SHARE : HIDE);
	}
	return NULL;
}

static void convert_at_once(void)
{
	struct worker w[2] = { { .vcpu = 0, .seed = 1 }, { .vcpu = 1, .seed = 2 } };
	int i;

	for (i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&w[i].thread, NULL, convert, &w[i]), 0);
	for (i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(w[i].thread, NULL), 0);
}

TEST(quota_s_count_is_exact_after_two_vCPUs_at_once)
{
	start("bpf/quota.bpf.o", false, false, PARAMS("ceiling", "250"));
	convert_at_once();
	CHECK_EQ(counted("shared_pages"), hcp_set__count(set));
	CHECK(counted("refused_requests"));
	CHECK(hcp_set__complete(set));
}

/* --- exit-filter */

TEST(exit_filter_exits_only_for_what_was_asked)
{
	struct vcpu *v;

	start("bpf/exit-filter.bpf.o", true, true, PARAMS("on_hide", "false", "least_pages", "8"));
	v = &vm->vcpus[0];
	CHECK_EQ(call(0, GPA, 7, SHARE), 0);
	CHECK_EQ(v->exits, 0);
	CHECK_EQ(call(0, GPA, 8, SHARE), 0);
	CHECK_EQ(v->exits, 1);
	CHECK_EQ(call(0, GPA, 8, HIDE), 0);
	CHECK_EQ(v->exits, 1);
	tune("on_hide", "true");
	CHECK_EQ(call(0, GPA + 0x100000, 8, HIDE), 0);	/* changes nothing */
	CHECK_EQ(v->exits, 1);
	CHECK_EQ(call(0, GPA, 8, SHARE), 0);
	CHECK_EQ(v->exits, 2);
	CHECK_EQ(call(0, GPA, 8, HIDE), 0);
	CHECK_EQ(v->exits, 3);
	tune("window_start", "0x200000");
	CHECK_EQ(call(0, GPA, 8, SHARE), 0);
	CHECK_EQ(v->exits, 3);
	CHECK_EQ(hcp_set__count(set), 8);
	CHECK(hcp_set__complete(set));
}

TEST(exit_filter_s_set_is_right_after_two_vCPUs_at_once)
{
	start("bpf/exit-filter.bpf.o", true, true, NULL);
	convert_at_once();
	CHECK(vm->vcpus[0].exits && vm->vcpus[1].exits);
	CHECK(hcp_set__complete(set));
}

/* --- throttle */

TEST(throttle_makes_who_asks_too_often_wait_and_loses_nothing)
{
	start("bpf/throttle.bpf.o", false, false, PARAMS("rate", "1000", "burst", "2"));
	CHECK_EQ(call(0, GPA, 1, SHARE), 0);
	convert_at_once();
	CHECK(counted("waited"));
	CHECK_EQ(counted("over"), 0);
	CHECK(hcp_set__complete(set));
}

TEST(throttle_lets_a_burst_pass)
{
	start("bpf/throttle.bpf.o", false, false, PARAMS("rate", "1", "burst", "1000"));
	convert_at_once();
	CHECK_EQ(counted("waited"), 0);
}

/* --- freeze */

static void *share_one(void *arg)
{
	return (void *)call(0, GPA, 1, SHARE);
}

TEST(freeze_holds_a_request_until_it_is_let_go)
{
	pthread_t thread;
	void *ret;

	start("bpf/freeze.bpf.o", false, false, NULL);
	CHECK_EQ(call(1, GPA + PAGE, 1, SHARE), 0);
	tune("frozen", "true");
	CHECK_EQ(pthread_create(&thread, NULL, share_one, NULL), 0);
	WAIT_UNTIL(counted("held") > 3);
	CHECK_EQ(hcp_set__count(set), 1);
	tune("frozen", "false");
	CHECK_EQ(pthread_join(thread, &ret), 0);
	CHECK(!ret);
	CHECK_EQ(hcp_set__count(set), 2);
	CHECK_EQ(counted("passed"), 0);
	CHECK(hcp_set__complete(set));
}

/* --- hole */

TEST(hole_answers_what_is_no_RAM_and_books_what_is)
{
	start("bpf/hole.bpf.o", false, false, PARAMS("low_end", "0x10000000", "high_end", "0x110000000"));
	CHECK_EQ(call(0, 0x0fffe000, 2, SHARE), 0);
	CHECK_EQ(call(0, 0x10000000, 512, SHARE), 0);
	CHECK_EQ(call(1, 0x110000000, 512, SHARE), 0);
	CHECK_EQ(counted("ignored"), 2);
	CHECK_EQ(hcp_set__count(set), 2);
	CHECK_EQ(hcp_set__beyond(set), 0);
	/* What touches RAM is booked whole. */
	CHECK_EQ(call(1, 0x0ffff000, 2, SHARE), 0);
	CHECK_EQ(hcp_set__count(set), 3);
	CHECK_EQ(call(1, 0x100000000, 1, SHARE), 0);
	CHECK_EQ(hcp_set__beyond(set), 1);
	CHECK_EQ(counted("ignored"), 2);
	CHECK(hcp_set__complete(set));
}

TAP_MAIN(
	T(quota_grants_exactly_up_to_its_ceiling),
	T(quota_counts_a_page_once_and_takes_it_back),
	T(quota_refuses_what_is_not_in_its_window),
	T(quota_asks_the_VMM_where_it_has_enabled_exits),
	T(quota_counts_anew_after_a_reset_a_restore_and_a_replace),
	T(quota_s_count_is_exact_after_two_vCPUs_at_once),
	T(exit_filter_exits_only_for_what_was_asked),
	T(exit_filter_s_set_is_right_after_two_vCPUs_at_once),
	T(throttle_makes_who_asks_too_often_wait_and_loses_nothing),
	T(throttle_lets_a_burst_pass),
	T(freeze_holds_a_request_until_it_is_let_go),
	T(hole_answers_what_is_no_RAM_and_books_what_is),
)
