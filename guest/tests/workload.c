// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's encryption, its workload and its check, on a real KVM.  A move to a
 * VM with another key is played in place: all vCPUs stopped, each page that the
 * set has private re-keyed, the key's page filled anew.
 *
 *	workload HCGUEST_ELF
 *
 * HCP_SEED=N repeats the chance.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "../record.h"
#include "../random.h"
#include "kvm.h"

#define FREE_GFN	(HCG_FREE_GPA >> 12)
#define STRIPE(i)	(FREE_GFN + 1024 + (uint64_t)(i) * 2048)
#define STRIPE_PAGES	256
#define PLAY_GFN	(FREE_GFN + 16)
#define MOVES		200
#define INSTRUCTIONS	2000
#define PRIVATE		0x10
#define SHARED		0

static struct vm vm;
static uint64_t seed;

static volatile uint64_t *key(void)
{
	return (uint64_t *)(vm.mem + HCG_KEY_GPA);
}

static uint64_t entry(uint64_t gfn)
{
	return ((volatile uint64_t *)(vm.mem + HCG_TABLE_GPA))[hcg_page_index(gfn)];
}

/*
 * As a migration does, but for pages that never had contents, to save time.  The
 * pages of [wrong_from, wrong_to) are taken for what they are not.
 */
static void move(uint64_t wrong_from, uint64_t wrong_to)
{
	uint64_t gfn, next = hcg_random(&seed);
	bool wrong;

	for (gfn = FREE_GFN; gfn < MEM_PAGES; gfn++) {
		if (!entry(gfn))
			continue;
		wrong = gfn >= wrong_from && gfn < wrong_to;
		if (vm.shared[gfn] == wrong)
			hcg_rekey(vm_page(&vm, gfn), gfn << 12, *key(), next);
	}
	*key() = next;
}

static struct hcg_work *work(struct vcpu *v, uint64_t flags)
{
	struct hcg_work *w = &v->mb->work;

	w->first_gfn = STRIPE(v->index);
	w->npages = STRIPE_PAGES;
	w->seed = hcg_random(&seed);
	w->flags = flags;
	v->mb->stop = 0;
	return w;
}

static struct hcg_work *check(struct vcpu *v)
{
	struct hcg_work *w = work(v, 0);

	if (command(&vm, v, HCG_CMD_CHECK, 0) != HCG_EV_DONE || v->mb->failed != w->bad)
		give_up("CHECK");
	return w;
}

static bool clean(struct vcpu *v)
{
	struct hcg_work *w = check(v);

	if (w->bad)
		printf("# vCPU %u: %llu bad pages, the first 0x%llx at 0x%llx, found %llu\n", v->index,
		       (unsigned long long)w->bad, (unsigned long long)w->bad_gfn,
		       (unsigned long long)w->bad_offset, (unsigned long long)w->bad_found);
	return !w->bad && w->verified == STRIPE_PAGES;
}

/* The one bad page that the check finds. */
static bool finds(struct vcpu *v, uint64_t gfn, uint64_t offset, uint64_t words,
		  enum hcg_found found)
{
	struct hcg_work *w = check(v);

	if (w->bad == 1 && w->bad_gfn == gfn && w->bad_offset == offset &&
	    w->bad_words == words && w->bad_found == found && w->bad_got != w->bad_expected)
		return true;
	printf("# %llu bad, gfn 0x%llx, offset 0x%llx, %llu words, found %llu\n",
	       (unsigned long long)w->bad, (unsigned long long)w->bad_gfn,
	       (unsigned long long)w->bad_offset, (unsigned long long)w->bad_words,
	       (unsigned long long)w->bad_found);
	return false;
}

/* The first page of the stripe that is shared or is not. */
static uint64_t some_page(struct vcpu *v, bool shared)
{
	uint64_t gfn;

	for (gfn = STRIPE(v->index); gfn < STRIPE(v->index) + STRIPE_PAGES; gfn++)
		if (vm.shared[gfn] == shared)
			return gfn;
	give_up("no such page");
}

static bool book_agrees(struct vcpu *v)
{
	uint64_t gfn, e, plain, bad = 0;

	for (gfn = STRIPE(v->index); gfn < STRIPE(v->index) + STRIPE_PAGES; gfn++) {
		e = entry(gfn);
		plain = hcg_page_content(gfn, hcg_page_version(e), 7);
		if (!vm.shared[gfn])
			plain ^= hcg_keystream(*key(), (gfn << 12) + 56);
		bad += !(e & HCG_PAGE_SHARED) == vm.shared[gfn] || e & HCG_PAGE_BUSY ||
		       vm_page(&vm, gfn)[7] != plain;
	}
	return !bad;
}

