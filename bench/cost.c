// SPDX-License-Identifier: GPL-2.0
/*
 * What requests cost, in instructions from vmmcall to answer, under icount
 * (scripts/vm-run --icount):
 *
 *	cost [-q] NAME=MODE...		NAME: what the table calls it
 *	cost -1 NAME=MODE...		one page only: for bench/run
 *	cost -2 NAME=MODE...		two vCPUs at once: on two processors, without icount
 *	cost -m NAME=MODE...		private memory, which the VMM converts in exits
 *	cost -s NAME=MODE...		a guest that asks in a loop, and who lets it wait
 *	cost -p NPAGES NAME=MODE	for bench/profile
 *
 *	none		nobody answers: -KVM_ENOSYS
 *	fentry		the same, and a program on KVM's function keeps the set (fentry.bpf.c)
 *	exit		the VMM answers, and keeps the set
 *	native:KIND	a policy in C answers (native.c)
 *	POLICY		a policy of build/bpf answers
 *
 * Tables: request, by size of the range; ranges, one page by how many ranges are shared
 * already; stream and hole, what firmware does (see there).  -q: request only.  -2: vcpus only,
 * a ratio.  -m: private only; a policy has TAKE_EXITS there.  -s: storm only.
 *
 * What a batch without a request costs is subtracted.  A batch of small requests is
 * shorter than the time between two of the host's timer interrupts, so the median of
 * many has none in it.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <hcpolicy/policy.h>

#include "../selftests/tap.h"
#include "../selftests/vm.h"
#include "bench.h"
#include "mark.h"

#define MAX_GPA		(1ULL << VM_PHYS_BITS)	/* 1 TiB */
#define FLIPS		200
#define GFN(gfn)	((uint64_t)(gfn) * PAGE)

/* The mode that is measured. */
static const char *name;
static struct vm *vm;
static struct vcpu *v;
static struct hcpolicy *policy;
static struct hcp_set *vmm_set;
static struct bpf_object *fentry;
static struct bpf_link *fentry_link;
static bool native;
static bool private_mem;
static int64_t expect;

static struct hcg_request batch[VM_BATCH_MAX];

static void vmm_books(struct vcpu *vcpu)
{
	CHECK_EQ(hcp_set__exit(vmm_set, vcpu->exit.gpa, vcpu->exit.npages, vcpu->exit.attrs), 0);
}

static void vmm_converts(struct vcpu *vcpu)
{
	vm_convert(vm, vcpu->exit.gpa, vcpu->exit.npages, !(vcpu->exit.attrs & HIDE));
	if (vmm_set)
		vmm_books(vcpu);
}

static void attach_fentry(void)
{
	size_t size;
	__u32 *tgid;

	fentry = bpf_object__open_file(build_path("bench/fentry.bpf.o"), NULL);
	CHECK(fentry);
	tgid = bpf_map__initial_value(bpf_object__find_map_by_name(fentry, ".bss"), &size);
	*tgid = getpid();
	CHECK_EQ(bpf_map__set_max_entries(bpf_object__find_map_by_name(fentry, HCP_MAP_SHARED),
					  MAX_GPA / PAGE / HCP_CHUNK_PAGES), 0);
	CHECK_EQ(bpf_object__load(fentry), 0);
	fentry_link = bpf_program__attach(bpf_object__find_program_by_name(fentry, "keep_book"));
	CHECK(fentry_link);
}

/* It must have seen what it is measured for. */
static void end_fentry(void)
{
	struct hcg_request req = hc_request(GFN(1), 1, SHARE, expect);
	struct bpf_map *shared = bpf_object__find_map_by_name(fentry, HCP_MAP_SHARED);
	uint64_t words[HCP_CHUNK_WORDS];
	__u32 key = 0;

	vcpu_batch(v, &req, 1);
	CHECK_EQ(bpf_map__lookup_elem(shared, &key, sizeof(key), words, sizeof(words), 0), 0);
	CHECK_EQ(words[0], 2);
	bpf_link__destroy(fentry_link);
	bpf_object__close(fentry);
	fentry = NULL;
}

static void set_native(const char *kind)
{
	char line[64];
	int fd = open("/sys/module/kvm/parameters/hcpolicy_native", O_WRONLY);
	int n = snprintf(line, sizeof(line), kind ? "%d %s" : "-1", vm->fd, kind);

	CHECK_CMP(fd, >=, 0);
	CHECK_EQ(write(fd, line, n), n);
	close(fd);
}

