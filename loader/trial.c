// SPDX-License-Identifier: GPL-2.0
/*
 * The VM of `hcpolicy try` and `verify --cost`.  A policy may say RETRY for ever, so a timer's signal
 * takes the vCPU out of KVM_RUN.  The request is then held: it stays in the guest, which asks again
 * when it goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include "../guest/find.h"
#include "loader.h"
#include "out.h"
#include "script.h"
#include "trial.h"

#define MEMORY		(16ULL << 20)
/* As wide as x86 allows, so that a trace of a larger machine is a request here too. */
#define PHYS_BITS	52

#define NS		1000000000ULL
#define TICK_US		250000
/* Held: for so long, and by so many RETRYs. */
#define HELD_NS		(2 * NS)
#define HELD_RETRIES	16

/* While a request is under way. */
struct ticks {
	uint64_t us;		/* from one to the next */
	uint64_t until;		/* it may be held from then on */
	uint64_t retries;	/* at the last one */
};

static void on_tick(int sig)
{
}

static void set_tick(uint64_t us)
{
	const struct timeval tick = { .tv_sec = us / 1000000, .tv_usec = us % 1000000 };
	const struct itimerval timer = { .it_interval = tick, .it_value = tick };

	setitimer(ITIMER_REAL, &timer, NULL);
}

static bool failed(const char *what)
{
	err("the VM to try it in: %s: %s", what, strerror(errno));
	return false;
}

static bool fill(struct trial *t)
{
	struct kvm_userspace_memory_region slot = { .memory_size = MEMORY };
	char path[PATH_MAX];
	int ret;

	t->mem = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t->mem == MAP_FAILED) {
		t->mem = NULL;
		return failed("its memory");
	}
	slot.userspace_addr = (uintptr_t)t->mem;
	if (ioctl(t->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot))
		return failed("KVM_SET_USER_MEMORY_REGION");
	if (t->exits) {
		ret = hcguest_enable_exits(t->vm_fd);
		if (ret) {
			errno = -ret;
			return failed("the exits of its requests");
		}
	}
	if (hcguest_load(hcguest_find(path), t->mem, MEMORY, NULL, &t->guest)) {
		err("%s", t->guest.error);
		return false;
	}
	return true;
}

bool trial_possible(void)
{
	char why[256];

	if (probe_hook(why, sizeof(why)))
		return true;
	err("a policy can only be tried where KVM has the hook: %s", why);
	return false;
}

