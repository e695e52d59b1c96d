// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's encryption, its workload and its check, on a real KVM.  A move to a
 * VM with another key is played in place: all vCPUs stopped, each page that the
 * set has private re-keyed, the key's page filled anew.
 *
 * HCP_SEED=N repeats the chance.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../guest/record.h"
#include "../guest/random.h"
#include "tap.h"
#include "vm.h"

#define VCPUS	2
#define MEM_PAGES	(VM_MEM / PAGE)

#define FREE_GFN	(HCG_FREE_GPA >> 12)
#define STRIPE(i)	(FREE_GFN + 1024 + (uint64_t)(i) * 2048)
#define STRIPE_PAGES	256
#define PLAY_GFN	(FREE_GFN + 16)
#define MOVES		200
#define INSTRUCTIONS	2000

static struct vm *vm;
static uint64_t seed;
static bool shared[MEM_PAGES];		/* the set, kept by exits */
static void (*at_request)(void);	/* called before and after one is booked */

/* Threads that run vCPUs, and how they are stopped. */
static struct {
	pthread_t thread;
	bool runs, parked;
} crew[VCPUS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static bool stop;

static struct hcg_request *batch(struct vcpu *v)
{
	return (void *)(vm->mem + HCG_BATCH_GPA(v->index));
}

static uint64_t *vm_page(uint64_t gfn)
{
	return (uint64_t *)(vm->mem + gfn * PAGE);
}

static void answer(struct vcpu *v)
{
	uint64_t gfn = v->exit.gpa / PAGE, n = v->exit.npages, i;

	if (at_request)
		at_request();
	v->run->hypercall.ret = 0;
	if (gfn >= MEM_PAGES || n > MEM_PAGES - gfn)
		v->run->hypercall.ret = -EINVAL;
	pthread_mutex_lock(&lock);
	for (i = 0; !v->run->hypercall.ret && i < n; i++)
		shared[gfn + i] = !(v->exit.attrs & HIDE);
	pthread_mutex_unlock(&lock);
	if (at_request)
		at_request();
}

static void park(struct vcpu *v)
{
	pthread_mutex_lock(&lock);
	crew[v->index].parked = stop;
	pthread_cond_broadcast(&cond);
	while (stop)
		pthread_cond_wait(&cond, &lock);
	crew[v->index].parked = false;
	v->run->immediate_exit = 0;
	pthread_mutex_unlock(&lock);
}

static int64_t doorbell(struct vcpu *v)
{
	int64_t ev;

	while ((ev = vcpu_doorbell(v)) == -KVM_EXIT_INTR)
		park(v);
	return ev;
}

static int64_t command(struct vcpu *v, enum hcg_command command, uint64_t n)
{
	int64_t ev = vcpu_command(v, command, HCG_BATCH_GPA(v->index), n);

	if (ev != -KVM_EXIT_INTR)
		return ev;
	park(v);
	return doorbell(v);
}

/* What interrupts KVM_RUN. */
static void on_signal(int sig)
{
}

/* Stop the vCPUs of the crew between any two of the guest's instructions, and let them go on. */
static void crew_stop(void)
{
	int i;

	pthread_mutex_lock(&lock);
	stop = true;
	for (i = 0; i < VCPUS; i++)
		while (crew[i].runs && !crew[i].parked) {
			vm->vcpus[i].run->immediate_exit = 1;
			pthread_kill(crew[i].thread, SIGUSR1);
			pthread_cond_wait(&cond, &lock);
		}
	pthread_mutex_unlock(&lock);
}

static void crew_go(void)
{
	pthread_mutex_lock(&lock);
	stop = false;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
}

static void crew_runs(struct vcpu *v, bool runs)
{
	pthread_mutex_lock(&lock);
	crew[v->index].thread = pthread_self();
	crew[v->index].runs = runs;
	if (!runs)
		v->run->immediate_exit = 0;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
}

static volatile uint64_t *key(void)
{
	return (uint64_t *)(vm->mem + HCG_KEY_GPA);
}

static uint64_t entry(uint64_t gfn)
{
	return ((volatile uint64_t *)(vm->mem + HCG_TABLE_GPA))[hcg_page_index(gfn)];
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
		if (shared[gfn] == wrong)
			hcg_rekey(vm_page(gfn), gfn << 12, *key(), next);
	}
	*key() = next;
}

