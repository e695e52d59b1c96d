// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once, and often: policies that come and go from several
 * processes, VMs by the thousand, signals in the middle of requests.  Chance
 * decides, by a printed seed (HCP_SEED repeats it), and what happened is counted
 * on all sides: the counts must agree, and the kernel's memory be what it was.
 * HCP_STORM=percent makes the numbers smaller.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../guest/random.h"
#include "memory.h"
#include "pol.h"
#include "tap.h"
#include "vm.h"

#define PROGRESS_S	10

static uint64_t seed;

static pid_t start(void (*fn)(unsigned int), unsigned int arg)
{
	pid_t pid = fork();

	CHECK_CMP(pid, >=, 0);
	if (!pid) {
		fn(arg);
		_exit(0);
	}
	return pid;
}

static void *shared_memory(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(mem != MAP_FAILED);
	return mem;
}

static void add(volatile unsigned long *count, unsigned int n)
{
	__atomic_fetch_add(count, n, __ATOMIC_RELAXED);
}

/*
 * Grace periods by interrupt: the same, and in less time.  Most of a storm would
 * be waiting otherwise.  lifetime has the ordinary ones.
 */
static void expedite(void)
{
	int fd = open("/sys/kernel/rcu_expedited", O_WRONLY);

	CHECK_CMP(fd, >=, 0);
	CHECK_EQ(write(fd, "1", 1), 1);
	close(fd);
}

/*
 * Wait for the processes, whose end must be a good one, and say now and then how
 * far they are: *done of n, if somebody counts.
 */
static void wait_for(pid_t *pids, unsigned int npids, volatile unsigned long *done,
		     unsigned long n)
{
	time_t next = tap_seconds() + PROGRESS_S;
	unsigned int i, left = npids;
	int status;

	while (left) {
		for (i = 0; i < npids; i++) {
			if (!pids[i] || !waitpid(pids[i], &status, WNOHANG))
				continue;
			if (WIFSIGNALED(status))
				tap_fail(__FILE__, __LINE__, "process %u died of signal %d", i,
					 WTERMSIG(status));
			if (status)
				_exit(1);	/* it has said why */
			pids[i] = 0;
			left--;
		}
		if (done && tap_seconds() >= next) {
			tap_note("%lu of %lu", *done, n);
			next += PROGRESS_S;
		}
		tap_pause();
	}
}

/*
 * fn(n) in a process that ends, after a little of it: nothing may stay of what it
 * does at least `times` times.
 */
static void check_memory_around(void (*fn)(unsigned int), unsigned int n, unsigned int times)
{
	static struct memory before;
	pid_t pid;

	pid = start(fn, n / 20 + 1);
	wait_for(&pid, 1, NULL, 0);
	memory_read(&before);
	pid = start(fn, n);
	wait_for(&pid, 1, NULL, 0);
	memory_check(&before, times);
}

/*
 * Policies come and go.  Each process has policies of its own, and at most one
 * link in hand: one that it attached, or one of another process, got by its ID.
 * So while it has no link, nobody may call any of its policies.
 */
#define PROCESSES	4
#define POLICIES	3	/* of a process: the first attaches, the others replace */
#define REFUSES		2	/* this one refuses, the others handle */
#define LONG_ENOUGH	1000	/* operations for all that is to happen */
#define ATTACHED	8	/* at least one operation in so many is an attach */
#define REQUESTS	64	/* of a vCPU, again and again */

/* What became of a process's operations. */
struct counts {
	unsigned long attached, replaced, detached, busy, nolink, taken;
};

struct process {
	struct pol *policy[POLICIES];
	uint64_t random;
	int link;		/* in hand, or -1 */
	uint64_t calls;		/* of its policies, when it had no link */

	volatile struct counts *counts;
	volatile uint32_t *link_id;
};

static struct process processes[PROCESSES];

/* What the processes share. */
static struct {
	bool go;
	unsigned long operations, done;
	struct counts counts[PROCESSES];
	uint32_t link_ids[PROCESSES];	/* of the link that each attached last */
} volatile *storm;

static uint64_t calls_of(const struct process *p)
{
	uint64_t calls = 0;
	int i;

	for (i = 0; i < POLICIES; i++)
		calls += p->policy[i]->state->calls;
	return calls;
}

/* A program that was taken away is not in a call.  `but` may be. */
static void check_quiet(const struct process *p, const struct pol *but)
{
	int i;

	for (i = 0; i < POLICIES; i++) {
		if (p->policy[i] != but)
			CHECK_EQ(p->policy[i]->state->in_call, 0);
	}
}

