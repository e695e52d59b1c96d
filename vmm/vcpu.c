// SPDX-License-Identifier: GPL-2.0
/*
 * vCPU threads.  To pause one, set immediate_exit and then send it a signal (the kick): a
 * vCPU on its way into KVM_RUN comes back at once.  A running vCPU parks when KVM_RUN has
 * failed with EINTR: by then KVM has completed the exit that was handled last.  (It also parks after any
 * other error, which ends the VM.)  immediate_exit is written under vm->lock only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ops.h"
#include "vcpu.h"

#define KICK_SIGNAL	SIGUSR1
#define KICK_NS		50000000	/* a vCPU that does not park is kicked again after this */

static void on_kick(int sig)
{
}

int vcpus_create(struct vm *vm)
{
	struct vcpu *vcpu;
	int size;

	size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < 0)
		return fail_errno("KVM_GET_VCPU_MMAP_SIZE");
	vm->run_size = size;

	while (vm->nvcpus < vm->cfg->smp) {
		vcpu = &vm->vcpus[vm->nvcpus];
		vcpu->vm = vm;
		vcpu->index = vm->nvcpus;
		vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, vcpu->index);
		if (vcpu->fd < 0)
			return fail_errno("KVM refuses vCPU %u", vcpu->index);
		vcpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
				 vcpu->fd, 0);
		if (vcpu->run == MAP_FAILED)
			return fail_errno("mmap of vCPU %u", vcpu->index);
		vm->nvcpus++;
	}
	return 0;
}

/* With vm->lock held.  The id of a thread that has ended is valid until it is joined. */
static void kick_all(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->nthreads; i++) {
		vm->vcpus[i].run->immediate_exit = 1;
		pthread_kill(vm->vcpus[i].thread, KICK_SIGNAL);
	}
}

/* Wait here while the VM is paused; false: the thread has to end. */
static bool park(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	bool run;

	pthread_mutex_lock(&vm->lock);
	vcpu->parked = true;
	pthread_cond_broadcast(&vm->cond);
	while (vm->state == VM_PAUSED || (vm->state == VM_RUNNING && vcpu->held))
		pthread_cond_wait(&vm->cond, &vm->lock);
	vcpu->parked = false;
	run = vm->state == VM_RUNNING;
	vcpu->run->immediate_exit = 0;
	pthread_mutex_unlock(&vm->lock);
	return run;
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	bool run;

	run = park(vcpu);
	while (run) {
		if (!ioctl(vcpu->fd, KVM_RUN, 0)) {
			vcpu->vm->ops->exit(vcpu);
			continue;
		}
		/* The guest has not started this vCPU yet. */
		if (errno == EAGAIN)
			continue;
		if (errno != EINTR) {
			fail_errno("KVM_RUN of vCPU %u", vcpu->index);
			vm_end(vcpu->vm, END_ERROR, 0);
		}
		run = park(vcpu);
	}
	return NULL;
}

int vcpus_start(struct vm *vm)
{
	struct sigaction sa = { .sa_handler = on_kick };
	struct vcpu *vcpu;
	char name[16];
	int err;

	sigaction(KICK_SIGNAL, &sa, NULL);
	while (vm->nthreads < vm->nvcpus) {
		vcpu = &vm->vcpus[vm->nthreads];
		err = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);
		if (err)
			return fail("no thread for vCPU %u: %s", vcpu->index, strerror(err));
		snprintf(name, sizeof(name), "vcpu%u", vcpu->index);
		pthread_setname_np(vcpu->thread, name);
		vm->nthreads++;
	}
	vm_pause(vm);
	return 0;
}

void vcpu_hold(struct vcpu *vcpu, bool hold)
{
	pthread_mutex_lock(&vcpu->vm->lock);
	vcpu->held = hold;
	/* KVM_RUN still completes the exit that is being handled; then the vCPU parks. */
	if (hold)
		vcpu->run->immediate_exit = 1;
	else
		pthread_cond_broadcast(&vcpu->vm->cond);
	pthread_mutex_unlock(&vcpu->vm->lock);
}

/* A VM that has ended does not run again. */
void vm_resume(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	if (vm->end == END_NONE)
		vm->state = VM_RUNNING;
	vm->arrival = ARRIVAL_NONE;
	pthread_cond_broadcast(&vm->cond);
	pthread_mutex_unlock(&vm->lock);
}

static bool all_parked(const struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->nthreads; i++)
		if (!vm->vcpus[i].parked)
			return false;
	return true;
}

/*
 * One kick may not be enough.  A vCPU that is blocked on dev_lock receives the signal there,
 * where it interrupts nothing; then it may block in the write to the console.  So kick again.
 */
void vm_pause(struct vm *vm)
{
	struct timespec end;

	pthread_mutex_lock(&vm->lock);
	vm->state = VM_PAUSED;
	for (kick_all(vm); !all_parked(vm); kick_all(vm)) {
		clock_gettime(CLOCK_MONOTONIC, &end);
		end.tv_nsec += KICK_NS;
		end.tv_sec += end.tv_nsec / 1000000000;
		end.tv_nsec %= 1000000000;
		pthread_cond_clockwait(&vm->cond, &vm->lock, CLOCK_MONOTONIC, &end);
	}
	pthread_mutex_unlock(&vm->lock);
}

void vm_end(struct vm *vm, enum end_reason end, int status)
{
	pthread_mutex_lock(&vm->lock);
	if (vm->end == END_NONE) {
		vm->end = end;
		vm->status = status;
		vm->state = VM_PAUSED;
		kick_all(vm);
		eventfd_write(vm->end_fd, 1);
	}
	pthread_mutex_unlock(&vm->lock);
}

void vcpus_quit(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	vm->state = VM_QUIT;
	kick_all(vm);
	pthread_cond_broadcast(&vm->cond);
	pthread_mutex_unlock(&vm->lock);
	while (vm->nthreads)
		pthread_join(vm->vcpus[--vm->nthreads].thread, NULL);
}
