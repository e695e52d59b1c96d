// SPDX-License-Identifier: GPL-2.0
/*
 * What a guest may ask for and should not: policies see none of it, and KVM
 * answers as it would without them.
 */
#include <errno.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "hcp.h"
#include "pol.h"
#include "tap.h"
#include "vm.h"

#define GPA	0x100000ULL
#define TOP	(1ULL << VM_PHYS_BITS)		/* where addresses end */

static struct vm *vm;
static struct vcpu *v;
static struct pol *p;

static void set_up(bool exits)
{
	vm = vm_new(1, exits);
	v = &vm->vcpus[0];
	p = pol_obey(vm->fd, KVM_HCPOLICY_TAKE_EXITS, KVM_HCPOLICY_HANDLED);
}

/* The guest sees EINVAL, the policy nothing, and the VMM nothing. */
static void check_einval(uint64_t gpa, uint64_t npages)
{
	set_up(true);
	CHECK_EQ(vcpu_call(v, gpa, npages, SHARE), -KVM_EINVAL);
	CHECK_EQ(vcpu_call(v, gpa, npages, HIDE), -KVM_EINVAL);
	CHECK_EQ(p->state->calls, 0);
	CHECK_EQ(v->exits, 0);
	CHECK_STATS(v, 0);
}

TEST(an_unaligned_address_is_EINVAL)
{
	check_einval(GPA + 1, 1);
	check_einval(GPA + PAGE - 8, 1);
	check_einval(~0ULL, 1);
}

TEST(no_pages_are_EINVAL)
{
	check_einval(GPA, 0);
	check_einval(0, 0);
}

TEST(a_range_that_overflows_is_EINVAL)
{
	check_einval(GPA, ~0ULL);
	check_einval(PAGE, ~0ULL);
	check_einval(-PAGE, ~0ULL - (-PAGE >> 12) + 1);
}

/*
 * What no policy can make sense of: counted, not shown to it, and an exit or
 * ENOSYS as without one.
 */
static void check_bad_request(uint64_t gpa, uint64_t npages, uint64_t attrs)
{
	set_up(true);
	v->exit_ret = -7;
	CHECK_EQ(vcpu_call(v, gpa, npages, attrs), -7);
	CHECK_EQ(v->exits, 1);
	CHECK_EQ(v->exit.gpa, gpa);
	CHECK_EQ(v->exit.npages, npages);
	CHECK_EQ(v->exit.attrs, attrs);
	CHECK_EQ(p->state->calls, 0);
	CHECK_STATS(v, .dflt = 1, .bad_request = 1);

	set_up(false);
	CHECK_EQ(vcpu_call(v, gpa, npages, attrs), -KVM_ENOSYS);
	CHECK_EQ(p->state->calls, 0);
	CHECK_STATS(v, .dflt = 1, .bad_request = 1);
}

TEST(a_range_above_MAXPHYADDR_is_not_shown_to_the_policy)
{
	check_bad_request(TOP, 1, SHARE);
	check_bad_request(-PAGE, 1, SHARE);
}

TEST(a_range_that_ends_above_MAXPHYADDR_is_not_shown_to_the_policy)
{
	check_bad_request(TOP - PAGE, 2, HIDE);
	check_bad_request(0, (TOP >> 12) + 1, HIDE);
	check_bad_request(GPA, 1ULL << 51, SHARE);
}

TEST(a_range_that_ends_at_MAXPHYADDR_is_shown_to_the_policy)
{
	set_up(false);
	CHECK_EQ(vcpu_call(v, TOP - PAGE, 1, SHARE), 0);
	CHECK_EQ(p->state->gpa, TOP - PAGE);
	CHECK_STATS(v, .handled = 1);
}

TEST(reserved_attribute_bits_are_not_shown_to_the_policy)
{
	check_bad_request(GPA, 1, SHARE | 1 << 5);
	check_bad_request(GPA, 1, HIDE | 1ULL << 32);
	check_bad_request(GPA, 1, SHARE | 1ULL << 63);
}

TEST(every_attribute_that_has_a_meaning_is_shown_to_the_policy)
{
	uint64_t attrs;

	set_up(false);
	for (attrs = 0; attrs < 32; attrs++) {
		CHECK_EQ(vcpu_call(v, GPA, 1, attrs), 0);
		CHECK_EQ(p->state->attrs, attrs);
		CHECK_EQ(p->state->shared, !(attrs & HIDE));
	}
	CHECK_STATS(v, .handled = 32);
}

static struct hcg_request hypercall(uint64_t nr, uint32_t flags)
{
	return (struct hcg_request){
		.op = HCG_CALL, .flags = flags, .nr = nr, .a0 = GPA, .a1 = 1, .a2 = SHARE,
	};
}

