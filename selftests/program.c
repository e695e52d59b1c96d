// SPDX-License-Identifier: GPL-2.0
/*
 * What BPF expects of whoever calls a program: that its maps work, that its runs are
 * counted, and that it calls nothing which looks for what KVM has not.  On 6.12 the
 * trampoline sees to that, on 7.3 the hook does.
 */
#include <errno.h>
#include <unistd.h>
#include <bpf/btf.h>

#include "pol.h"
#include "progs/wants.h"
#include "tap.h"
#include "vm.h"

#define VCPUS		2
#define PAGES		256		/* of a vCPU */
#define CALLS		10000
#define GPA(vcpu, i)	(VM_FREE_GPA + ((uint64_t)(vcpu) * PAGES + (i)) * PAGE)

static int map_fd(struct pol *p, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(p->obj, name);

	CHECK_CMP(fd, >=, 0);
	return fd;
}

/* In a map of per-CPU counters that has one. */
static uint64_t sum(int fd)
{
	int i, ncpus = libbpf_num_possible_cpus();
	uint64_t values[ncpus], n = 0;
	uint32_t zero = 0;

	CHECK_EQ(bpf_map_lookup_elem(fd, &zero, values), 0);
	for (i = 0; i < ncpus; i++)
		n += values[i];
	return n;
}

TEST(maps_work_in_each_call_of_two_vCPUs)
{
	struct hcg_request reqs[2 * PAGES];
	struct vm *vm = vm_new(VCPUS, false);
	struct pol *p = pol_load("maps", vm->fd, 0);
	unsigned int v, i;
	uint64_t n = 0, key;

	CHECK_EQ(pol_try_attach(p), 0);
	for (v = 0; v < VCPUS; v++) {
		for (i = 0; i < PAGES; i++) {
			reqs[i] = hc_request(GPA(v, i), 1, SHARE, 0);
			reqs[PAGES + i] = hc_request(GPA(v, i), 1, HIDE, 0);
		}
		vcpu_loop(&vm->vcpus[v], reqs, 2 * PAGES);
	}
	WAIT_UNTIL(p->state->calls >= tap_storm(CALLS));
	for (v = 0; v < VCPUS; v++) {
		n += vcpu_stop(&vm->vcpus[v]) * 2 * PAGES;
		CHECK_EQ(vm->vcpus[v].mbox->failed, 0);
	}

	CHECK_EQ(p->state->calls, n);
	CHECK_EQ(p->state->failed, 0);
	CHECK_CMP(p->state->lost, <, n);
	/* Each by its own CPU only: no call was lost to another. */
	CHECK_EQ(sum(map_fd(p, "calls_by_cpu")), n);
	/* All is hidden again. */
	CHECK_EQ(bpf_map_get_next_key(map_fd(p, "shared_pages"), NULL, &key), -ENOENT);
	CHECK_EQ(bpf_map_get_next_key(map_fd(p, "recent_pages"), NULL, &key), 0);
	pol_detach(p);
	pol_free(p);
}

static struct bpf_prog_info prog_info(struct pol *p)
{
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info);
	struct bpf_program *prog = bpf_object__next_program(p->obj, NULL);

	CHECK(prog);
	CHECK_EQ(bpf_prog_get_info_by_fd(bpf_program__fd(prog), &info, &len), 0);
	return info;
}

