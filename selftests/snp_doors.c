// SPDX-License-Identifier: GPL-2.0
/* The page state changes of SEV-SNP, by MSR and by buffer (snp.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pol.h"
#include "snp.h"
#include "tap.h"
#include "vm.h"

#define PSC_OK			0ULL
#define PSC_ERROR		(0x100ULL << 32)
#define PSC_BAD_HEADER		(1ULL << 32 | 1)
#define PSC_BAD_ENTRY		(1ULL << 32 | 2)

struct psc {
	uint16_t cur_entry, end_entry;
	uint32_t reserved;
	struct {
		uint64_t cur_page : 12, gfn : 40, operation : 4, pagesize : 1, reserved : 7;
	} entries[HCST_PSC_MAX];
};

#define BUFFER_GPA	VM_FREE_GPA
#define GFN		0x100000ULL
#define MAX_ANSWERS	64	/* of a policy, before the guest is resumed */

static struct vm *vm;
static struct vcpu *v;
static struct pol *p;
static volatile struct psc *psc;

static void use_vm(struct vm *new_vm)
{
	vm = new_vm;
	v = &vm->vcpus[0];
	psc = (void *)(vm->mem + BUFFER_GPA);
}

static void set_up(bool exits, uint32_t flags, int answer)
{
	use_vm(vm_new(2, exits));
	p = pol_obey(vm->fd, flags, answer);
}

static uint64_t ask_msr(uint64_t gfn, int op)
{
	return snp_msr(v, gfn, op);
}

static uint64_t ask_buffer(void)
{
	return snp_trigger(v, HCST_PSC_BUFFER, BUFFER_GPA);
}

/* n entries from the first on, of each step-th page. */
static void fill(unsigned int n, uint64_t gfn, unsigned int step, int op)
{
	unsigned int i;

	memset((void *)psc, 0, sizeof(*psc));
	for (i = 0; i < n; i++) {
		psc->entries[i].gfn = gfn + (uint64_t)i * step;
		psc->entries[i].operation = op;
		psc->entries[i].pagesize = step >= 512;
	}
	psc->end_entry = n - 1;
}

static void check_request(uint8_t source, uint64_t gfn, uint64_t npages, bool shared)
{
	CHECK_EQ(p->state->source, source);
	CHECK_EQ(p->state->gpa, gfn * PAGE);
	CHECK_EQ(p->state->npages, npages);
	CHECK_EQ(p->state->shared, shared);
	CHECK_EQ(p->state->flags & KVM_HCPOLICY_NO_RETRY, KVM_HCPOLICY_NO_RETRY);
}