static void test_start(struct vcpu *v)
{
	uint64_t gfn, shared = 0;
	bool good = true;
	int i;

	for (i = 0; i < VCPUS; i++)
		good = good && doorbell(&vm, &v[i]) == HCG_EV_READY;
	for (gfn = 0; gfn < MEM_PAGES; gfn++)
		shared += vm.shared[gfn] == (gfn < FREE_GFN);
	ok(good && shared == MEM_PAGES, "with a key, the guest shares what it keeps to itself");
}

static void test_found(struct vcpu *v)
{
	uint64_t gfn = some_page(v, false), page[HCG_PAGE_WORDS], i, bad;
	struct hcg_work *w;

	vm_page(&vm, gfn)[100] ^= 1ULL << 33;
	ok(finds(v, gfn, 800, 1, HCG_FOUND_GARBAGE), "one flipped bit of a private page is found");
	vm_page(&vm, gfn)[100] ^= 1ULL << 33;
	gfn = some_page(v, true);
	vm_page(&vm, gfn)[511] ^= 1;
	ok(finds(v, gfn, 4088, 1, HCG_FOUND_GARBAGE), "one flipped bit of a shared page is found");
	vm_page(&vm, gfn)[511] ^= 1;
	ok(clean(v), "and nothing once it is flipped back");

	move(gfn, gfn + 1);
	ok(finds(v, gfn, 0, HCG_PAGE_WORDS, HCG_FOUND_SENT_PRIVATE), "a shared page that was re-keyed");
	move(gfn, gfn + 1);	/* garbage stays garbage: from the key before that */
	ok(check(v)->bad == 1, "stays bad");
	work(v, HCG_WORK_FRESH);
	command(&vm, v, HCG_CMD_WORK, 500);
	ok(clean(v), "all is well again after a fresh start");

	gfn = some_page(v, false);
	move(gfn, gfn + 1);
	ok(finds(v, gfn, 0, HCG_PAGE_WORDS, HCG_FOUND_SENT_SHARED),
	   "a private page that was not re-keyed");
	work(v, HCG_WORK_FRESH);
	command(&vm, v, HCG_CMD_WORK, 500);

	*key() = hcg_random(&seed);
	w = check(v);
	for (i = bad = 0; i < STRIPE_PAGES; i++)
		bad += !vm.shared[STRIPE(v->index) + i];
	ok(bad && bad < STRIPE_PAGES && w->bad == bad && w->verified == STRIPE_PAGES - bad &&
	   w->bad_found == HCG_FOUND_SENT_SHARED, "a new key and nothing re-keyed: all private pages");
	work(v, HCG_WORK_FRESH);
	command(&vm, v, HCG_CMD_WORK, 500);

	gfn = some_page(v, false);
	for (i = 0; i < HCG_PAGE_WORDS; i++)
		vm_page(&vm, gfn)[i] ^= hcg_keystream(*key(), (gfn << 12) + i * 8);
	ok(finds(v, gfn, 0, HCG_PAGE_WORDS, HCG_FOUND_PLAIN), "a private page in plain");
	for (i = 0; i < HCG_PAGE_WORDS; i++)
		vm_page(&vm, gfn)[i] ^= hcg_keystream(*key(), (gfn << 12) + i * 8);

	memcpy(page, vm_page(&vm, gfn), sizeof(page));
	v->batch[0] = (struct hcg_request){ .op = HCG_PUT, .a0 = gfn << 12, .a1 = 1 };
	command(&vm, v, HCG_CMD_RUN, 1);
	memcpy(vm_page(&vm, gfn), page, sizeof(page));
	ok(finds(v, gfn, 0, HCG_PAGE_WORDS, HCG_FOUND_OLD), "a page from before its last write");
	work(v, HCG_WORK_FRESH);
	command(&vm, v, HCG_CMD_WORK, 500);
	work(v, 0)->npages = HCG_TABLE_PAGES;
	ok(command(&vm, v, HCG_CMD_CHECK, 0) == HCG_EV_DONE && v->mb->failed == 1 &&
	   v->mb->first_ret == HCG_RET_BAD_REQUEST, "pages that are not in the book are refused");
}

/* Plays: a batch with a step after each operation, and a move at one of the steps. */
struct play {
	const char *name;
	struct {
		uint32_t op;
		uint64_t a2;
	} ops[4];
	unsigned int nops;
	bool right;	/* no move harms */
	enum hcg_found found;	/* what the harmful move leads to */
};