static void log_line(void *ctx, const char *line)
{
	fprintf(stderr, "%s\n", line);
}

/* If the policy has such a parameter. */
static void set(const char *param, const char *value)
{
	struct hcpolicy_param p;
	unsigned int n;

	for (n = 0; hcpolicy__param(policy, n, &p); n++)
		if (!strcmp(p.name, param))
			CHECK_EQ(hcpolicy__set_param(policy, param, value), 0);
}

/* A policy that refuses or delays is measured where it does not. */
static void set_no_limit(void)
{
	set("ceiling", "0xffffffffffffffff");
	set("rate", "1000000000");
	set("burst", "1000000000");
}

static void attach_policy(const char *file, uint64_t max_gpa)
{
	struct hcpolicy_opts opts = { .sz = sizeof(opts), .log = log_line };
	struct hcpolicy_attach_opts attach = { .sz = sizeof(attach), .take_exits = private_mem };
	char path[96];

	snprintf(path, sizeof(path), "bpf/%s.bpf.o", file);
	policy = hcpolicy__open(build_path(path), &opts);
	CHECK(policy);
	set_no_limit();
	CHECK(!hcpolicy__set_max_gpa(policy, max_gpa) && !hcpolicy__load(policy) &&
	      !hcpolicy__attach(policy, vm->fd, &attach));
}

static void begin(const char *mode, uint64_t max_gpa)
{
	bool exits = !strcmp(mode, "exit");

	vm = private_mem ? vm_new_protected(2, true) : vm_new(2, exits);
	v = &vm->vcpus[0];
	if (private_mem)
		v->on_exit = vmm_converts;
	expect = 0;
	native = false;
	if (!strcmp(mode, "none")) {
		expect = -KVM_ENOSYS;
	} else if (!strcmp(mode, "fentry")) {
		expect = -KVM_ENOSYS;
		attach_fentry();
	} else if (exits) {
		vmm_set = hcp_set__new(max_gpa / PAGE);
		CHECK(vmm_set);
		if (!private_mem)
			vm->vcpus[0].on_exit = vm->vcpus[1].on_exit = vmm_books;
	} else if (!strncmp(mode, "native:", 7)) {
		native = true;
		set_native(mode + 7);
	} else {
		attach_policy(mode, max_gpa);
	}
}

static void end(void)
{
	if (native)
		set_native(NULL);
	if (fentry)
		end_fentry();
	hcpolicy__close(policy);
	hcp_set__free(vmm_set);
	policy = NULL;
	vmm_set = NULL;
	vm_free(vm);
}

static struct hcg_request request(uint64_t gfn, uint64_t npages, bool shared)
{
	return hc_request(GFN(gfn), npages, shared ? SHARE : HIDE, expect);
}

static uint64_t run(const struct hcg_request *reqs, size_t n)
{
	uint64_t start;

	vcpu_put(v, HCG_CMD_RUN, reqs, n);
	start = insns();
	CHECK(vcpu_run(v));
	start = insns() - start;
	CHECK_EQ(v->mbox->failed, 0);
	return start;
}

static uint64_t run_often(const struct hcg_request *reqs, size_t n, size_t times)
{
	uint64_t values[50];
	size_t i;

	for (i = 0; i < times; i++)
		values[i] = run(reqs, n);
	return median(values, times);
}

static struct hcg_request reads[FLIPS];

/* One of the n requests that are in batch: without what n reads cost instead. */
static double cost(size_t n, size_t times)
{
	return (double)(run_often(batch, n, times) - run_often(reads, n, times)) / n;
}

/* Ranges of npages are shared and hidden, one after the other; 1 TiB is all there is. */
static size_t flips(uint64_t npages)
{
	bool all = npages == MAX_GPA / PAGE;
	size_t i, n = all ? 2 : FLIPS;

	for (i = 0; i < n; i++)
		batch[i] = request(all ? 0 : (1 << 18) + i / 2 * npages, npages, i % 2 == 0);
	return n;
}

static void by_size(const char *col, uint64_t npages)
{
	size_t n = flips(npages);

	record("request", name, col, (long)(cost(n, n < FLIPS ? 3 : 50) + 0.5));
}

