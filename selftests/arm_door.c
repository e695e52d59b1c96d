// SPDX-License-Identifier: GPL-2.0
/*
 * The door of arm64: the calls MEM_SHARE and MEM_UNSHARE, what a VMM's SMCCC filter does to them,
 * and how a VMM offers them.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../guest/arm64/calls.h"
#include "../guest/arm64/filter.h"
#include "../guest/arm64/regs.h"
#include "hcp.h"
#include "offer.h"
#include "pol.h"
#include "tap.h"
#include "vm.h"

#define GPA		VM_FREE_GPA
#define MAX_GPA		(1ULL << 30)
#define EXITS		true
#define NO_EXITS	false
#define BY_HVC		0
#define BY_SMC		HCG_SMC
#define HVC_0		0xd4000002u	/* the instructions */
#define SMC_0		0xd4000003u

static struct vm *vm;
static struct vcpu *v;
static struct pol *p;

static void new_vm(bool exits)
{
	vm = vm_new(1, exits);
	v = &vm->vcpus[0];
}

/* A VM with a policy that answers with answer. */
static void set_up(bool exits, uint32_t flags, int answer)
{
	new_vm(exits);
	p = pol_obey(vm->fd, flags, answer);
}

static struct hcg_request request(uint32_t function, uint64_t x1, uint32_t flags)
{
	return (struct hcg_request){ .op = HCG_CALL, .flags = flags, .nr = function, .a0 = x1 };
}

static int64_t call(uint32_t function, uint64_t x1, uint64_t x2, uint64_t x3)
{
	struct hcg_request r = request(function, x1, BY_HVC);

	r.a1 = x2;
	r.a2 = x3;
	vcpu_batch(v, &r, 1);
	return r.ret;
}

static int64_t share(uint64_t gpa)
{
	return call(SMCCC_KVM_MEM_SHARE, gpa, 0, 0);
}

static int64_t hide(uint64_t gpa)
{
	return call(SMCCC_KVM_MEM_UNSHARE, gpa, 0, 0);
}

static uint64_t reg(uint64_t id)
{
	uint64_t value;

	CHECK_EQ(arm64_get(v->fd, id, &value), 0);
	return value;
}