TEST(a_request_from_CPL_3_is_EPERM_and_not_shown_to_the_policy)
{
	struct hcg_request req = hypercall(KVM_HC_MAP_GPA_RANGE, HCG_USER);

	set_up(true);
	vcpu_batch(v, &req, 1);
	CHECK_EQ(req.ret, -KVM_EPERM);
	CHECK_EQ(p->state->calls, 0);
	CHECK_EQ(v->exits, 0);
	CHECK_STATS(v, 0);
}

TEST(another_hypercall_is_not_shown_to_the_policy)
{
	struct hcg_request req = hypercall(4000, 0);

	set_up(true);
	vcpu_batch(v, &req, 1);
	CHECK_EQ(req.ret, -KVM_ENOSYS);
	CHECK_EQ(p->state->calls, 0);
	CHECK_STATS(v, 0);
}

/* A slot comes and goes; true if a request that was there before goes on. */
static bool changes_slots_meanwhile(void)
{
	struct hcg_request all = hc_request(0, TOP / PAGE, SHARE, 0);
	struct kvm_userspace_memory_region slot = {
		.slot = 1,
		.guest_phys_addr = TOP / 2,
		.memory_size = PAGE,
		.userspace_addr = (uintptr_t)vm->mem,
	};
	uint64_t before = p->state->calls;
	bool meanwhile;

	vcpu_start(v, &all, 1);
	while (p->state->calls == before)
		sched_yield();
	CHECK_EQ(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot), 0);
	meanwhile = p->state->calls - before < TOP / PAGE / KVM_HCPOLICY_MAX_PAGES;
	slot.memory_size = 0;
	CHECK_EQ(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot), 0);
	vcpu_join(v);
	CHECK_EQ(v->mbox->failed, 0);
	CHECK_EQ(p->state->calls - before, TOP / PAGE / KVM_HCPOLICY_MAX_PAGES);
	return meanwhile;
}

/* If it waited for the request, it would come too late each time. */
TEST(a_change_of_memslots_does_not_wait_for_a_huge_request)
{
	int tries;

	set_up(false);
	for (tries = 1; !changes_slots_meanwhile(); tries++)
		CHECK_CMP(tries, <, 500);
	tap_note("%d tries", tries);
}

/* The set of these tests. */
#define SET_PAGES	(2ULL * HCP_CHUNK_PAGES)
#define SET_END		(SET_PAGES * PAGE)

static struct hcp_set *set_up_set(void)
{
	struct hcp_set *set;

	vm = vm_new(1, false);
	v = &vm->vcpus[0];
	set = hcpolicy__set(hcp_attach(vm, "bpf/bitmap.bpf.o", SET_END, false, NULL));
	CHECK_EQ(hcp_set__npages(set), SET_PAGES);
	CHECK(hcp_set__complete(set));
	return set;
}

TEST(a_request_beyond_the_set_is_answered_and_ends_no_trust_in_the_set)
{
	struct hcp_set *set = set_up_set();

	CHECK_EQ(vcpu_call(v, SET_END, 7, SHARE), 0);
	CHECK_EQ(hcp_set__beyond(set), 7);
	CHECK_EQ(vcpu_call(v, TOP - 3 * PAGE, 3, HIDE), 0);
	CHECK_EQ(hcp_set__beyond(set), 10);
	CHECK(hcp_set__complete(set));
	CHECK_EQ(hcp_set__count(set), 0);
}

TEST(a_request_half_beyond_the_set_is_booked_inside_it)
{
	struct hcp_set *set = set_up_set();
	struct hcp_range r = {};

	CHECK_EQ(vcpu_call(v, SET_END - 3 * PAGE, 8, SHARE), 0);
	CHECK_EQ(hcp_set__beyond(set), 5);
	CHECK(hcp_set__complete(set));
	CHECK_EQ(hcp_set__count(set), 3);
	CHECK(hcp_set__next(set, &r));
	CHECK_EQ(r.gfn, SET_PAGES - 3);
	CHECK_EQ(r.npages, 3);
}

TEST(a_request_of_many_pieces_half_beyond_the_set_is_booked_inside_it)
{
	struct hcp_set *set = set_up_set();
	uint64_t first = 5, npages = SET_PAGES + 3 * KVM_HCPOLICY_MAX_PAGES;

	CHECK_EQ(vcpu_call(v, first * PAGE, npages, SHARE), 0);
	CHECK_EQ(hcp_set__count(set), SET_PAGES - first);
	CHECK_EQ(hcp_set__beyond(set), npages - (SET_PAGES - first));
	CHECK(!hcp_set__test(set, first - 1));
	CHECK(hcp_set__test(set, first));
}

TAP_MAIN