static void drop_link(struct process *p)
{
	check_quiet(p, NULL);
	p->calls = calls_of(p);
	close(p->link);
	p->link = -1;
}

/* Now and then time for the guest to ask, unless another process takes pol off. */
static void let_guest(struct process *p, const struct pol *pol)
{
	uint64_t calls = pol->state->calls;
	int i;

	if (hcg_random(&p->random) % 4)
		return;
	for (i = 0; i < 10 && pol->state->calls == calls; i++)
		tap_pause();
}

static void attach(struct process *p)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);

	p->link = bpf_link_create(bpf_map__fd(p->policy[0]->ops), 0, BPF_STRUCT_OPS, NULL);
	if (p->link < 0) {
		CHECK_EQ(p->link, -EBUSY);
		p->counts->busy++;
		return;
	}
	p->counts->attached++;
	add(&storm->done, 1);
	CHECK_EQ(bpf_link_get_info_by_fd(p->link, &info, &size), 0);
	*p->link_id = info.id;
	let_guest(p, p->policy[0]);
}

/* The link of another process, if that still has it. */
static void take(struct process *p)
{
	uint32_t id = storm->link_ids[hcg_random(&p->random) % PROCESSES];

	if (!id)
		return;
	p->link = bpf_link_get_fd_by_id(id);
	if (p->link < 0)
		CHECK_EQ(p->link, -ENOENT);
	else
		p->counts->taken++;
}

static void replace(struct process *p)
{
	struct pol *next = p->policy[1 + hcg_random(&p->random) % (POLICIES - 1)];
	int r = bpf_link_update(p->link, bpf_map__fd(next->ops), NULL);

	if (!r) {
		p->counts->replaced++;
		add(&storm->done, 1);
		check_quiet(p, next);
		let_guest(p, next);
		return;
	}
	/* Another process has detached it. */
	CHECK_EQ(r, -ENOLINK);
	p->counts->nolink++;
	drop_link(p);
}

static void detach(struct process *p)
{
	CHECK_EQ(bpf_link_detach(p->link), 0);
	p->counts->detached++;
	add(&storm->done, 1);
	drop_link(p);
}

static void come_and_go(unsigned int index)
{
	struct process *p = &processes[index];
	uint64_t dice;

	WAIT_UNTIL(storm->go);
	while (storm->done < storm->operations) {
		dice = hcg_random(&p->random) % 8;
		if (p->link < 0) {
			CHECK_EQ(calls_of(p), p->calls);
			if (dice < 3)
				attach(p);
			else
				take(p);
		} else if (dice < 5) {
			replace(p);
		} else {
			detach(p);
		}
	}
	if (p->link >= 0)
		detach(p);
	CHECK_EQ(calls_of(p), p->calls);
}

/* Loaded, and known to the kernel as one that can be attached. */
static struct pol *load_for_storm(int vm_fd, int answer)
{
	struct pol *p = pol_load("obey", vm_fd, 0);

	p->state->answer = answer;
	if (pol_try_attach(p))
		CHECK_EQ(errno, EBADF);
	else
		pol_close_link(p);
	return p;
}

static void set_up_processes(struct vm *vm)
{
	unsigned int i, j;

	for (i = 0; i < PROCESSES; i++) {
		processes[i] = (struct process){
			.random = seed + i, .link = -1,
			.counts = &storm->counts[i], .link_id = &storm->link_ids[i],
		};
		for (j = 0; j < POLICIES; j++)
			processes[i].policy[j] =
				load_for_storm(j ? -1 : vm->fd,
					       j == REFUSES ? -EPERM : KVM_HCPOLICY_HANDLED);
	}
}

static void convert(struct vcpu *v)
{
	struct hcg_request reqs[REQUESTS];
	uint64_t random = seed ^ v->index;
	struct hcg_random_range r;
	int i;

	for (i = 0; i < REQUESTS; i++) {
		r = hcg_random_range(&random, 1 << 20);
		reqs[i] = hc_request(r.gfn * PAGE, up_to(r.npages), r.shared ? SHARE : HIDE, 0);
	}
	vcpu_loop(v, reqs, REQUESTS);
}