TEST(the_policy_sees_the_request_as_the_guest_made_it)
{
	set_up(NO_EXITS, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(share(GPA), SMCCC_SUCCESS);
	CHECK_EQ(p->state->calls, 1);
	CHECK_EQ(p->state->gpa, GPA);
	CHECK_EQ(p->state->npages, 1);
	CHECK_EQ(p->state->attrs, 0);
	CHECK_EQ(p->state->shared, 1);
	CHECK_EQ(p->state->source, KVM_HCPOLICY_SRC_SMCCC);
	CHECK_EQ(p->state->vcpu_id, 0);
	CHECK_EQ(p->state->flags, KVM_HCPOLICY_MAY_HANDLE);

	CHECK_EQ(hide(0), SMCCC_SUCCESS);
	CHECK_EQ(p->state->calls, 2);
	CHECK_EQ(p->state->gpa, 0);
	CHECK_EQ(p->state->npages, 1);
	CHECK_EQ(p->state->attrs, HIDE);
	CHECK_EQ(p->state->shared, 0);
	CHECK_STATS(v, .handled = 2);
}

TEST(the_set_is_what_the_guest_has_asked_for)
{
	struct hcp_set *set;
	uint64_t i;

	new_vm(NO_EXITS);
	set = hcpolicy__set(hcp_attach(vm, "bpf/bitmap.bpf.o", MAX_GPA, false, NULL));
	for (i = 0; i < 64; i++)
		CHECK_EQ(share(GPA + i * PAGE), SMCCC_SUCCESS);
	for (i = 8; i < 16; i++)
		CHECK_EQ(hide(GPA + i * PAGE), SMCCC_SUCCESS);
	CHECK_EQ(hcp_set__count(set), 56);
	for (i = 0; i < 64; i++)
		CHECK_EQ(hcp_set__test(set, GPA / PAGE + i), i < 8 || i >= 16);
	CHECK(hcp_set__complete(set));
}

/* --- arguments */

TEST(an_address_that_is_not_aligned_to_4_KiB_is_INVALID_PARAMETER_and_not_shown)
{
	set_up(NO_EXITS, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(share(GPA + 1), SMCCC_INVALID_PARAMETER);
	CHECK_EQ(share(GPA + 2048), SMCCC_INVALID_PARAMETER);
	CHECK_EQ(hide(GPA - 1), SMCCC_INVALID_PARAMETER);
	CHECK_EQ(p->state->calls, 0);
	CHECK_EQ(share(GPA + 4096), SMCCC_SUCCESS);
	CHECK_STATS(v, .handled = 1);
}

TEST(a_reserved_argument_that_is_not_0_is_INVALID_PARAMETER_and_not_shown)
{
	set_up(NO_EXITS, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(call(SMCCC_KVM_MEM_SHARE, GPA, 1, 0), SMCCC_INVALID_PARAMETER);
	CHECK_EQ(call(SMCCC_KVM_MEM_UNSHARE, GPA, 0, 1ULL << 63), SMCCC_INVALID_PARAMETER);
	CHECK_EQ(p->state->calls, 0);
	CHECK_STATS(v, 0);
}

TEST(a_forwarded_call_with_bad_arguments_is_the_VMMs)
{
	set_up(EXITS, KVM_HCPOLICY_TAKE_EXITS, KVM_HCPOLICY_HANDLED);
	v->exit_ret = -7;
	CHECK_EQ(share(GPA + 1), -7);
	CHECK_EQ(v->exit.gpa, GPA + 1);
	CHECK_EQ(call(SMCCC_KVM_MEM_UNSHARE, GPA, 1, 0), -7);
	CHECK_EQ(v->exits, 2);
	CHECK_EQ(p->state->calls, 0);
	CHECK_STATS(v, 0);
}

/* KVM in protected mode gives every VM as many bits as it has. */
static uint64_t ipa_end(void)
{
	FILE *f = fopen("/proc/cmdline", "r");
	int bits = VM_PHYS_BITS;
	char line[4096];

	CHECK(f && fgets(line, sizeof(line), f));
	fclose(f);
	if (strstr(line, "kvm-arm.mode=protected"))
		bits = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);
	return 1ULL << bits;
}

TEST(an_address_beyond_the_VMs_IPA_space_is_DEFAULT_and_counted)
{
	uint64_t end;

	set_up(NO_EXITS, 0, KVM_HCPOLICY_HANDLED);
	end = ipa_end();
	CHECK_EQ(share(end), SMCCC_NOT_SUPPORTED);
	CHECK_EQ(hide(-PAGE), SMCCC_NOT_SUPPORTED);
	CHECK_EQ(p->state->calls, 0);
	CHECK_EQ(share(end - PAGE), SMCCC_SUCCESS);
	CHECK_EQ(p->state->gpa, end - PAGE);
	CHECK_STATS(v, .handled = 1, .dflt = 2, .bad_request = 2);
}

/* --- the filter */

TEST(a_forwarded_call_is_an_enabled_exit)
{
	set_up(EXITS, 0, KVM_HCPOLICY_HANDLED);
	v->exit_ret = -7;
	CHECK_EQ(hide(GPA), -7);
	CHECK_EQ(p->state->calls, 1);
	CHECK_EQ(p->state->flags, KVM_HCPOLICY_EXIT_ENABLED);
	CHECK_EQ(v->exits, 1);
	CHECK_EQ(v->exit.gpa, GPA);
	CHECK_EQ(v->exit.attrs, HIDE);
	CHECK_STATS(v, .dflt = 1, .overruled = 1);
}

TEST(TAKE_EXITS_takes_a_forwarded_call)
{
	set_up(EXITS, KVM_HCPOLICY_TAKE_EXITS, KVM_HCPOLICY_HANDLED);
	v->exit_ret = -7;
	CHECK_EQ(share(GPA), SMCCC_SUCCESS);
	CHECK_EQ(p->state->flags, KVM_HCPOLICY_EXIT_ENABLED | KVM_HCPOLICY_MAY_HANDLE);
	CHECK_EQ(v->exits, 0);
	CHECK_STATS(v, .handled = 1);
}

/* Both calls have a rule of that action. */
static void set_up_rule(enum kvm_smccc_filter_action action)
{
	new_vm(NO_EXITS);
	CHECK_EQ(arm64_filter(vm->fd, SMCCC_KVM_MEM_SHARE, 2, action), 0);
	p = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);
}

TEST(a_denied_call_is_not_shown_to_the_policy)
{
	set_up_rule(KVM_SMCCC_FILTER_DENY);
	CHECK_EQ(share(GPA), SMCCC_NOT_SUPPORTED);
	CHECK_EQ(hide(GPA), SMCCC_NOT_SUPPORTED);
	CHECK_EQ(p->state->calls, 0);
	CHECK_STATS(v, 0);
}

TEST(a_call_that_a_rule_leaves_to_KVM_is_the_policys)
{
	set_up_rule(KVM_SMCCC_FILTER_HANDLE);
	CHECK_EQ(share(GPA), SMCCC_SUCCESS);
	CHECK_EQ(hide(GPA), SMCCC_SUCCESS);
	CHECK_EQ(p->state->flags, KVM_HCPOLICY_MAY_HANDLE);
	CHECK_STATS(v, .handled = 2);
}

/* It has the bit of FEATURES in the firmware registers, without which no call of KVM's is there. */
TEST(a_VM_without_KVMs_own_calls_has_none_for_the_policy)
{
	new_vm(NO_EXITS);
	CHECK_EQ(arm64_set(v->fd, KVM_REG_ARM_VENDOR_HYP_BMAP, 0), 0);
	p = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(share(GPA), SMCCC_NOT_SUPPORTED);
	CHECK_EQ(hide(GPA), SMCCC_NOT_SUPPORTED);
	CHECK_EQ(p->state->calls, 0);
	CHECK_STATS(v, 0);
}

/* --- verdicts */

TEST(a_refusal_is_INVALID_PARAMETER_or_NOT_SUPPORTED_and_never_an_exit)
{
	static const struct {
		int answer, seen;
	} refusals[] = {
		{ -EPERM, SMCCC_INVALID_PARAMETER }, { -EINVAL, SMCCC_INVALID_PARAMETER },
		{ -ENOMEM, SMCCC_INVALID_PARAMETER }, { -4095, SMCCC_INVALID_PARAMETER },
		{ -ENOSYS, SMCCC_NOT_SUPPORTED }, { -EOPNOTSUPP, SMCCC_NOT_SUPPORTED },
	};
	size_t i, n = sizeof(refusals) / sizeof(*refusals);

	set_up(EXITS, 0, 0);
	for (i = 0; i < n; i++) {
		p->state->answer = refusals[i].answer;
		CHECK_EQ(share(GPA), refusals[i].seen);
	}
	CHECK_EQ(v->exits, 0);
	CHECK_STATS(v, .refused = n);
}

TEST(a_page_that_is_refused_is_not_in_the_set)
{
	struct hcpolicy *policy;
	struct hcp_set *set;

	new_vm(NO_EXITS);
	policy = hcp_attach(vm, "bpf/quota.bpf.o", MAX_GPA, false, HCP_PARAMS("ceiling", "2"));
	set = hcpolicy__set(policy);
	CHECK_EQ(share(GPA), SMCCC_SUCCESS);
	CHECK_EQ(share(GPA + PAGE), SMCCC_SUCCESS);
	CHECK_EQ(share(GPA + 2 * PAGE), SMCCC_INVALID_PARAMETER);
	CHECK(!hcp_set__test(set, GPA / PAGE + 2));
	CHECK_EQ(hcp_set__count(set), 2);
	CHECK_EQ(hide(GPA), SMCCC_SUCCESS);
	CHECK_EQ(share(GPA + 2 * PAGE), SMCCC_SUCCESS);
	CHECK(hcp_set__test(set, GPA / PAGE + 2));
	CHECK(hcp_set__complete(set));
}

static void on_signal(int sig)
{
	v->run->immediate_exit = 1;
}

/* Out of KVM_RUN between two tries, the guest is where it was before the call. */
static void check_retry(uint32_t how, uint32_t instruction)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct hcg_request r = request(SMCCC_KVM_MEM_SHARE, GPA, HCG_EXPECT | how);
	uint64_t tries = 0;
	uint32_t insn;
	int i;

	set_up(NO_EXITS, 0, KVM_HCPOLICY_RETRY);
	v->stop_on_eintr = true;
	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	vcpu_put(v, HCG_CMD_RUN, &r, 1);
	for (i = 0; i < 3; i++) {
		v->run->immediate_exit = 0;
		vcpu_run_in_thread(v);
		WAIT_UNTIL(p->state->calls >= tries + 40);
		CHECK_EQ(pthread_kill(v->thread, SIGUSR1), 0);
		vcpu_join(v);
		CHECK(!v->ready);
		tries = p->state->calls;
		memcpy(&insn, vm->mem + reg(ARM64_REG(regs.pc)), sizeof(insn));
		CHECK_EQ(insn, instruction);
		CHECK_EQ(reg(ARM64_REG(regs.regs[0])), SMCCC_KVM_MEM_SHARE);
		CHECK_EQ(reg(ARM64_REG(regs.regs[1])), GPA);
	}

	v->run->immediate_exit = 0;
	p->state->answer = KVM_HCPOLICY_HANDLED;
	CHECK(vcpu_run(v));
	CHECK_EQ(v->mbox->failed, 0);
	CHECK_EQ(p->state->calls, tries + 1);
	CHECK_EQ(p->state->flags, KVM_HCPOLICY_MAY_HANDLE);
	CHECK_STATS(v, .handled = 1, .retry = tries);
}