TEST(runs_of_a_policy_are_counted_while_somebody_wants_that)
{
	struct vm *vm = vm_new(1, false);
	struct vcpu *v = &vm->vcpus[0];
	struct pol *p = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);
	struct bpf_prog_info info;
	int stats, i;

	CHECK_EQ(vcpu_call(v, GPA(0, 0), 1, SHARE), 0);
	CHECK_EQ(prog_info(p).run_cnt, 0);

	stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	CHECK_CMP(stats, >=, 0);
	p->state->spin_ns = 1000000;
	for (i = 0; i < 10; i++)
		CHECK_EQ(vcpu_call(v, GPA(0, 0), 1, SHARE), 0);
	info = prog_info(p);
	CHECK_EQ(info.run_cnt, 10);
	CHECK_CMP(info.run_time_ns, >=, 10 * p->state->spin_ns);
	CHECK_EQ(info.recursion_misses, 0);

	/* Each piece of a large request is a run. */
	p->state->spin_ns = 0;
	CHECK_EQ(vcpu_call(v, 0, 3 * up_to(KVM_HCPOLICY_MAX_PAGES), SHARE), 0);
	CHECK_EQ(prog_info(p).run_cnt, 13);

	/* And what it answers is the same. */
	p->state->answer = -EPERM;
	CHECK_EQ(vcpu_call(v, GPA(0, 0), 1, SHARE), as_seen(-KVM_EPERM));
	CHECK_EQ(prog_info(p).run_cnt, 14);

	close(stats);
	CHECK_EQ(vcpu_call(v, GPA(0, 0), 1, SHARE), as_seen(-KVM_EPERM));
	CHECK_EQ(prog_info(p).run_cnt, 14);
}

TEST(runs_are_counted_while_vCPUs_run_and_counting_begins_and_ends)
{
	struct vm *vm = vm_new(VCPUS, false);
	struct pol *p = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);
	struct hcg_request req = hc_request(GPA(0, 0), 1, SHARE, 0);
	uint64_t before, n = 0;
	int stats, v, i;

	for (v = 0; v < VCPUS; v++)
		vcpu_loop(&vm->vcpus[v], &req, 1);
	for (i = 0; i < 5; i++) {
		before = prog_info(p).run_cnt;
		stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
		CHECK_CMP(stats, >=, 0);
		WAIT_UNTIL(prog_info(p).run_cnt > before + 10);
		close(stats);
	}
	for (v = 0; v < VCPUS; v++) {
		n += vcpu_stop(&vm->vcpus[v]);
		CHECK_EQ(vm->vcpus[v].mbox->failed, 0);
	}
	CHECK_EQ(p->state->calls, n);
	CHECK_CMP(prog_info(p).run_cnt, <=, n);
}

/* What the kernel says to loading a policy that calls this. */
static int try_load(enum wants wants)
{
	struct bpf_object *obj = bpf_object__open_file(build_path("selftests/wants.bpf.o"), NULL);
	struct bpf_map *map;
	uint32_t *value;
	size_t size;
	int err;

	libbpf_set_print(NULL);		/* it would show the verifier's reasons */
	CHECK(obj);
	map = bpf_object__find_map_by_name(obj, ".rodata");
	value = map ? bpf_map__initial_value(map, &size) : NULL;
	CHECK(value && size == sizeof(*value));
	*value = wants;
	err = bpf_object__load(obj);
	bpf_object__close(obj);
	return err;
}

TEST(what_wants_a_run_context_is_refused_at_load)
{
	CHECK_EQ(try_load(WANTS_NOTHING), 0);
	CHECK_EQ(try_load(WANTS_COOKIE), -EINVAL);
	CHECK_EQ(try_load(WANTS_FUNC_IP), -EINVAL);
	CHECK_EQ(try_load(WANTS_FUNC_ARG), -EINVAL);
	CHECK_EQ(try_load(WANTS_FUNC_ARG_CNT), -EINVAL);
	CHECK_EQ(try_load(WANTS_FUNC_RET), -EINVAL);
	CHECK_EQ(try_load(WANTS_GET_RETVAL), -EINVAL);
	CHECK_EQ(try_load(WANTS_SET_RETVAL), -EINVAL);
	CHECK_EQ(try_load(WANTS_LOCAL_STORAGE), -EINVAL);
	CHECK_EQ(try_load(WANTS_SETSOCKOPT), -EINVAL);
}

TEST(a_kfunc_that_wants_a_run_context_is_refused_at_load)
{
	struct btf *btf = btf__load_vmlinux_btf();

	CHECK(btf);
	if (btf__find_by_name_kind(btf, "bpf_session_is_return", BTF_KIND_FUNC) < 0)
		tap_skip("this kernel has no bpf_session_is_return()");
	btf__free(btf);
	CHECK_EQ(try_load(WANTS_SESSION), -EACCES);
}

TAP_MAIN
