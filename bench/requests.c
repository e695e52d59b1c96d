// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions per request: the guest shares and hides ranges of pages, 200 requests
 * at a stretch, and the TSC is the count of instructions, because the machine
 * runs under icount (scripts/vm-run --icount).
 *
 *	requests MODE[:PAGES]...	a line each: what was asked for, and the number
 *
 * MODE is none, exits, fentry, or POLICY; a request is for PAGES pages, 1 by default.
 * none: nobody answers (-KVM_ENOSYS); exits: the VMM answers and keeps no set; fentry:
 * nobody answers, and a program on KVM's function keeps the set (fentry.bpf.c); POLICY:
 * a policy file's name, attached.  Everything is subtracted that a batch without
 * a request costs, so that what is left is one request from vmmcall to answer.
 *
 * The rule that makes it exact: a batch is shorter than the time between two of the
 * host's timer interrupts, so the least of many batches has none in it, and another
 * run, or another boot, counts the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/libbpf.h>
#include <hcpolicy/policy.h>

#include "../selftests/tap.h"
#include "../selftests/vm.h"

#define REQUESTS	200
#define BATCHES		50

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* What the batch costs: the median, as most batches cost the very same. */
static uint64_t batch_insns(struct vcpu *v, struct hcg_request *reqs)
{
	uint64_t start, insns[BATCHES];
	int i;

	for (i = 0; i < BATCHES; i++) {
		vcpu_put(v, HCG_CMD_RUN, reqs, REQUESTS);
		start = __builtin_ia32_rdtsc();
		CHECK(vcpu_run(v));
		insns[i] = __builtin_ia32_rdtsc() - start;
		CHECK_EQ(v->mbox->failed, 0);
	}
	qsort(insns, BATCHES, sizeof(*insns), compare);
	return insns[BATCHES / 2];
}

static struct bpf_object *attach_fentry(struct bpf_link **link)
{
	struct bpf_object *obj = bpf_object__open_file(build_path("bench/fentry.bpf.o"), NULL);
	__u32 *tgid;
	size_t size;

	CHECK(obj);
	tgid = bpf_map__initial_value(bpf_object__find_map_by_name(obj, ".bss"), &size);
	*tgid = getpid();
	CHECK_EQ(bpf_object__load(obj), 0);
	*link = bpf_program__attach(bpf_object__find_program_by_name(obj, "keep_book"));
	CHECK(*link);
	return obj;
}

/* It must have seen what it is measured for: a batch leaves all pages private. */
static void end_fentry(struct bpf_object *obj, struct bpf_link *link, struct vcpu *v)
{
	struct bpf_map *shared = bpf_object__find_map_by_name(obj, HCP_MAP_SHARED);
	struct hcg_request req = hc_request(0x100000, 1, SHARE, -KVM_ENOSYS);
	uint64_t words[HCP_CHUNK_WORDS];
	__u32 key = 0;

	vcpu_batch(v, &req, 1);
	CHECK_EQ(bpf_map__lookup_elem(shared, &key, sizeof(key), words, sizeof(words), 0), 0);
	CHECK_EQ(words[0x100 / 64], 1);
	bpf_link__destroy(link);
	bpf_object__close(obj);
}

/* Ranges begin at multiples of their size, as those of most guests do. */
static uint64_t measure(const char *mode, uint64_t npages)
{
	static struct hcg_request calls[REQUESTS], reads[REQUESTS];
	uint64_t size = npages * PAGE, first = size > 0x100000 ? size : 0x100000;
	bool exits = !strcmp(mode, "exits");
	struct vm *vm = vm_new(1, exits);
	struct vcpu *v = &vm->vcpus[0];
	struct hcpolicy *policy = NULL;
	struct bpf_object *fentry = NULL;
	struct bpf_link *link = NULL;
	uint64_t with, without;
	int64_t expect = 0;
	int i;

	if (!strcmp(mode, "none")) {
		expect = -KVM_ENOSYS;
	} else if (!strcmp(mode, "fentry")) {
		expect = -KVM_ENOSYS;
		fentry = attach_fentry(&link);
	} else if (!exits) {
		policy = hcpolicy__open(mode, NULL);
		CHECK(policy && !hcpolicy__load(policy) && !hcpolicy__attach(policy, vm->fd, NULL));
	}

	for (i = 0; i < REQUESTS; i++) {
		calls[i] = hc_request(first + (i / 2) * size, npages, i % 2 ? HIDE : SHARE, expect);
		reads[i] = (struct hcg_request){ .op = HCG_READ, .a0 = VM_FREE_GPA };
	}

	with = batch_insns(v, calls);
	without = batch_insns(v, reads);

	if (fentry)
		end_fentry(fentry, link, v);
	hcpolicy__close(policy);
	vm_free(vm);
	return (with - without + REQUESTS / 2) / REQUESTS;
}

int main(int argc, char **argv)
{
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 1; i < argc; i++) {
		unsigned long long npages = 1;
		char mode[32] = "";

		sscanf(argv[i], "%31[^:]:%llu", mode, &npages);
		printf("%s %llu\n", argv[i], (unsigned long long)measure(mode, npages));
	}
	return 0;
}