TEST(an_MSR_request_comes_to_the_policy_as_what_it_is)
{
	set_up(false, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(ask_msr(GFN, OP_SHARED), MSR_OK);
	check_request(KVM_HCPOLICY_SRC_SNP_MSR, GFN, 1, true);
	CHECK_EQ(ask_msr(GFN + 1, OP_PRIVATE), MSR_OK);
	check_request(KVM_HCPOLICY_SRC_SNP_MSR, GFN + 1, 1, false);
	CHECK_STATS(v, .handled = 2);
}

TEST(an_MSR_request_that_is_refused_is_an_error_of_the_MSR_protocol)
{
	set_up(true, 0, -EPERM);
	CHECK_EQ(ask_msr(GFN, OP_SHARED), MSR_ERROR);
	CHECK_EQ(v->exits, 0);
	CHECK_STATS(v, .refused = 1);
}

TEST(an_MSR_request_that_is_left_to_KVM_exits_or_is_an_error)
{
	set_up(true, 0, KVM_HCPOLICY_DEFAULT);
	CHECK_EQ(ask_msr(GFN, OP_PRIVATE), MSR_OK);
	CHECK_EQ(v->exits, 1);
	CHECK_EQ(v->exit.gpa, GFN * PAGE);
	CHECK_EQ(v->exit.npages, 1);
	CHECK_EQ(v->exit.attrs, HIDE);
	v->exit_ret = EINVAL;	/* 7.3 takes no other error from the VMM */
	CHECK_EQ(ask_msr(GFN, OP_PRIVATE), MSR_ERROR);
	CHECK_EQ(v->exits, 2);

	set_up(false, 0, KVM_HCPOLICY_DEFAULT);
	CHECK_EQ(ask_msr(GFN, OP_PRIVATE), MSR_ERROR);
	CHECK_EQ(p->state->calls, 1);
}

TEST(neither_door_can_run_a_request_again)
{
	set_up(false, 0, KVM_HCPOLICY_RETRY);
	CHECK_EQ(ask_msr(GFN, OP_SHARED), MSR_ERROR);
	fill(1, GFN, 1, OP_SHARED);
	CHECK_EQ(ask_buffer(), PSC_ERROR);
	CHECK_EQ(p->state->calls, 2);
	CHECK_STATS(v, .dflt = 2, .overruled = 2);
}

TEST(without_a_policy_both_doors_are_as_before)
{
	use_vm(vm_new(1, true));
	CHECK_EQ(ask_msr(GFN, OP_SHARED), MSR_OK);
	fill(3, GFN, 2, OP_SHARED);
	CHECK_EQ(ask_buffer(), PSC_OK);
	CHECK_EQ(v->exits, 4);
	CHECK_EQ(v->exit.gpa, (GFN + 4) * PAGE);

	use_vm(vm_new(1, false));
	CHECK_EQ(ask_msr(GFN, OP_SHARED), MSR_ERROR);
	fill(1, GFN, 1, OP_SHARED);
	CHECK_EQ(ask_buffer(), PSC_ERROR);
}

TEST(adjacent_entries_of_a_buffer_are_one_request)
{
	set_up(false, 0, KVM_HCPOLICY_HANDLED);
	fill(5, GFN, 1, OP_SHARED);
	CHECK_EQ(ask_buffer(), PSC_OK);
	check_request(KVM_HCPOLICY_SRC_SNP_PSC, GFN, 5, true);
	CHECK_EQ(p->state->calls, 1);
	CHECK_EQ(psc->cur_entry, 5);
	CHECK_EQ(psc->entries[4].cur_page, 1);

	fill(3, GFN, 512, OP_PRIVATE);
	CHECK_EQ(ask_buffer(), PSC_OK);
	check_request(KVM_HCPOLICY_SRC_SNP_PSC, GFN, 3 * 512, false);
	CHECK_EQ(psc->entries[2].cur_page, 512);
	CHECK_STATS(v, .handled = 2);
}

TEST(a_whole_buffer_of_2M_entries_comes_in_pieces)
{
	set_up(false, 0, KVM_HCPOLICY_HANDLED);
	fill(HCST_PSC_MAX, GFN, 512, OP_SHARED);
	CHECK_EQ(ask_buffer(), PSC_OK);
	CHECK_EQ(p->state->calls, 2);
	CHECK_EQ(p->state->pages, HCST_PSC_MAX * 512);
	CHECK_EQ(p->state->most_pages, KVM_HCPOLICY_MAX_PAGES);
	CHECK_EQ(psc->cur_entry, HCST_PSC_MAX);
	CHECK_STATS(v, .handled = 1);
}

TEST(the_guest_is_resumed_after_64_ranges_and_issues_the_rest)
{
	unsigned int done = 0, n = 2 * MAX_ANSWERS + 7;

	set_up(false, 0, KVM_HCPOLICY_HANDLED);
	fill(n, GFN, 2, OP_SHARED);
	while (psc->cur_entry <= psc->end_entry) {
		CHECK_EQ(ask_buffer(), PSC_OK);
		CHECK_CMP(psc->cur_entry, >, done);
		CHECK_CMP(psc->cur_entry - done, <=, MAX_ANSWERS);
		done = psc->cur_entry;
	}
	CHECK_EQ(done, n);
	CHECK_EQ(p->state->calls, n);
	CHECK_STATS(v, .handled = n);
}

TEST(a_refused_range_ends_the_buffer_where_it_is)
{
	set_up(true, KVM_HCPOLICY_TAKE_EXITS, KVM_HCPOLICY_HANDLED);
	p->state->then = -EPERM;
	p->state->change_at = 3;
	fill(5, GFN, 2, OP_SHARED);
	CHECK_EQ(ask_buffer(), PSC_ERROR);
	CHECK_EQ(psc->cur_entry, 2);
	CHECK_EQ(p->state->calls, 3);
	CHECK_EQ(v->exits, 0);
	CHECK_STATS(v, .handled = 2, .refused = 1);
}

TEST(ranges_that_exit_and_ranges_that_do_not_make_one_buffer)
{
	set_up(true, KVM_HCPOLICY_TAKE_EXITS, KVM_HCPOLICY_DEFAULT);
	p->state->then = KVM_HCPOLICY_HANDLED;
	p->state->change_at = 3;
	fill(5, GFN, 2, OP_SHARED);
	CHECK_EQ(ask_buffer(), PSC_OK);
	CHECK_EQ(v->exits, 2);
	CHECK_EQ(psc->cur_entry, 5);
	CHECK_STATS(v, .handled = 3, .dflt = 2);
}

static void rewrite_header(struct vcpu *v)
{
	psc->cur_entry = 0;
	psc->end_entry = 0xffff;
}

/* KVM's own indices count: each entry is processed once, and no other one. */
TEST(a_header_that_is_rewritten_on_the_way_changes_nothing)
{
	set_up(true, 0, KVM_HCPOLICY_DEFAULT);
	v->on_exit = rewrite_header;
	fill(9, GFN, 2, OP_SHARED);
	CHECK_EQ(ask_buffer(), PSC_OK);
	CHECK_EQ(v->exits, 9);
	CHECK_EQ(v->exit.gpa, (GFN + 16) * PAGE);
	CHECK_EQ(p->state->calls, 9);
}

/*
 * The same by another vCPU, at any moment, with answers from the policy.  It makes
 * the first entry new again, too: KVM must not come back to it.
 */
TEST(a_buffer_that_another_vCPU_rewrites_is_gone_through_once)
{
	const unsigned int n = 40;
	struct hcg_request storm[] = {
		{ .op = HCG_WRITE, .a0 = BUFFER_GPA, .a1 = (uint64_t)(n - 1) << 16 },
		{ .op = HCG_WRITE, .a0 = BUFFER_GPA + 8 },
	};
	uint64_t calls, stormed;
	unsigned int i;

	set_up(false, 0, KVM_HCPOLICY_HANDLED);
	p->state->spin_ns = 100000;
	fill(n, GFN, 2, OP_SHARED);
	memcpy(&storm[1].a1, (void *)&psc->entries[0], 8);
	vcpu_loop(&vm->vcpus[1], storm, 2);
	WAIT_UNTIL(vm->vcpus[1].mbox->iterations);
	for (i = 0; i < 20; i++) {
		calls = p->state->calls;
		fill(n, GFN, 2, OP_SHARED);
		CHECK_EQ(ask_buffer(), PSC_OK);
		CHECK_CMP(p->state->calls - calls, <=, n);
	}
	stormed = vcpu_stop(&vm->vcpus[1]);
	tap_note("%llu rewrites during %llu requests", (unsigned long long)stormed,
		 (unsigned long long)p->state->calls);
	CHECK_CMP(p->state->calls, >=, i);
	CHECK_CMP(stormed, >, p->state->calls);
}

TEST(a_bad_header_or_entry_is_not_shown_to_the_policy)
{
	set_up(true, 0, KVM_HCPOLICY_HANDLED);
	fill(1, GFN, 1, OP_SHARED);
	psc->end_entry = HCST_PSC_MAX;
	CHECK_EQ(ask_buffer(), PSC_BAD_HEADER);

	fill(1, GFN, 1, OP_SHARED);
	psc->entries[0].cur_page = 2;
	CHECK_EQ(ask_buffer(), PSC_BAD_ENTRY);

	fill(1, GFN + 1, 512, OP_SHARED);
	CHECK_EQ(ask_buffer(), PSC_BAD_ENTRY);

	/* Nothing to do, and nothing that KVM knows how to do. */
	fill(1, GFN, 1, OP_SHARED);
	psc->cur_entry = 1;
	CHECK_EQ(ask_buffer(), PSC_OK);
	fill(4, GFN, 1, OP_SMASH);
	CHECK_EQ(ask_buffer(), PSC_OK);

	CHECK_EQ(p->state->calls, 0);
	CHECK_EQ(v->exits, 0);
	CHECK_STATS(v, 0);
}

TEST(an_address_above_MAXPHYADDR_is_not_shown_to_the_policy)
{
	uint64_t top = 1ULL << (VM_PHYS_BITS - 12);

	set_up(false, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(ask_msr(top, OP_SHARED), MSR_ERROR);
	fill(2, top - 1, 1, OP_SHARED);
	CHECK_EQ(ask_buffer(), PSC_ERROR);
	CHECK_EQ(p->state->calls, 0);
	CHECK_STATS(v, .dflt = 2, .bad_request = 2);

	CHECK_EQ(ask_msr(top - 1, OP_SHARED), MSR_OK);
	CHECK_EQ(p->state->calls, 1);
}

static void convert(struct vcpu *v)
{
	vm_convert(vm, v->exit.gpa, v->exit.npages, !(v->exit.attrs & HIDE));
}

TEST(private_memory_is_converted_by_an_exit_and_its_repetition_absorbed)
{
	unsigned int i, exits[] = { 2, 2, 4, 4 };

	use_vm(vm_new_protected(1, true));
	v->on_exit = convert;
	p = pol_obey(vm->fd, KVM_HCPOLICY_TAKE_EXITS, KVM_HCPOLICY_HANDLED);
	for (i = 0; i < 4; i++) {
		int op = i < 2 ? OP_PRIVATE : OP_SHARED;

		fill(4, GFN, 1, op);
		CHECK_EQ(ask_buffer(), PSC_OK);
		CHECK_EQ(ask_msr(GFN + 9, op), MSR_OK);
		CHECK_EQ(v->exits, exits[i]);
	}
	CHECK_STATS(v, .dflt = 4, .overruled = 4, .handled = 4);

	/* One page of the buffer's range is not so: all of it exits. */
	vm_convert(vm, (GFN + 2) * PAGE, 1, false);
	fill(4, GFN, 1, OP_SHARED);
	CHECK_EQ(ask_buffer(), PSC_OK);
	CHECK_EQ(v->exits, 5);
}

TAP_MAIN