static struct hcg_work *work(struct vcpu *v, uint64_t flags)
{
	struct hcg_work *w = (void *)&v->mbox->work;

	w->first_gfn = STRIPE(v->index);
	w->npages = STRIPE_PAGES;
	w->seed = hcg_random(&seed);
	w->flags = flags;
	v->mbox->stop = 0;
	return w;
}

static struct hcg_work *check(struct vcpu *v)
{
	struct hcg_work *w = work(v, 0);

	if (command(v, HCG_CMD_CHECK, 0) != HCG_EV_DONE || v->mbox->failed != w->bad)
		tap_fail(__FILE__, __LINE__, "CHECK");
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
static uint64_t some_page(struct vcpu *v, bool is_shared)
{
	uint64_t gfn;

	for (gfn = STRIPE(v->index); gfn < STRIPE(v->index) + STRIPE_PAGES; gfn++)
		if (shared[gfn] == is_shared)
			return gfn;
	tap_fail(__FILE__, __LINE__, "no such page");
}

static bool book_agrees(struct vcpu *v)
{
	uint64_t gfn, e, plain, bad = 0;

	for (gfn = STRIPE(v->index); gfn < STRIPE(v->index) + STRIPE_PAGES; gfn++) {
		e = entry(gfn);
		plain = hcg_page_content(gfn, hcg_page_version(e), 7);
		if (!shared[gfn])
			plain ^= hcg_keystream(*key(), (gfn << 12) + 56);
		bad += !(e & HCG_PAGE_SHARED) == shared[gfn] || e & HCG_PAGE_BUSY ||
		       vm_page(gfn)[7] != plain;
	}
	return !bad;
}

static void test_start(struct vcpu *v)
{
	uint64_t gfn, right = 0;
	bool good = true;
	int i;

	for (i = 0; i < VCPUS; i++)
		good = good && doorbell(&v[i]) == HCG_EV_READY;
	for (gfn = 0; gfn < MEM_PAGES; gfn++)
		right += shared[gfn] == (gfn < FREE_GFN);
	tap_ok(good && right == MEM_PAGES, "with a key, the guest shares what it keeps to itself");
}

static void test_found(struct vcpu *v)
{
	uint64_t gfn = some_page(v, false), page[HCG_PAGE_WORDS], i, bad;
	struct hcg_work *w;

	vm_page(gfn)[100] ^= 1ULL << 33;
	tap_ok(finds(v, gfn, 800, 1, HCG_FOUND_GARBAGE), "one flipped bit of a private page is found");
	vm_page(gfn)[100] ^= 1ULL << 33;
	gfn = some_page(v, true);
	vm_page(gfn)[511] ^= 1;
	tap_ok(finds(v, gfn, 4088, 1, HCG_FOUND_GARBAGE), "one flipped bit of a shared page is found");
	vm_page(gfn)[511] ^= 1;
	tap_ok(clean(v), "and nothing once it is flipped back");

	move(gfn, gfn + 1);
	tap_ok(finds(v, gfn, 0, HCG_PAGE_WORDS, HCG_FOUND_SENT_PRIVATE), "a shared page that was re-keyed");
	move(gfn, gfn + 1);	/* garbage stays garbage: from the key before that */
	tap_ok(check(v)->bad == 1, "stays bad");
	work(v, HCG_WORK_FRESH);
	command(v, HCG_CMD_WORK, 500);
	tap_ok(clean(v), "all is well again after a fresh start");

	gfn = some_page(v, false);
	move(gfn, gfn + 1);
	tap_ok(finds(v, gfn, 0, HCG_PAGE_WORDS, HCG_FOUND_SENT_SHARED),
	       "a private page that was not re-keyed");
	work(v, HCG_WORK_FRESH);
	command(v, HCG_CMD_WORK, 500);

	*key() = hcg_random(&seed);
	w = check(v);
	for (i = bad = 0; i < STRIPE_PAGES; i++)
		bad += !shared[STRIPE(v->index) + i];
	tap_ok(bad && bad < STRIPE_PAGES && w->bad == bad && w->verified == STRIPE_PAGES - bad &&
	       w->bad_found == HCG_FOUND_SENT_SHARED, "a new key and nothing re-keyed: all private pages");
	work(v, HCG_WORK_FRESH);
	command(v, HCG_CMD_WORK, 500);

	gfn = some_page(v, false);
	for (i = 0; i < HCG_PAGE_WORDS; i++)
		vm_page(gfn)[i] ^= hcg_keystream(*key(), (gfn << 12) + i * 8);
	tap_ok(finds(v, gfn, 0, HCG_PAGE_WORDS, HCG_FOUND_PLAIN), "a private page in plain");
	for (i = 0; i < HCG_PAGE_WORDS; i++)
		vm_page(gfn)[i] ^= hcg_keystream(*key(), (gfn << 12) + i * 8);

	memcpy(page, vm_page(gfn), sizeof(page));
	batch(v)[0] = (struct hcg_request){ .op = HCG_PUT, .a0 = gfn << 12, .a1 = 1 };
	command(v, HCG_CMD_RUN, 1);
	memcpy(vm_page(gfn), page, sizeof(page));
	tap_ok(finds(v, gfn, 0, HCG_PAGE_WORDS, HCG_FOUND_OLD), "a page from before its last write");
	work(v, HCG_WORK_FRESH);
	command(v, HCG_CMD_WORK, 500);
	work(v, 0)->npages = HCG_TABLE_PAGES;
	tap_ok(command(v, HCG_CMD_CHECK, 0) == HCG_EV_DONE && v->mbox->failed == 1 &&
	       v->mbox->first_ret == HCG_RET_BAD_REQUEST, "pages that are not in the book are refused");
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
	{ "the contract kept, to shared", { { HCG_CONVERT, SHARE } }, 1, true, 0 },
	{ "the contract kept, there and back",
	  { { HCG_CONVERT, SHARE }, { HCG_PUT, 0 }, { HCG_CONVERT, HIDE }, { HCG_PUT, 0 } }, 4, true, 0 },
	{ "ask, then write, in two steps", { { HCG_CALL, SHARE }, { HCG_PUT_AS, SHARE } }, 2, true, 0 },
	{ "write, then ask to share", { { HCG_PUT_AS, SHARE }, { HCG_CALL, SHARE } }, 2, false,
	  HCG_FOUND_SENT_PRIVATE },
	{ "turn in place, then ask to share", { { HCG_RECODE, SHARE }, { HCG_CALL, SHARE } }, 2, false,
	  HCG_FOUND_SENT_PRIVATE },
	{ "ask to share, then turn in place", { { HCG_CALL, SHARE }, { HCG_RECODE, SHARE } }, 2, false,
	  HCG_FOUND_SENT_PRIVATE },
	{ "ask, and ask back, without a write", { { HCG_CALL, SHARE }, { HCG_CALL, HIDE } }, 2, false,
	  HCG_FOUND_SENT_SHARED },
};

/* Run a play with a move at the given step; -1: none.  The number of bad pages. */
static uint64_t play(struct vcpu *v, const struct play *p, int at)
{
	struct hcg_request *r = batch(v);
	uint64_t gpa = PLAY_GFN << 12;
	unsigned int i, step = 0;
	int64_t ev;

	*r++ = (struct hcg_request){ .op = HCG_CONVERT, .a0 = gpa, .a1 = 3, .a2 = HIDE };
	for (i = 0; i < p->nops; i++) {
		*r++ = (struct hcg_request){ .op = p->ops[i].op, .nr = 12, .a0 = gpa, .a1 = 3,
					     .a2 = p->ops[i].a2 };
		*r++ = (struct hcg_request){ .op = HCG_STEP, .a0 = i };
	}
	*r++ = (struct hcg_request){ .op = HCG_VERIFY, .a0 = gpa, .a1 = 3 };
	for (ev = command(v, HCG_CMD_RUN, r - batch(v)); HCG_EVENT(ev) == HCG_EV_STEP;
	     ev = doorbell(v), step++) {
		if ((int)step == at)
			move(0, 0);
	}
	if (ev != HCG_EV_DONE || step != p->nops)
		tap_fail(__FILE__, __LINE__, "a play");
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
			explained += v->mbox->work.bad_found == p->found &&
				     v->mbox->work.bad_gfn == PLAY_GFN;
		}
	}
	snprintf(name, sizeof(name), "%s: %s", p->name,
		 p->right ? "a move at no step harms" : "a move in between is caught 10 times of 10");
	if (!untouched || bad != (p->right ? 0 : 10))
		printf("# %u bad, %u at the first step, %u explained\n", bad, at_first, explained);
	tap_ok(untouched && bad == (p->right ? 0U : 10U) && at_first == bad && explained == bad,
		   "%s", name);
}