/* Single pages between so many shared ranges of one page, from first to last of them. */
static void by_ranges(const char *col, size_t ranges)
{
	size_t i;

	for (i = 0; i < ranges; i++)
		batch[i] = request((1 << 18) + 4 * i, 1, true);
	if (ranges)
		run(batch, ranges);
	for (i = 0; i < FLIPS; i++)
		batch[i] = request((1 << 18) + 4 * (i / 2 * (ranges / 100)) + 2, 1, i % 2 == 0);
	record("ranges", name, col, (long)(cost(FLIPS, 20) + 0.5));
}

/*
 * One boot with OVMF, as it was counted in 2021: 18,200 flips of single pages, which
 * firmware makes around each DMA transfer, in a few buffers; and 1,279 requests of Linux:
 * its early ones, 32 of 512 pages for swiotlb, single pages that stay shared.
 */
static void stream(void)
{
	size_t i, n = 0;

	for (i = 0; i < 18200; i++)
		batch[n++] = request((1 << 18) + i / 2 % 64, 1, i % 2 == 0);
	for (i = 0; i < 6; i++)
		batch[n++] = request(i << 16, 1 << 16, false);
	for (i = 0; i < 32; i++)
		batch[n++] = request((1 << 19) + 512 * i, 512, true);
	for (i = 0; i < 1279 - 32 - 6; i++)
		batch[n++] = request((1 << 20) + 3 * i, 1, true);
	record("stream", name, "instructions", run(batch, n));
	record("stream", name, "requests", n);
	record("stream", name, "exits", v->exits);
}

/* A hole of 70 TiB in steps of 2 MiB, above the memory that the set is for. */
static void hole(void)
{
	size_t i, n = 36700;	/* one in a thousand */
	uint64_t insns;

	for (i = 0; i < n; i++)
		batch[i] = request((1 << 26) + 512 * i, 512, true);
	insns = run(batch, n);
	record("hole", name, "instructions per request", (double)insns / n);
	record("hole", name, "instructions of 36.7 million, extrapolated", insns * 1000.0);
	record("hole", name, "exits, extrapolated", v->exits * 1000.0);
}

/* Batches that the first n vCPUs get through in half a second, each in pages of its own. */
static uint64_t batches_of(unsigned int n)
{
	uint64_t done = 0;
	unsigned int i, j;

	for (i = 0; i < n; i++) {
		for (j = 0; j < FLIPS; j++)
			batch[j] = request((1 << 18) + (i << 16) + j / 2, 1, j % 2 == 0);
		vcpu_loop(&vm->vcpus[i], batch, FLIPS);
	}
	usleep(500000);
	for (i = 0; i < n; i++)
		done += vcpu_stop(&vm->vcpus[i]);
	return done;
}

/* Each ratio is of one moment; there are several, so that the noise can be told. */
static void by_vcpus(void)
{
	uint64_t one;
	int i;

	for (i = 0; i < 7; i++) {
		one = batches_of(1);
		record("vcpus", name, "two vCPUs over one", (double)batches_of(2) / one);
	}
}

/* Private memory: what is converted with each request, and what is shared already. */
static void by_conversion(const char *col, uint64_t npages)
{
	size_t i, n = flips(npages);
	char row[96];

	snprintf(row, sizeof(row), "a conversion, %s", name);
	record("private", row, col, (long)(cost(n, 20) + 0.5));
	for (i = 0; i < n; i++)
		batch[i] = request((1 << 18) + i / 2 * npages, npages, true);
	run(batch, n);
	snprintf(row, sizeof(row), "a repeat, %s", name);
	record("private", row, col, (long)(cost(n, 20) + 0.5));
}

/*
 * One vCPU that does nothing but ask.  A vCPU that is told RETRY 16 times in a row sleeps after
 * that, which would count as instructions.  So what one RETRY costs is measured at a rate at which
 * no request has to wait that long.
 */
