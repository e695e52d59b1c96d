// SPDX-License-Identifier: GPL-2.0
/*
 * What the policies of bpf-progs/ that answer RETRY do at a door that cannot run a request
 * again: one of SEV-SNP's (snp.h).  The same guest can ask by the hypercall too, which can.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "hcp.h"
#include "snp.h"
#include "tap.h"

#define GFN	0x1000ULL
#define LARGE	16384

static struct vm *vm;
static struct vcpu *v;
static struct hcpolicy *policy;
static struct hcp_set *set;

static void start(const char *file, bool exits, const char *const params[])
{
	vm = vm_new(2, exits);
	v = &vm->vcpus[0];
	policy = hcp_attach(vm, file, 1ULL << 30, exits, params);
	set = hcpolicy__set(policy);
}

static bool frozen(void)
{
	return !strcmp(hcp_param(policy, "frozen").value, "true");
}

/* The policy's own variable, which is no parameter, in its map .bss. */
static volatile void *variable(const char *name)
{
	int fd = hcpolicy__map_fd(policy, ".bss");
	const struct btf_var_secinfo *var;
	const struct btf_type *section;
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);
	struct btf *btf;
	char *data;
	int i;

	CHECK_CMP(fd, >=, 0);
	CHECK_EQ(bpf_map_get_info_by_fd(fd, &info, &len), 0);
	data = mmap(NULL, info.value_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(data != MAP_FAILED);
	btf = btf__load_from_kernel_by_id(info.btf_id);
	CHECK(btf);
	section = btf__type_by_id(btf, info.btf_value_type_id);
	var = btf_var_secinfos(section);
	for (i = 0; i < btf_vlen(section); i++, var++) {
		if (!strcmp(btf__name_by_offset(btf, btf__type_by_id(btf, var->type)->name_off), name))
			break;
	}
	CHECK_CMP(i, <, btf_vlen(section));
	data += var->offset;
	btf__free(btf);
	return data;
}

static void *hypercall(void *ret)
{
	*(int64_t *)ret = vcpu_call(&vm->vcpus[1], (GFN + 100) * PAGE, 1, SHARE);
	return NULL;
}

/* Until it has been told to wait. */
static pthread_t ask_in_thread(int64_t *ret)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, hypercall, ret), 0);
	WAIT_UNTIL(vcpu_stats(&vm->vcpus[1]).retry > 2);
	return thread;
}

TEST(freeze_that_cannot_hold_a_request_is_off_and_says_so)
{
	int64_t ret;
	pthread_t thread;

	start("bpf/freeze.bpf.o", false, HCP_PARAMS("frozen", "true"));
	thread = ask_in_thread(&ret);
	CHECK(frozen());
	CHECK_EQ(hcp_number(policy, "passed"), 0);
	CHECK_EQ(hcp_set__count(set), 0);

	CHECK_EQ(snp_msr(v, GFN, OP_SHARED), MSR_OK);
	CHECK(!frozen());
	CHECK_EQ(hcp_number(policy, "passed"), 1);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(ret, 0);
	CHECK_EQ(hcp_set__count(set), 2);

	/* To arm it again is of no use. */
	CHECK_EQ(hcpolicy__set_param(policy, "frozen", "true"), 0);
	CHECK_EQ(snp_msr(v, GFN, OP_PRIVATE), MSR_OK);
	CHECK(!frozen());
	CHECK_EQ(hcp_number(policy, "passed"), 2);
	CHECK_EQ(hcp_set__count(set), 1);
	CHECK(hcp_set__complete(set));
}

TEST(throttle_passes_to_the_VMM_what_cannot_wait)
{
	start("bpf/throttle.bpf.o", true, HCP_PARAMS("rate", "1", "burst", "1"));
	CHECK_EQ(snp_msr(v, GFN, OP_SHARED), MSR_OK);
	CHECK_EQ(v->exits, 0);
	CHECK_EQ(snp_msr(v, GFN + 1, OP_SHARED), MSR_OK);
	CHECK_EQ(snp_msr(v, GFN + 2, OP_SHARED), MSR_OK);
	CHECK_CMP(v->exits, >=, 1);
	CHECK_EQ(hcp_number(policy, "waited"), 0);
	CHECK_CMP(hcp_number(policy, "over"), >, 0);
	CHECK_EQ(hcp_set__count(set), 3);
	CHECK(hcp_set__complete(set));
}

TEST(throttle_refuses_nothing_where_the_VMM_has_enabled_no_exits)
{
	start("bpf/throttle.bpf.o", false, HCP_PARAMS("rate", "1", "burst", "1"));
	CHECK_EQ(snp_msr(v, GFN, OP_SHARED), MSR_OK);
	CHECK_EQ(snp_msr(v, GFN + 1, OP_SHARED), MSR_OK);
	CHECK_EQ(snp_msr(v, GFN + 2, OP_SHARED), MSR_OK);
	CHECK_EQ(hcp_number(policy, "waited"), 0);
	CHECK_CMP(hcp_number(policy, "over"), >, 0);
	CHECK_EQ(hcp_set__count(set), 3);
}