static void single_step(struct vcpu *v, bool on)
{
	struct kvm_guest_debug debug = {
		.control = on ? KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP : 0,
	};

	if (ioctl(v->fd, KVM_SET_GUEST_DEBUG, &debug))
		tap_fail(__FILE__, __LINE__, "KVM_SET_GUEST_DEBUG");
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

	batch(v)[0] = (struct hcg_request){ .op = HCG_STEP };
	batch(v)[1] = (struct hcg_request){ .op = op, .a0 = PLAY_GFN << 12, .a1 = 1 };
	batch(v)[2] = (struct hcg_request){ .op = HCG_VERIFY, .a0 = PLAY_GFN << 12, .a1 = 1 };
	if (command(v, HCG_CMD_RUN, 3) != HCG_EV_STEP)
		tap_fail(__FILE__, __LINE__, "a batch");
	single_step(v, true);
	for (i = 0; i < INSTRUCTIONS; i++) {
		ev = doorbell(v);
		if (ev != -KVM_EXIT_DEBUG) {
			printf("# instruction %u: %lld\n", i, (long long)ev);
			return false;
		}
		next = hcg_random(&seed);
		hcg_rekey(vm_page(PLAY_GFN), PLAY_GFN << 12, *key(), next);
		*key() = next;
	}
	single_step(v, false);
	return doorbell(v) == HCG_EV_DONE && !batch(v)[1].ret && !batch(v)[2].ret &&
	       v->mbox->work.verified;
}