static const struct play plays[] = {
	{ "the contract kept, to shared", { { HCG_CONVERT, SHARED } }, 1, true, 0 },
	{ "the contract kept, there and back",
	  { { HCG_CONVERT, SHARED }, { HCG_PUT, 0 }, { HCG_CONVERT, PRIVATE }, { HCG_PUT, 0 } }, 4, true, 0 },
	{ "ask, then write, in two steps", { { HCG_CALL, SHARED }, { HCG_PUT_AS, SHARED } }, 2, true, 0 },
	{ "write, then ask to share", { { HCG_PUT_AS, SHARED }, { HCG_CALL, SHARED } }, 2, false,
	  HCG_FOUND_SENT_PRIVATE },
	{ "turn in place, then ask to share", { { HCG_RECODE, SHARED }, { HCG_CALL, SHARED } }, 2, false,
	  HCG_FOUND_SENT_PRIVATE },
	{ "ask to share, then turn in place", { { HCG_CALL, SHARED }, { HCG_RECODE, SHARED } }, 2, false,
	  HCG_FOUND_SENT_PRIVATE },
	{ "ask, and ask back, without a write", { { HCG_CALL, SHARED }, { HCG_CALL, PRIVATE } }, 2, false,
	  HCG_FOUND_SENT_SHARED },
};

/* Run a play with a move at the given step; -1: none.  The number of bad pages. */
static uint64_t play(struct vcpu *v, const struct play *p, int at)
{
	struct hcg_request *r = v->batch;
	uint64_t gpa = PLAY_GFN << 12;
	unsigned int i, step = 0;
	int64_t ev;

	*r++ = (struct hcg_request){ .op = HCG_CONVERT, .a0 = gpa, .a1 = 3, .a2 = PRIVATE };
	for (i = 0; i < p->nops; i++) {
		*r++ = (struct hcg_request){ .op = p->ops[i].op, .nr = 12, .a0 = gpa, .a1 = 3,
					     .a2 = p->ops[i].a2 };
		*r++ = (struct hcg_request){ .op = HCG_STEP, .a0 = i };
	}
	*r++ = (struct hcg_request){ .op = HCG_VERIFY, .a0 = gpa, .a1 = 3 };
	for (ev = command(&vm, v, HCG_CMD_RUN, r - v->batch); HCG_EVENT(ev) == HCG_EV_STEP;
	     ev = doorbell(&vm, v), step++) {
		if ((int)step == at)
			move(0, 0);
	}
	if (ev != HCG_EV_DONE || step != p->nops)
		give_up("a play");
	return r[-1].ret;
}

static void test_play(struct vcpu *v, const struct play *p)
{
	unsigned int i, moves, bad = 0, explained = 0, at_first = 0;
	bool untouched = true;
	char name[128];

	for (i = 0; i < 10; i++) {
		untouched = untouched && !play(v, p, -1);
		for (moves = 0; moves < p->nops; moves++) {
			if (play(v, p, moves) != 3)
				continue;
			bad++;
			at_first += !moves;
			explained += v->mb->work.bad_found == p->found &&
				     v->mb->work.bad_gfn == PLAY_GFN;
		}
	}
	snprintf(name, sizeof(name), "%s: %s", p->name,
		 p->right ? "a move at no step harms" : "a move in between is caught 10 times of 10");
	if (!untouched || bad != (p->right ? 0 : 10))
		printf("# %u bad, %u at the first step, %u explained\n", bad, at_first, explained);
	ok(untouched && bad == (p->right ? 0U : 10U) && at_first == bad && explained == bad, name);
}

static void single_step(struct vcpu *v, bool on)
{
	struct kvm_guest_debug debug = {
		.control = on ? KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP : 0,
	};

	if (ioctl(v->fd, KVM_SET_GUEST_DEBUG, &debug))
		give_up("KVM_SET_GUEST_DEBUG");
}

/*
 * One page, moved after each of the first instructions of op; the other pages are
 * not re-keyed and lost.  Several words' worth: each has every window.
 */
static bool step_through(struct vcpu *v, enum hcg_op op)
{
	uint64_t next;
	unsigned int i;
	int64_t ev;

	v->batch[0] = (struct hcg_request){ .op = HCG_STEP };
	v->batch[1] = (struct hcg_request){ .op = op, .a0 = PLAY_GFN << 12, .a1 = 1 };
	v->batch[2] = (struct hcg_request){ .op = HCG_VERIFY, .a0 = PLAY_GFN << 12, .a1 = 1 };
	if (command(&vm, v, HCG_CMD_RUN, 3) != HCG_EV_STEP)
		give_up("a batch");
	single_step(v, true);
	for (i = 0; i < INSTRUCTIONS; i++) {
		ev = doorbell(&vm, v);
		if (ev != -KVM_EXIT_DEBUG) {
			printf("# instruction %u: %lld\n", i, (long long)ev);
			return false;
		}
		next = hcg_random(&seed);
		hcg_rekey(vm_page(&vm, PLAY_GFN), PLAY_GFN << 12, *key(), next);
		*key() = next;
	}
	single_step(v, false);
	return doorbell(&vm, v) == HCG_EV_DONE && !v->batch[1].ret && !v->batch[2].ret &&
	       v->mb->work.verified;
}