/* As if another vCPU counted just now. */
TEST(quota_books_what_cannot_wait_until_it_has_counted_and_counts_once_more)
{
	volatile uint64_t *counted;
	int64_t ret;
	pthread_t thread;

	start("bpf/quota.bpf.o", false, HCP_PARAMS("ceiling", "3"));
	CHECK_EQ(vcpu_call(v, GFN * PAGE, 1, HIDE), 0);
	counted = variable("quota_counted");
	*(volatile uint32_t *)variable("quota_counting") = 1;
	*counted = 1;		/* QUOTA_NOT_YET */
	thread = ask_in_thread(&ret);
	CHECK_EQ(snp_msr(v, GFN, OP_SHARED), MSR_OK);
	CHECK_EQ(hcp_set__count(set), 1);
	CHECK_EQ(hcp_number(policy, "shared_pages"), 0);
	/* The count that the other one makes is of no use. */
	CHECK_EQ(*counted, 0);
	*(volatile uint32_t *)variable("quota_counting") = 0;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(ret, 0);
	CHECK_EQ(hcp_number(policy, "shared_pages"), 2);

	/* And what is not granted is refused at this door too. */
	CHECK_EQ(snp_msr(v, GFN + 1, OP_SHARED), MSR_OK);
	CHECK_EQ(snp_msr(v, GFN + 2, OP_SHARED), MSR_ERROR);
	CHECK_EQ(hcp_number(policy, "shared_pages"), 4);
	CHECK_EQ(hcp_number(policy, "refused_pages"), 1);
	CHECK_EQ(hcp_set__count(set), 4);
	CHECK(hcp_set__complete(set));
}

/* Another vCPU counts for ever, as a guest can see to. */
TEST(quota_has_its_ceiling_for_what_cannot_wait_though_no_count_succeeds)
{
	unsigned int i;

	start("bpf/quota.bpf.o", false, HCP_PARAMS("ceiling", "3"));
	*(volatile uint32_t *)variable("quota_counting") = 1;
	for (i = 0; i < 3; i++)
		CHECK_EQ(snp_msr(v, GFN + i, OP_SHARED), MSR_OK);
	CHECK_EQ(snp_msr(v, GFN + 3, OP_SHARED), MSR_ERROR);
	CHECK_EQ(snp_msr(v, GFN + 3, OP_PRIVATE), MSR_OK);
	CHECK_EQ(hcp_number(policy, "refused_requests"), 1);
	CHECK_EQ(hcp_set__count(set), 3);

	/* Then one does, and what it may grant is granted. */
	*(volatile uint32_t *)variable("quota_counting") = 0;
	CHECK_EQ(snp_msr(v, GFN, OP_PRIVATE), MSR_OK);
	CHECK_EQ(snp_msr(v, GFN + 3, OP_SHARED), MSR_OK);
	CHECK_EQ(hcp_number(policy, "shared_pages"), 3);
}

/*
 * Two vCPUs convert all the time, and now and then the count is said to be of nothing.  Who books
 * while another vCPU counts may be counted once, twice or not at all: so it is counted again.
 */
TEST_LONG(quota_s_count_is_exact_after_counting_beside_requests, 300)
{
	struct hcg_request reqs[2] = {};
	volatile uint64_t *counted, *counts;
	unsigned int n, i;
	uint64_t begun;

	start("bpf/quota.bpf.o", false, HCP_PARAMS("ceiling", "100000"));
	counted = variable("quota_counted");
	counts = variable("quota_counts");
	for (n = 0; n < 100; n++) {
		for (i = 0; i < 2; i++) {
			/* So large that a vCPU is nearly always in the midst of one. */
			reqs[0] = hc_request((GFN + i * LARGE) * PAGE, LARGE, SHARE, 0);
			reqs[1] = hc_request((GFN + i * LARGE) * PAGE, LARGE, HIDE, 0);
			vcpu_loop(&vm->vcpus[i], reqs, 2);
		}
		WAIT_UNTIL(vm->vcpus[0].mbox->iterations > 1 && vm->vcpus[1].mbox->iterations > 1);
		begun = *counts;
		*counted = 0;
		WAIT_UNTIL(*counts != begun && *counted > 1);
		for (i = 0; i < 2; i++)
			vcpu_stop(&vm->vcpus[i]);
		/* The last one may have said that the count is to be made anew. */
		CHECK_EQ(vcpu_call(v, GFN * PAGE, 1, SHARE), 0);
		CHECK_EQ(hcp_number(policy, "shared_pages"), hcp_set__count(set));
	}
}

TAP_MAIN
