/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The smallest VMM that runs the test guest, for its tests: vCPUs that can be
 * stopped anywhere, and a set that is kept by exits.  Failures end the program.
 */
#ifndef HCP_GUEST_TESTS_KVM_H
#define HCP_GUEST_TESTS_KVM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <linux/kvm.h>

#include "../mailbox.h"

#define MEM		(64ULL << 20)
#define MEM_PAGES	(MEM >> 12)
#define VCPUS		2

struct vcpu {
	unsigned int index;
	int fd;
	struct kvm_run *run;
	struct hcg_mailbox *mb;
	struct hcg_request *batch;
	pthread_t thread;
	bool runs, parked;
};

struct vm {
	int fd;
	unsigned char *mem;
	bool shared[MEM_PAGES];		/* the set */
	void (*at_request)(void);	/* called before and after one is booked */
	struct vcpu vcpu[VCPUS];
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool stop;
};

extern unsigned int passed, failed;
void ok(bool good, const char *name);
__attribute__((noreturn)) void give_up(const char *what);

/*
 * A VM with the guest loaded and vCPUs that have not run.  With exits, requests
 * are answered with 0 and booked; otherwise KVM refuses them.
 */
void vm_new(struct vm *vm, const char *elf, bool exits);
uint64_t *vm_page(struct vm *vm, uint64_t gfn);

/* Run until the doorbell rings: what was written; or minus the exit reason. */
int64_t doorbell(struct vm *vm, struct vcpu *v);

/* The same, of a command with count in the mailbox. */
int64_t command(struct vm *vm, struct vcpu *v, enum hcg_command cmd, uint64_t count);

/*
 * Stop the vCPUs that threads run between vcpu_thread_begin() and _end(), between
 * any two of the guest's instructions, and let them go on.
 */
void vcpus_stop(struct vm *vm);
void vcpus_go(struct vm *vm);
void vcpu_thread_begin(struct vm *vm, struct vcpu *v);
void vcpu_thread_end(struct vm *vm, struct vcpu *v);

#endif /* HCP_GUEST_TESTS_KVM_H */