bool trial_begin(struct trial *t, bool exits)
{
	struct sigaction action = { .sa_handler = on_tick, .sa_flags = SA_RESTART };

	*t = (struct trial) { .exits = exits, .vm_fd = -1 };
	set_tick(0);	/* of another trial: KVM_CREATE_VM ends at a signal */
	sigaction(SIGALRM, &action, NULL);
	t->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (t->kvm_fd < 0)
		return failed("/dev/kvm");
	t->run_size = ioctl(t->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	t->vm_fd = ioctl(t->kvm_fd, KVM_CREATE_VM, 0);
	if (t->run_size < 0 || t->vm_fd < 0)
		return failed("KVM_CREATE_VM");
	if (!fill(t))
		return false;
	set_tick(TICK_US);
	return true;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void free_vcpu(struct trial_vcpu *v)
{
	if (v->run)
		munmap(v->run, v->trial->run_size);
	close_fd(v->stats_fd);
	close_fd(v->fd);
}

void trial_end(struct trial *t)
{
	set_tick(0);
	while (t->nvcpus)
		free_vcpu(&t->vcpus[--t->nvcpus]);
	close_fd(t->vm_fd);
	close_fd(t->kvm_fd);
	if (t->mem)
		munmap(t->mem, MEMORY);
}

static bool make_vcpu(struct trial_vcpu *v, unsigned int index)
{
	struct trial *t = v->trial;
	void *run;
	int ret;

	v->fd = hcguest_new_vcpu(t->kvm_fd, t->vm_fd, v->id, PHYS_BITS);
	if (v->fd < 0) {
		errno = -v->fd;
		return failed("a vCPU");
	}
	v->stats_fd = ioctl(v->fd, KVM_GET_STATS_FD, NULL);
	if (v->stats_fd < 0)
		return failed("KVM_GET_STATS_FD");
	run = mmap(NULL, t->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (run == MAP_FAILED)
		return failed("a vCPU's memory");
	v->run = run;
	v->mailbox = (void *)(t->mem + HCG_MAILBOX_GPA(index));
	v->request = (void *)(t->mem + HCG_BATCH_GPA(index));
	ret = vcpu_stats_find(v->stats_fd, &v->stats_at);
	if (ret) {
		errno = -ret;
		return failed("a vCPU");
	}
	if (hcguest_start_vcpu(t->vm_fd, v->fd, &t->guest, index)) {
		err("%s", t->guest.error);
		return false;
	}
	v->mailbox->command = HCG_CMD_RUN;
	v->mailbox->requests = HCG_BATCH_GPA(index);
	return true;
}

struct trial_vcpu *trial_vcpu(struct trial *t, unsigned int id)
{
	struct trial_vcpu *v;

	for (v = t->vcpus; v < t->vcpus + t->nvcpus; v++)
		if (v->id == id)
			return v;
	if (t->nvcpus == HCG_MAX_VCPUS) {
		err("the VM to try it in has no more than %d vCPUs, and vCPU %u would be one more", HCG_MAX_VCPUS, id);
		return NULL;
	}
	*v = (struct trial_vcpu) { .trial = t, .id = id, .fd = -1, .stats_fd = -1 };
	if (make_vcpu(v, t->nvcpus)) {
		t->nvcpus++;
		return v;
	}
	free_vcpu(v);
	return NULL;
}

static struct hcg_request request(bool shared, uint64_t gpa, uint64_t npages)
{
	return (struct hcg_request) {
		.op = HCG_ASK, .a0 = gpa, .a1 = npages, .a2 = shared ? 0 : HCG_PRIVATE,
	};
}

void trial_ask(struct trial_vcpu *v, bool shared, uint64_t gpa, uint64_t npages, unsigned long line)
{
	v->request[0] = request(shared, gpa, npages);
	v->mailbox->count = 1;
	v->exits = 0;
	v->line = line;
}

void trial_ask_in_turn(struct trial_vcpu *v, uint64_t gpa, uint64_t npages, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		v->request[i] = request(i % 2 == 0, gpa, npages);
	v->mailbox->count = n;
	v->exits = 0;
}

/* KVM_RUN came back with what is no doorbell, and no exit that is known here. */
static bool surprised(const struct trial_vcpu *v, int64_t event)
{
	if (event == INT64_MIN)
		return failed("KVM_RUN");
	if (event >= 0 && HCG_EVENT(event) == HCG_EV_FAULT)
		err("the VM to try it in: vCPU %u died of exception %u", v->id,
		    (unsigned int)HCG_EVENT_ARG(event));
	else
		err("the VM to try it in: vCPU %u came back with %lld", v->id, (long long)event);
	return false;
}

static const char *verdict(const struct trial_vcpu *v, const struct vcpu_stats *stats)
{
	if (v->exits)
		return SCRIPT_EXIT;
	/* On arm64 it takes a call for each page, and the first that is refused is the answer. */
	if (!v->request->ret && stats->handled != v->stats.handled)
		return SCRIPT_HANDLED;
	return script_errno(v->request->ret) ?: "no answer of KVM's";
}

/* KVM has counted since the request was made; what it counts from now on is the next one's. */
static void judge(struct trial_vcpu *v, const struct vcpu_stats *stats, struct trial_answer *answer)
{
	*answer = (struct trial_answer) {
		.verdict = v->held ? SCRIPT_RETRY : verdict(v, stats),
		.ret = v->request->ret,
		.retries = stats->retry - v->stats.retry,
		.handled = stats->handled - v->stats.handled,
		.overruled = stats->overruled != v->stats.overruled,
		.bad_verdict = stats->bad_verdict != v->stats.bad_verdict,
		.bad_request = stats->bad_request != v->stats.bad_request,
	};
	v->stats = *stats;
}

/*
 * A tick came.  Is the request held?  KVM begins a request above 1 TiB anew for each signal, and counts
 * a RETRY of its own: if that was all, the next tick comes later.
 */
static bool is_held(struct trial_vcpu *v, struct ticks *t, const struct vcpu_stats *stats)
{
	uint64_t since = stats->retry - t->retries;

	t->retries = stats->retry;
	if (since <= 1)
		set_tick(t->us *= 2);
	return since > 1 && clock_ns(CLOCK_MONOTONIC) >= t->until && stats->retry - v->stats.retry > HELD_RETRIES;
}

bool trial_go_on(struct trial_vcpu *v, struct trial_answer *answer)
{
	struct ticks ticks = {
		.us = TICK_US, .until = clock_ns(CLOCK_MONOTONIC) + HELD_NS, .retries = v->stats.retry,
	};
	struct hcguest_exit request;
	struct vcpu_stats stats;
	int64_t event;
	int ret = 0;

	v->held = false;
	while (!ret && !v->held && (event = hcguest_run(v->fd, v->run)) != HCG_EV_DONE) {
		if (event == HCG_EV_READY && !v->started) {
			v->started = true;
		} else if (event == -KVM_EXIT_HYPERCALL &&
			   !hcguest_take_exit(v->fd, v->run, 0, &request)) {
			v->exits++;
		} else if (event == -KVM_EXIT_INTR) {
			ret = vcpu_stats_read(&v->stats_at, &stats);
			v->held = !ret && is_held(v, &ticks, &stats);
		} else {
			return surprised(v, event);
		}
	}
	if (ticks.us != TICK_US)
		set_tick(TICK_US);
	ret = ret ?: vcpu_stats_read(&v->stats_at, &stats);
	if (ret) {
		errno = -ret;
		return failed("its counters");
	}
	judge(v, &stats, answer);
	return true;
}