TEST(RETRY_makes_the_guest_run_its_HVC_again)
{
	check_retry(BY_HVC, HVC_0);
}

TEST(RETRY_makes_the_guest_run_its_SMC_again)
{
	check_retry(BY_SMC, SMC_0);
}

/* --- discovery */

static void check_not_offered(void)
{
	CHECK_EQ(call(SMCCC_KVM_FEATURES, 0, 0, 0) & SMCCC_KVM_OFFERED, 0);
	CHECK_EQ(call(SMCCC_KVM_MEMINFO, 0, 0, 0), SMCCC_NOT_SUPPORTED);
}

TEST(KVM_itself_offers_nothing_and_an_attached_policy_changes_nothing_of_it)
{
	new_vm(NO_EXITS);
	check_not_offered();
	CHECK_EQ(share(GPA), SMCCC_NOT_SUPPORTED);
	p = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);
	check_not_offered();
	CHECK_EQ(p->state->calls, 0);
	CHECK_EQ(share(GPA), SMCCC_SUCCESS);
}

/* The guest asks what is there, and this VMM answers. */
static int64_t ask_VMM(uint32_t function)
{
	struct hcg_request r = request(function, 0, BY_HVC);

	vcpu_put(v, HCG_CMD_RUN, &r, 1);
	CHECK_EQ(hcguest_run(v->fd, v->run), -KVM_EXIT_HYPERCALL);
	CHECK_EQ(answer_call(v->fd, v->run), 1);
	CHECK(vcpu_run(v));
	memcpy(&r, vm->mem + VM_BATCH_GPA(v->index), sizeof(r));
	return r.ret;
}