static void test_instructions(struct vcpu *v)
{
	v->batch[0] = (struct hcg_request){ .op = HCG_CONVERT, .a0 = PLAY_GFN << 12, .a1 = 1,
					    .a2 = PRIVATE };
	ok(command(&vm, v, HCG_CMD_RUN, 1) == HCG_EV_DONE && !v->batch[0].ret &&
	   step_through(v, HCG_PUT), "a write is moved after each instruction");
	ok(step_through(v, HCG_VERIFY), "a check is moved after each instruction");
}

static void move_here(void)
{
	move(0, 0);
}

static void test_requests(struct vcpu *v)
{
	bool done;

	work(v, HCG_WORK_FRESH);
	vm.at_request = move_here;
	done = command(&vm, v, HCG_CMD_WORK, 500) == HCG_EV_DONE && !v->mb->work.bad &&
	       v->mb->work.conversions > 100;
	vm.at_request = NULL;
	ok(done && clean(v), "the workload is moved before and after each request");
}

static void *run_work(void *arg)
{
	struct vcpu *v = arg;
	int64_t ev;

	vcpu_thread_begin(&vm, v);
	work(v, HCG_WORK_FRESH);
	ev = command(&vm, v, HCG_CMD_WORK, 0);
	vcpu_thread_end(&vm, v);
	return ev == HCG_EV_DONE && !v->mb->work.bad && !v->mb->work.refused ? v : NULL;
}

static unsigned int busy_pages(void)
{
	unsigned int n = 0, i;

	for (i = 0; i < VCPUS * 2048; i++)
		n += !!(entry(STRIPE(0) + i) & HCG_PAGE_BUSY);
	return n;
}

static void test_moves(struct vcpu *v)
{
	uint64_t conversions = 0, writes = 0;
	unsigned int busy = 0, i;
	void *ret[VCPUS];

	for (i = 0; i < VCPUS; i++) {
		v[i].mb->work.writes = 0;
		if (pthread_create(&v[i].thread, NULL, run_work, &v[i]))
			give_up("pthread_create");
	}
	for (i = 0; i < VCPUS; i++)
		while (v[i].mb->work.writes <= STRIPE_PAGES)
			usleep(1000);
	for (i = 0; i < MOVES; i++) {
		usleep(hcg_random(&seed) % 5000);
		vcpus_stop(&vm);
		busy += !!busy_pages();
		move(0, 0);
		vcpus_go(&vm);
	}
	for (i = 0; i < VCPUS; i++)
		v[i].mb->stop = 1;
	for (i = 0; i < VCPUS; i++) {
		pthread_join(v[i].thread, &ret[i]);
		conversions += v[i].mb->work.conversions;
		writes += v[i].mb->work.writes;
	}
	printf("# %u moves, %u of them while a page was being written; %llu conversions, %llu writes\n",
	       MOVES, busy, (unsigned long long)conversions, (unsigned long long)writes);
	ok(ret[0] && ret[1] && busy > MOVES / 4 && conversions > MOVES && writes > conversions,
	   "two vCPUs work on while they are moved at any instruction");
	ok(clean(&v[0]) && clean(&v[1]), "and all their pages are right");
	ok(book_agrees(&v[0]) && book_agrees(&v[1]), "the guest's book is the VMM's set");
}

int main(int argc, char **argv)
{
	const char *env = getenv("HCP_SEED");
	struct vcpu *v = vm.vcpu;
	struct hcg_work *w;
	unsigned int i;

	if (argc != 2) {
		fprintf(stderr, "usage: workload HCGUEST_ELF\n");
		return 2;
	}
	seed = env ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);
	printf("# HCP_SEED=%llu\n", (unsigned long long)seed);
	vm_new(&vm, argv[1], true);
	*key() = hcg_random(&seed);
	for (i = 0; i < VCPUS; i++)
		v[i].batch = (void *)(vm.mem + HCG_BATCH_GPA(i));
	test_start(v);
	w = work(&v[0], HCG_WORK_FRESH);
	ok(command(&vm, &v[0], HCG_CMD_WORK, 2000) == HCG_EV_DONE && v->mb->iterations == 2000 &&
	   !w->bad && !w->refused && w->verified >= 2000 && w->conversions > 500 &&
	   w->writes >= 2000 + STRIPE_PAGES, "the workload converts, writes and verifies");
	ok(clean(&v[0]) && book_agrees(&v[0]), "its pages are right, encrypted where private");
	move(0, 0);
	ok(clean(&v[0]), "and right with another key, if re-keyed");
	test_found(&v[0]);
	for (i = 0; i < sizeof(plays) / sizeof(*plays); i++)
		test_play(&v[1], &plays[i]);
	test_instructions(&v[1]);
	test_requests(&v[0]);
	test_moves(v);
	printf("1..%u\n%u passed, %u failed, 0 skipped\n", passed + failed, passed, failed);
	return failed != 0;
}