/* Every request was seen by one policy or by none, and all agree on how many. */
static void check_counts(struct vm *vm)
{
	uint64_t requests = 0, failed = 0, handled = 0, refused = 0, attached = 0, seen[2] = {};
	volatile struct counts *c;
	struct vcpu_stats s;
	unsigned int i, j;

	for (i = 0; i < vm->nvcpus; i++) {
		struct vcpu *v = &vm->vcpus[i];

		requests += vcpu_stop(v) * REQUESTS;
		failed += v->mbox->failed;
		s = vcpu_stats(v);
		handled += s.handled;
		refused += s.refused;
		CHECK_EQ(s.retry + s.overruled + s.bad_verdict + s.bad_request, 0);
	}
	for (i = 0; i < PROCESSES; i++) {
		c = &storm->counts[i];
		tap_note("process %u: %lu attached, %lu replaced, %lu detached; refused: %lu EBUSY, %lu ENOLINK; %lu taken from others",
			 i, c->attached, c->replaced, c->detached, c->busy, c->nolink, c->taken);
		attached += c->attached;
		for (j = 0; j < POLICIES; j++)
			seen[j == REFUSES] += processes[i].policy[j]->state->calls;
	}
	tap_note("%llu requests: %llu handled, %llu refused, %llu seen by no policy",
		 (unsigned long long)requests, (unsigned long long)handled,
		 (unsigned long long)refused, (unsigned long long)(requests - handled - refused));
	CHECK_EQ(seen[0], handled);
	CHECK_EQ(seen[1], refused);
	CHECK_EQ(requests - failed, handled);
	/* Nobody was idle, unless it was over at once. */
	if (storm->operations < LONG_ENOUGH)
		return;
	CHECK_CMP(attached, >=, storm->operations / ATTACHED);
	CHECK_CMP(handled, >, 0);
	CHECK_CMP(refused, >, 0);
	CHECK_CMP(failed, >, refused);
}

static void policies_storm(unsigned int operations)
{
	struct vm *vm = vm_new(2, false);
	pid_t pids[PROCESSES];
	uint64_t done;
	unsigned int i;
	struct pol *p;

	storm = shared_memory(sizeof(*storm));
	storm->operations = operations;
	set_up_processes(vm);
	for (i = 0; i < PROCESSES; i++)
		pids[i] = start(come_and_go, i);
	for (i = 0; i < vm->nvcpus; i++)
		convert(&vm->vcpus[i]);
	for (i = 0; i < vm->nvcpus; i++)
		WAIT_UNTIL(vm->vcpus[i].mbox->iterations);
	storm->go = true;
	wait_for(pids, PROCESSES, &storm->done, operations);
	check_counts(vm);

	/* The VM is free. */
	p = processes[0].policy[0];
	done = p->state->calls;
	CHECK_EQ(pol_try_attach(p), 0);
	CHECK_EQ(vcpu_call(&vm->vcpus[0], 0, 1, SHARE), 0);
	CHECK_EQ(p->state->calls, done + 1);
}

TEST_LONG(policies_come_and_go_from_several_processes_while_vCPUs_convert, 900)
{
	unsigned int n;

	seed = tap_seed();
	expedite();
	n = tap_storm(10000);
	check_memory_around(policies_storm, n, n / ATTACHED);
}

/*
 * VMs die under pinned links.  Owners make VMs and destroy them; holders have
 * the links open by their pins, and must hear of each end.  One policy is on all
 * VMs: the descriptor in its value is another VM each time.
 */
#define OWNERS		2
#define HOLDERS		2	/* of an owner */
#define VM_FD		500
#define ROUND		25	/* VMs at a time */

static struct pol *everywhere;

static struct {
	unsigned int rounds;
	volatile unsigned long vms, by_holders, by_owners;
} *heard;

/* What owner and holder tell each other. */
enum { PINNED = 1, LISTENING, HEARD };

static const char *pin_path(unsigned int owner, unsigned int i)
{
	static char path[64];

	snprintf(path, sizeof(path), "/sys/fs/bpf/hcst-%u-%u", owner, i);
	return path;
}

static void expect(int fd, char expected)
{
	char c = 0;

	CHECK_EQ(read(fd, &c, 1), 1);
	CHECK_EQ(c, expected);
}

static void tell(int fd, char what)
{
	CHECK_EQ(write(fd, &what, 1), 1);
}

static void listen_to(int epoll, int link, unsigned int i)
{
	struct epoll_event e = { .data.u32 = i };

	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, link, &e), 0);
}

/* Each of the links that are open hangs up, and is closed.  Returns how many. */
static unsigned int hear_all(int epoll, int *links)
{
	struct epoll_event e;
	unsigned int i, n = 0, all = 0;

	for (i = 0; i < ROUND; i++)
		all += links[i] >= 0;
	while (n < all) {
		if (epoll_wait(epoll, &e, 1, TAP_WAIT_S * 1000) != 1)
			tap_fail(__FILE__, __LINE__, "%u hang-ups of %u", n, all);
		CHECK_CMP(e.events & EPOLLHUP, !=, 0);
		CHECK_EQ(close(links[e.data.u32]), 0);
		links[e.data.u32] = -1;
		n++;
	}
	return n;
}