static void test_instructions(struct vcpu *v)
{
	batch(v)[0] = (struct hcg_request){ .op = HCG_CONVERT, .a0 = PLAY_GFN << 12, .a1 = 1,
					    .a2 = HIDE };
	tap_ok(command(v, HCG_CMD_RUN, 1) == HCG_EV_DONE && !batch(v)[0].ret &&
	       step_through(v, HCG_PUT), "a write is moved after each instruction");
	tap_ok(step_through(v, HCG_VERIFY), "a check is moved after each instruction");
}

static void move_here(void)
{
	move(0, 0);
}

static void test_requests(struct vcpu *v)
{
	bool done;

	work(v, HCG_WORK_FRESH);
	at_request = move_here;
	done = command(v, HCG_CMD_WORK, 500) == HCG_EV_DONE && !v->mbox->work.bad &&
	       v->mbox->work.conversions > 100;
	at_request = NULL;
	tap_ok(done && clean(v), "the workload is moved before and after each request");
}

static void *run_work(void *arg)
{
	struct vcpu *v = arg;
	int64_t ev;

	crew_runs(v, true);
	work(v, HCG_WORK_FRESH);
	ev = command(v, HCG_CMD_WORK, 0);
	crew_runs(v, false);
	return ev == HCG_EV_DONE && !v->mbox->work.bad && !v->mbox->work.refused ? v : NULL;
}

