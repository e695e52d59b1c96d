// SPDX-License-Identifier: GPL-2.0
/*
 * The set that the bitmap policy keeps against a plain model of it, on random
 * requests of the guest.  HCP_SEED in the environment repeats a run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../guest/random.h"
#include "hcp.h"
#include "tap.h"
#include "vm.h"

#define REQUESTS	100000
#define BATCH		5000

static struct vm *vm;
static struct hcp_set *set;

static void set_up(unsigned int nvcpus, uint64_t npages)
{
	vm = vm_new(nvcpus, false);
	set = hcpolicy__set(hcp_attach(vm, "bpf/bitmap.bpf.o", npages * PAGE, false, NULL));
	CHECK_EQ(hcp_set__npages(set), npages);
}

/* A byte a page. */
static void check_model(const uint8_t *model, uint64_t npages)
{
	const uint64_t *words = hcp_set__words(set);
	uint64_t i, word = 0;

	for (i = 0; i < npages; i++) {
		if (i % 64 == 0)
			word = words[i / 64];
		if ((word >> i % 64 & 1) != model[i])
			tap_fail(__FILE__, __LINE__, "page 0x%llx is %s in the set", (unsigned long long)i,
				 model[i] ? "private" : "shared");
	}
}

/* The model's own ranges against those of the library's iterator. */
static void check_ranges(const uint8_t *model, uint64_t npages)
{
	struct hcp_range r = {};
	uint64_t i = 0, start, count = 0;

	for (;;) {
		while (i < npages && !model[i])
			i++;
		if (i == npages)
			break;
		for (start = i; i < npages && model[i]; i++)
			;
		CHECK(hcp_set__next(set, &r));
		CHECK_EQ(r.gfn, start);
		CHECK_EQ(r.npages, i - start);
		count += r.npages;
	}
	CHECK(!hcp_set__next(set, &r));
	CHECK_EQ(hcp_set__count(set), count);
}

TEST(one_vCPU_and_100000_random_overlapping_requests)
{
	/* Smaller than what the guest asks for: some requests lie beyond, or half. */
	const uint64_t npages = 16 * HCP_CHUNK_PAGES, max_gfn = npages + 3 * HCP_CHUNK_PAGES;
	struct hcg_request *reqs = calloc(BATCH, sizeof(*reqs));
	uint8_t *model = calloc(max_gfn, 1);
	uint64_t state = tap_seed(), beyond = 0, end;
	unsigned int done, i;

	CHECK(reqs && model);
	set_up(1, npages);
	for (done = 0; done < REQUESTS; done += BATCH) {
		for (i = 0; i < BATCH; i++) {
			struct hcg_random_range r = hcg_random_range(&state, max_gfn);

			r.npages = up_to(r.npages);
			reqs[i] = hc_request(r.gfn * PAGE, r.npages, r.shared ? SHARE : HIDE, 0);
			memset(model + r.gfn, r.shared, r.npages);
			end = r.gfn + r.npages;
			if (end > npages)
				beyond += r.gfn > npages ? r.npages : end - npages;
		}
		vcpu_batch(&vm->vcpus[0], reqs, BATCH);
		CHECK_EQ(vm->vcpus[0].mbox->failed, 0);
		check_model(model, npages);
		CHECK_EQ(hcp_set__beyond(set), beyond);
		CHECK(hcp_set__complete(set));
	}
	check_ranges(model, npages);
	CHECK_CMP(beyond, >, 0);
	CHECK_CMP(vcpu_stats(&vm->vcpus[0]).handled, ==, REQUESTS);
}

/*
 * Stripes of 21 pages, shared out to two vCPUs and to userspace's own writer by
 * turns: nearly every word is written by two or three of them.
 */
#define STRIPE		21
#define WRITERS		3
#define STRIPES		400

static struct hcg_random_range random_in_stripe(uint64_t *state, unsigned int writer)
{
	struct hcg_random_range r;
	uint64_t stripe = hcg_random(state) % STRIPES * WRITERS + writer;

	r = hcg_random_range(state, STRIPE);
	r.npages = up_to(r.npages);
	r.gfn += stripe * STRIPE;
	return r;
}