static void hold(unsigned int owner, int sock, unsigned int rounds)
{
	int links[ROUND], epoll = epoll_create1(0);
	unsigned int i;

	for (; rounds; rounds--) {
		expect(sock, PINNED);
		for (i = 0; i < ROUND; i++) {
			links[i] = bpf_obj_get(pin_path(owner, i));
			CHECK_CMP(links[i], >=, 0);
			listen_to(epoll, links[i], i);
		}
		tell(sock, LISTENING);
		add(&heard->by_holders, hear_all(epoll, links));
		tell(sock, HEARD);
	}
}

static struct vm *pinned_vm(unsigned int owner, unsigned int i, bool runs, int *link)
{
	struct vm *vm = runs ? vm_new(1, false) : vm_new_empty();

	CHECK_EQ(dup2(vm->fd, VM_FD), VM_FD);
	*link = bpf_link_create(bpf_map__fd(everywhere->ops), 0, BPF_STRUCT_OPS, NULL);
	CHECK_CMP(*link, >=, 0);
	CHECK_EQ(close(VM_FD), 0);
	unlink(pin_path(owner, i));
	CHECK_EQ(bpf_obj_pin(*link, pin_path(owner, i)), 0);
	if (runs)
		CHECK_EQ(vcpu_call(&vm->vcpus[0], 0, 1, SHARE), 0);
	return vm;
}

/* VMs die in any order, some of them after the descriptor of their link. */
static void own(unsigned int owner, const int *socks, unsigned int rounds)
{
	int links[ROUND], epoll = epoll_create1(0);
	uint64_t random = seed + owner;
	struct vm *vms[ROUND];
	unsigned int i, j;

	for (; rounds; rounds--) {
		for (i = 0; i < ROUND; i++) {
			vms[i] = pinned_vm(owner, i, hcg_random(&random) % 16 == 0, &links[i]);
			if (hcg_random(&random) % 2) {
				listen_to(epoll, links[i], i);
			} else {
				close(links[i]);
				links[i] = -1;
			}
		}
		for (i = 0; i < HOLDERS; i++) {
			tell(socks[i], PINNED);
			expect(socks[i], LISTENING);
		}
		for (i = ROUND; i; i--) {
			j = hcg_random(&random) % i;
			vm_free(vms[j]);
			vms[j] = vms[i - 1];
		}
		add(&heard->by_owners, hear_all(epoll, links));
		for (i = 0; i < HOLDERS; i++)
			expect(socks[i], HEARD);
		for (i = 0; i < ROUND; i++)
			CHECK_EQ(unlink(pin_path(owner, i)), 0);
		add(&heard->vms, ROUND);
	}
}

/* An owner with its holders. */
static void own_and_hold(unsigned int owner)
{
	int socks[HOLDERS], pair[2];
	pid_t pids[HOLDERS];
	unsigned int i;

	for (i = 0; i < HOLDERS; i++) {
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		socks[i] = pair[0];
		pids[i] = fork();
		CHECK_CMP(pids[i], >=, 0);
		if (!pids[i]) {
			close(pair[0]);
			hold(owner, pair[1], heard->rounds);
			_exit(0);
		}
		close(pair[1]);
	}
	own(owner, socks, heard->rounds);
	wait_for(pids, HOLDERS, NULL, 0);
}

static void vms_storm(unsigned int n)
{
	pid_t pids[OWNERS];
	unsigned int i;

	heard = shared_memory(sizeof(*heard));
	heard->rounds = (n + OWNERS * ROUND - 1) / (OWNERS * ROUND);
	n = heard->rounds * OWNERS * ROUND;
	everywhere = load_for_storm(VM_FD, KVM_HCPOLICY_HANDLED);
	for (i = 0; i < OWNERS; i++)
		pids[i] = start(own_and_hold, i);
	wait_for(pids, OWNERS, &heard->vms, n);
	tap_note("%lu VMs died under pinned links: %lu hang-ups heard by their holders, %lu by their owners",
		 heard->vms, heard->by_holders, heard->by_owners);
	CHECK_EQ(heard->vms, n);
	CHECK_EQ(heard->by_holders, n * HOLDERS);
	CHECK_CMP(everywhere->state->calls, >, 0);
}

TEST_LONG(VMs_die_under_pinned_links_and_every_holder_hears_of_it, 900)
{
	unsigned int n;

	seed = tap_seed();
	expedite();
	n = tap_storm(2000);
	check_memory_around(vms_storm, n, n);
}

TAP_MAIN