TEST(a_guest_that_the_VMM_has_offered_the_calls_is_left_alone_by_a_detach)
{
	int64_t kvms;

	new_vm(NO_EXITS);
	kvms = call(SMCCC_KVM_FEATURES, 0, 0, 0);
	CHECK(kvms & 1);	/* FEATURES itself */
	vm_free(vm);

	new_vm(NO_EXITS);
	CHECK_EQ(offer_calls(vm->fd), 0);
	p = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(ask_VMM(SMCCC_KVM_FEATURES), kvms | SMCCC_KVM_OFFERED);
	CHECK_EQ(ask_VMM(SMCCC_KVM_MEMINFO), PAGE);
	CHECK_EQ(share(GPA), SMCCC_SUCCESS);
	pol_detach(p);
	CHECK_EQ(ask_VMM(SMCCC_KVM_MEMINFO), PAGE);
	CHECK_EQ(share(GPA), SMCCC_NOT_SUPPORTED);
	CHECK_EQ(p->state->calls, 1);
}

/* --- VMs and vCPUs for which there is no such call */

/* hvc #0; str r0, [r5]: what KVM answers is stored where no memory is. */
static const uint32_t aarch32[] = { 0xe1400070, 0xe5850000 };

#define NO_MEMORY	0x90000000u
#define SVC_MODE	0x1d3		/* of AArch32; A, I, F masked */