TEST(two_vCPUs_and_userspace_at_once_on_ranges_that_share_words)
{
	const uint64_t npages = HCP_CHUNK_PAGES;
	struct hcg_request *reqs = calloc(BATCH, sizeof(*reqs));
	uint8_t *model = calloc(npages, 1);
	struct hcg_random_range r;
	uint64_t state = tap_seed();
	unsigned int done, i, v;

	CHECK(reqs && model);
	set_up(2, npages);
	for (done = 0; done < REQUESTS; done += 2 * BATCH) {
		for (v = 0; v < 2; v++) {
			for (i = 0; i < BATCH; i++) {
				r = random_in_stripe(&state, v);
				reqs[i] = hc_request(r.gfn * PAGE, r.npages,
						     r.shared ? SHARE : HIDE, 0);
				memset(model + r.gfn, r.shared, r.npages);
			}
			vcpu_put(&vm->vcpus[v], HCG_CMD_RUN, reqs, BATCH);
		}
		for (v = 0; v < 2; v++)
			vcpu_run_in_thread(&vm->vcpus[v]);
		while (vm->vcpus[0].running || vm->vcpus[1].running) {
			r = random_in_stripe(&state, 2);
			memset(model + r.gfn, r.shared, r.npages);
			CHECK_EQ(hcp_set__update(set, r.gfn, r.npages, r.shared), r.npages);
		}
		for (v = 0; v < 2; v++) {
			vcpu_join(&vm->vcpus[v]);
			CHECK_EQ(vm->vcpus[v].mbox->failed, 0);
		}
		check_model(model, npages);
	}
	check_ranges(model, npages);
	CHECK(hcp_set__complete(set));
}

/* Where the fill has its edges: words, groups of eight words, chunks, pieces. */
TEST(requests_at_every_edge)
{
	static const uint64_t edges[] = {
		0, 1, 63, 64, 65, 127, 128, 511, 512, 513, 575, 576, 577, 1023, 1024, 1025,
		HCP_CHUNK_PAGES - 577, HCP_CHUNK_PAGES - 512, HCP_CHUNK_PAGES - 65,
		HCP_CHUNK_PAGES - 64, HCP_CHUNK_PAGES - 1, HCP_CHUNK_PAGES, HCP_CHUNK_PAGES + 1,
		HCP_CHUNK_PAGES + 64, 2 * HCP_CHUNK_PAGES - 1, 2 * HCP_CHUNK_PAGES,
		2 * HCP_CHUNK_PAGES + 1, 3 * HCP_CHUNK_PAGES - 1, 3 * HCP_CHUNK_PAGES,
	};
	const size_t n = sizeof(edges) / sizeof(*edges);
	const uint64_t npages = 3 * HCP_CHUNK_PAGES;
	struct hcp_range r;
	size_t i, j;

	NEEDS_RANGES();
	set_up(1, npages);
	for (i = 0; i < n; i++) {
		for (j = i + 1; j < n; j++) {
			uint64_t gfn = edges[i], len = edges[j] - edges[i];

			CHECK_EQ(vcpu_call(&vm->vcpus[0], gfn * PAGE, len, SHARE), 0);
			CHECK_EQ(hcp_set__count(set), len);
			r = (struct hcp_range){};
			CHECK(hcp_set__next(set, &r));
			CHECK_EQ(r.gfn, gfn);
			CHECK_EQ(r.npages, len);

			CHECK_EQ(vcpu_call(&vm->vcpus[0], gfn * PAGE, len, HIDE), 0);
			CHECK_EQ(hcp_set__count(set), 0);
		}
	}
	CHECK(hcp_set__complete(set));
}

TEST(one_request_for_a_whole_TiB)
{
	const uint64_t npages = 1ULL << (VM_PHYS_BITS - 12);
	struct hcp_range r = {};

	NEEDS_RANGES();
	set_up(1, npages);
	CHECK_EQ(vcpu_call(&vm->vcpus[0], 0, npages, SHARE), 0);
	CHECK_EQ(hcp_set__count(set), npages);
	CHECK(hcp_set__next(set, &r));
	CHECK_EQ(r.gfn, 0);
	CHECK_EQ(r.npages, npages);
	CHECK(hcp_set__complete(set));

	CHECK_EQ(vcpu_call(&vm->vcpus[0], 0, npages, HIDE), 0);
	CHECK_EQ(hcp_set__count(set), 0);
	CHECK(hcp_set__complete(set));
	CHECK_STATS(&vm->vcpus[0], .handled = 2);
}

TAP_MAIN