static unsigned int busy_pages(void)
{
	unsigned int n = 0, i;

	for (i = 0; i < VCPUS * 2048; i++)
		n += !!(entry(STRIPE(0) + i) & HCG_PAGE_BUSY);
	return n;
}

static bool met(unsigned int busy)
{
	uint64_t conversions = 0;
	unsigned int i;

	for (i = 0; i < VCPUS; i++)
		conversions += vm->vcpus[i].mbox->work.conversions;
	return busy > MOVES / 4 && conversions > MOVES;
}

static void test_moves(struct vcpu *v)
{
	uint64_t conversions = 0, writes = 0;
	time_t end = tap_seconds() + TAP_WAIT_S;
	unsigned int busy = 0, moves, i;
	void *ret[VCPUS];

	for (i = 0; i < VCPUS; i++) {
		v[i].mbox->work.writes = 0;
		if (pthread_create(&crew[i].thread, NULL, run_work, &v[i]))
			tap_fail(__FILE__, __LINE__, "pthread_create");
	}
	for (i = 0; i < VCPUS; i++)
		WAIT_UNTIL(v[i].mbox->work.writes > STRIPE_PAGES);
	/* Where the guest gets on slowly it takes more of them to meet it at each kind of work. */
	for (moves = 0; moves < MOVES || (!met(busy) && tap_seconds() < end); moves++) {
		usleep(hcg_random(&seed) % 5000);
		crew_stop();
		busy += !!busy_pages();
		move(0, 0);
		crew_go();
	}
	for (i = 0; i < VCPUS; i++)
		v[i].mbox->stop = 1;
	for (i = 0; i < VCPUS; i++) {
		pthread_join(crew[i].thread, &ret[i]);
		conversions += v[i].mbox->work.conversions;
		writes += v[i].mbox->work.writes;
	}
	printf("# %u moves, %u of them while a page was being written; %llu conversions, %llu writes\n",
	       moves, busy, (unsigned long long)conversions, (unsigned long long)writes);
	tap_ok(ret[0] && ret[1] && met(busy) && writes > conversions,
	       "two vCPUs work on while they are moved at any instruction");
	tap_ok(clean(&v[0]) && clean(&v[1]), "and all their pages are right");
	tap_ok(book_agrees(&v[0]) && book_agrees(&v[1]), "the guest's book is the VMM's set");
}

int main(void)
{
	struct vcpu *v;
	struct hcg_work *w;
	unsigned int i;

	seed = tap_seed();
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	vm = vm_new(VCPUS, true);
	v = vm->vcpus;
	for (i = 0; i < VCPUS; i++) {
		v[i].stop_on_eintr = true;
		v[i].on_exit = answer;
	}
	*key() = hcg_random(&seed);
	test_start(v);
	w = work(&v[0], HCG_WORK_FRESH);
	tap_ok(command(&v[0], HCG_CMD_WORK, 2000) == HCG_EV_DONE && v->mbox->iterations == 2000 &&
	       !w->bad && !w->refused && w->verified >= 2000 && w->conversions > 500 &&
	       w->writes >= 2000 + STRIPE_PAGES, "the workload converts, writes and verifies");
	tap_ok(clean(&v[0]) && book_agrees(&v[0]), "its pages are right, encrypted where private");
	move(0, 0);
	tap_ok(clean(&v[0]), "and right with another key, if re-keyed");
	test_found(&v[0]);
	for (i = 0; i < sizeof(plays) / sizeof(*plays); i++)
		test_play(&v[1], &plays[i]);
	test_instructions(&v[1]);
	test_requests(&v[0]);
	test_moves(v);
	return tap_end();
}