TEST(a_call_from_AArch32_is_not_shown_to_the_policy)
{
	struct kvm_vcpu_init init = {};
	uint32_t answer;

	/* With no vCPU yet: all of a VM are 32-bit, or none. */
	vm = vm_new(0, NO_EXITS);
	if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_EL1_32BIT) <= 0)
		tap_skip("this CPU has no AArch32 at EL1");
	p = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);
	v = &vm->vcpus[0];
	v->fd = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	CHECK_CMP(v->fd, >=, 0);
	v->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	CHECK(v->run != MAP_FAILED);
	CHECK_EQ(ioctl(vm->fd, KVM_ARM_PREFERRED_TARGET, &init), 0);
	init.features[0] = 1 << KVM_ARM_VCPU_EL1_32BIT;
	CHECK_EQ(ioctl(v->fd, KVM_ARM_VCPU_INIT, &init), 0);
	memcpy(vm->mem + GPA, aarch32, sizeof(aarch32));
	CHECK_EQ(arm64_set(v->fd, ARM64_REG(regs.pstate), SVC_MODE), 0);
	CHECK_EQ(arm64_set(v->fd, ARM64_REG(regs.pc), GPA), 0);
	CHECK_EQ(arm64_set(v->fd, ARM64_REG(regs.regs[0]), SMCCC_KVM_MEM_SHARE), 0);
	CHECK_EQ(arm64_set(v->fd, ARM64_REG(regs.regs[1]), GPA), 0);
	CHECK_EQ(arm64_set(v->fd, ARM64_REG(regs.regs[5]), NO_MEMORY), 0);
	CHECK_EQ(ioctl(v->fd, KVM_RUN, NULL), 0);
	CHECK_EQ(v->run->exit_reason, KVM_EXIT_MMIO);
	CHECK_EQ(v->run->mmio.phys_addr, NO_MEMORY);
	memcpy(&answer, v->run->mmio.data, sizeof(answer));
	CHECK_EQ((int32_t)answer, SMCCC_NOT_SUPPORTED);
	CHECK_EQ(p->state->calls, 0);
}

#ifndef KVM_VM_TYPE_ARM_PROTECTED
#define KVM_VM_TYPE_ARM_PROTECTED	(1UL << 31)
#endif

TEST(a_protected_VM_can_have_no_policy)
{
	struct pol *policy;
	int fd;

	new_vm(NO_EXITS);
	fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, KVM_VM_TYPE_ARM_PROTECTED);
	if (fd < 0)
		tap_skip("this KVM makes no protected VMs: %s", strerror(errno));
	policy = pol_load("obey", fd, 0);
	CHECK_EQ(pol_try_attach(policy), -EOPNOTSUPP);
	/* An ordinary one can, next to it. */
	p = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(share(GPA), SMCCC_SUCCESS);
}

TAP_MAIN