static void storm(void)
{
	uint64_t each, before, after, took;
	double vain = 0, busy;
	size_t i, n = FLIPS;

	for (i = 0; i < 1000; i++)
		batch[i] = request((1 << 18) + i / 2 % 64, 1, i % 2 == 0);
	each = run_often(batch, n, 50) / n;

	set("burst", "1");
	set("rate", "50000");
	before = vcpu_stats(v).retry;
	took = run(batch, n);
	after = vcpu_stats(v).retry;
	if (after != before) {
		CHECK_CMP(after - before, <, 16 * n);
		vain = (double)(took - n * each) / (after - before);
	}

	set("burst", "20");
	set("rate", "1000");
	n = i;
	before = after;
	took = run(batch, n);
	after = vcpu_stats(v).retry;
	busy = after == before ? took : n * each + (after - before) * vain;
	/* As throttle.bpf.c promises, with 250 ticks a second. */
	CHECK_CMP(after - before, <=, 16 * n + took / 4000000);
	record("storm", name, "answered a second", n * 1e9 / took);
	record("storm", name, "asked in vain a second", (after - before) * 1e9 / took);
	record("storm", name, "instructions for each in vain", (long)(vain + 0.5));
	record("storm", name, "instructions for all, in a second", busy * 1e9 / took);
}

/* Where the code of BPF programs is; kallsyms has their names only. */
static void print_programs(void)
{
	__u32 id = 0, size, lens[64];
	__u64 ksyms[64];
	int i, fd;

	while (!bpf_prog_get_next_id(id, &id)) {
		struct bpf_prog_info info = {
			.nr_jited_ksyms = 64, .jited_ksyms = (uintptr_t)ksyms,
			.nr_jited_func_lens = 64, .jited_func_lens = (uintptr_t)lens,
		};

		fd = bpf_prog_get_fd_by_id(id);
		size = sizeof(info);
		if (fd < 0 || bpf_prog_get_info_by_fd(fd, &info, &size))
			continue;
		for (i = 0; i < (int)info.nr_jited_ksyms && i < 64; i++)
			printf("jited %llx %u\n", ksyms[i], lens[i]);
		close(fd);
	}
}

/* Requests between marks, and what there is without; then what lies where. */
static void profile(uint64_t npages)
{
	size_t i, n = flips(npages);

	for (i = 0; i < 9; i++) {
		vcpu_put(v, HCG_CMD_RUN, batch, n);
		MARK(0);
		CHECK(vcpu_run(v));
		MARK(1);
		vcpu_put(v, HCG_CMD_RUN, reads, n);
		MARK(0);
		CHECK(vcpu_run(v));
		MARK(2);
	}
	printf("requests %zu\n", n);
	print_programs();
	CHECK_EQ(system("cat /proc/modules; grep -i ' [tw] ' /proc/kallsyms"), 0);
}

int main(int argc, char **argv)
{
	bool quick = argc > 1 && !strcmp(argv[1], "-q");
	bool one = argc > 1 && !strcmp(argv[1], "-1");
	bool two = argc > 1 && !strcmp(argv[1], "-2");
	bool storms = argc > 1 && !strcmp(argv[1], "-s");
	uint64_t profiled = argc == 4 && !strcmp(argv[1], "-p") ? strtoull(argv[2], NULL, 0) : 0;
	char *mode;
	int i;

	private_mem = argc > 1 && !strcmp(argv[1], "-m");
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; i < FLIPS; i++)
		reads[i] = (struct hcg_request){ .op = HCG_READ, .a0 = VM_FREE_GPA };
	for (i = profiled ? 3 : 1 + quick + one + two + private_mem + storms; i < argc; i++) {
		name = argv[i];
		mode = strrchr(argv[i], '=');
		CHECK(mode);
		*mode++ = 0;

		begin(mode, MAX_GPA);
		if (profiled) {
			profile(profiled);
			return 0;
		}
		if (two || storms) {
			if (two)
				by_vcpus();
			else
				storm();
			end();
			continue;
		}
		if (private_mem) {
			by_conversion("1 page", 1);
			by_conversion("512", 512);
			end();
			continue;
		}
		by_size("1 page", 1);
		if (one) {
			end();
			continue;
		}
		if (strcmp(mode, "fentry")) {	/* it books single pages only */
			by_size("512", 512);
			by_size("16,384", 16384);
			by_size("65,536", 65536);
			by_size("1 TiB", MAX_GPA / PAGE);
		}
		if (!quick && !expect) {
			by_ranges("0", 0);
			by_ranges("100", 100);
			by_ranges("1,000", 1000);
			by_ranges("10,000", 10000);
		}
		end();
		if (quick || !strcmp(mode, "fentry"))
			continue;
		begin(mode, 16ULL << 30);
		stream();
		end();
		if (native)	/* its set is of another size */
			continue;
		begin(mode, 16ULL << 30);
		hole();
		end();
	}
	return 0;
}
