/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VM for tests, with the test guest (hcguest.elf) in it.  Whatever a test did
 * not ask for, such as an exit that nobody expects, fails the test.
 *
 * One thread at a time uses a vCPU: either the test's, by vcpu_call() and
 * vcpu_batch(), or a thread of the vCPU's own between vcpu_start() or
 * vcpu_loop() and vcpu_join() or vcpu_stop().
 */
#ifndef HCST_VM_H
#define HCST_VM_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/kvm.h>
#include <linux/kvm_para.h>

#include "../guest/load.h"
#include "../guest/mailbox.h"
#include "../guest/stats.h"
#include "../guest/vcpu.h"

#define PAGE		4096ULL
#define SHARE		0ULL
#define HIDE		((uint64_t)HCG_PRIVATE)

/*
 * How guests differ.  One of arm64 asks for a page at a time, so what a test asks for more pages is
 * as many requests.  It learns of a refusal little more than that, and obeys: it has not converted
 * the page (hcp_obeys() in hcpolicy.bpf.h).
 */
#ifdef __aarch64__
#define VM_REQUEST_PAGES	1ULL
#define VM_OBEYS		true
#else
#define VM_REQUEST_PAGES	(1ULL << 52)
#define VM_OBEYS		false
#endif
/* n pages, or as many as one request can be for. */
static inline uint64_t up_to(uint64_t n)
{
	return n < VM_REQUEST_PAGES ? n : VM_REQUEST_PAGES;
}

/* What the guest sees if KVM answers with this -KVM_E*. */
static inline int64_t as_seen(int64_t answer)
{
	if (!VM_OBEYS)
		return answer;
	return answer == -KVM_ENOSYS || answer == -KVM_EOPNOTSUPP ? -KVM_ENOSYS : -KVM_EINVAL;
}

/* For a test of what is in a request of several pages. */
#define NEEDS_RANGES()								\
	do {									\
		if (VM_REQUEST_PAGES == 1)					\
			tap_skip("each request of arm64 is for one page");	\
	} while (0)

#define VM_MAX_VCPUS	8
#define VM_MEM		(64ULL << 20)
/* A batch of vCPU i lies here and has room for so many operations. */
#define VM_BATCH_GPA(i)	(HCG_FREE_GPA + (uint64_t)(i) * (2ULL << 20))
#define VM_BATCH_MAX	((2ULL << 20) / sizeof(struct hcg_request))
/* Guest memory above is the test's. */
#define VM_FREE_GPA	VM_BATCH_GPA(VM_MAX_VCPUS)

/* The guest's physical address width, unless the test has another. */
#define VM_PHYS_BITS	40

struct vcpu {
	struct vm *vm;
	int fd;
	int stats_fd;
	struct kvm_run *run;
	volatile struct hcg_mailbox *mbox;
	unsigned int index;
	bool ready;		/* the guest waits for a command */

	/* KVM_EXIT_HYPERCALL: how many, the last one, and the answer to them. */
	volatile uint64_t exits;
	struct hcguest_exit exit;
	int64_t exit_ret;
	void (*on_exit)(struct vcpu *v);	/* what else the VMM does in an exit */

	/* If set, a KVM_RUN that a signal ended ends the wait for the guest too. */
	bool stop_on_eintr;
	pthread_t thread;
	volatile int tid;	/* of thread */
	volatile bool running;	/* thread has not come back */
};

struct vm {
	int kvm_fd;
	int fd;
	int private_fd;		/* guest_memfd, -1 if there is none; slots do not keep it */
	uint8_t *mem;
	size_t run_size;
	struct hcguest guest;
	unsigned int nvcpus;
	struct vcpu vcpus[VM_MAX_VCPUS];
};

/* nvcpus vCPUs, none of which has run.  KVM_EXIT_HYPERCALL is enabled if exits. */
struct vm *vm_new(unsigned int nvcpus, bool exits);
/*
 * Of type KVM_X86_SW_PROTECTED_VM: private pages are in a guest_memfd, all pages
 * are shared at first, and only userspace converts: vm_convert().
 */
struct vm *vm_new_protected(unsigned int nvcpus, bool exits);
void vm_convert(struct vm *vm, uint64_t gpa, uint64_t npages, bool shared);
/* With no vCPU and no memory. */
struct vm *vm_new_empty(void);
/* One more vCPU, at any time. */
struct vcpu *vm_add_vcpu(struct vm *vm);
/* What a VMM does at a reset, with no vCPU in KVM_RUN: the guest starts over. */
void vm_reset(struct vm *vm);
/* Everything that holds the VM goes: when this returns the VM has been destroyed. */
void vm_free(struct vm *vm);
/* Has KVM a VM that this process made by that number?  Its folder in debugfs goes with the VM. */
bool vm_exists(int vm_fd);

/* A request of the guest with these arguments (HCG_ASK of mailbox.h); what the guest sees. */
int64_t vcpu_call(struct vcpu *v, uint64_t gpa, uint64_t npages, uint64_t attrs);

/* A request for the functions below, which must be answered with expect. */
struct hcg_request hc_request(uint64_t gpa, uint64_t npages, uint64_t attrs, int64_t expect);

/*
 * Carry out n operations.  Results are in reqs afterwards, differences from what
 * they expect in v->mbox.
 */
void vcpu_batch(struct vcpu *v, struct hcg_request *reqs, size_t n);

/* The same in a thread of the vCPU; without results, but for those in v->mbox. */
void vcpu_start(struct vcpu *v, const struct hcg_request *reqs, size_t n);
void vcpu_join(struct vcpu *v);

/* Again and again, until vcpu_stop(), which returns how often it was done. */
void vcpu_loop(struct vcpu *v, const struct hcg_request *reqs, size_t n);
uint64_t vcpu_stop(struct vcpu *v);

/*
 * The pieces of vcpu_start() and vcpu_batch(): hand the batch over, and run until
 * the guest is done.  False if a signal came and stop_on_eintr is set.
 */
void vcpu_put(struct vcpu *v, enum hcg_command command, const struct hcg_request *reqs, size_t n);
bool vcpu_run(struct vcpu *v);
/* vcpu_run() in a thread of the vCPU. */
void vcpu_run_in_thread(struct vcpu *v);

/*
 * For tests of the guest itself, to which nothing is a surprise: run until it rings
 * the doorbell with more than a question for the magic.  What it has written; or minus
 * the exit reason: KVM_EXIT_INTR for a signal if stop_on_eintr is set, KVM_EXIT_IO for
 * another port.  The other begins with a command, whose batch is at gpa.
 */
int64_t vcpu_doorbell(struct vcpu *v);
int64_t vcpu_command(struct vcpu *v, enum hcg_command command, uint64_t gpa, size_t n);

/* What the hook has counted of the vCPU. */
struct vcpu_stats vcpu_stats(struct vcpu *v);

/* CHECK_STATS(v, .handled = 1): that, and all others zero. */
#define CHECK_STATS(v, ...)							\
	vcpu_check_stats(__FILE__, __LINE__, v, (struct vcpu_stats){ __VA_ARGS__ })
void vcpu_check_stats(const char *file, int line, struct vcpu *v, struct vcpu_stats expect);

/* The path of something under build/, which the test program lies in too. */
const char *build_path(const char *file);

#endif /* HCST_VM_H */
