// SPDX-License-Identifier: GPL-2.0
/*
 * A VMM with helper processes, for stopped.sh.  It prints the numbers of four processes:
 * the VMM; one that has all its descriptors; one that has those of the vCPU alone; and
 * one that has none, but the VMM's memory.  A line of input, and the VMM's main thread
 * ends while its guest shares and hides 16 pages without an end.  SIGUSR1: the second
 * one closes the VM's descriptor.  SIGUSR2: it has another VM by that number then.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"
#include "vm.h"

static struct vm *vm;
static volatile int *ready;

static void close_vm(int sig)
{
	close(vm->fd);
}

static void other_vm(int sig)
{
	int kvm = open("/dev/kvm", O_RDWR), other = ioctl(kvm, KVM_CREATE_VM, 0);

	dup2(other, vm->fd);
	close(other);
	close(kvm);
}

static void wait_forever(void)
{
	__atomic_fetch_add(ready, 1, __ATOMIC_RELAXED);
	for (;;)
		pause();
}

static int with_memory(void *arg)
{
	close(vm->vcpus[0].fd);
	close(vm->fd);
	wait_forever();
	return 0;
}

static int with_vcpu(void *arg)
{
	close(vm->fd);
	wait_forever();
	return 0;
}

static int with_all(void *arg)
{
	signal(SIGUSR1, close_vm);
	signal(SIGUSR2, other_vm);
	wait_forever();
	return 0;
}

static pid_t start(int (*helper)(void *arg), int flags)
{
	const size_t stack_size = 1 << 16;
	char *stack = malloc(stack_size);
	pid_t pid;

	CHECK(stack);
	pid = clone(helper, stack + stack_size, flags | SIGCHLD, NULL);
	CHECK_CMP(pid, >, 0);
	return pid;
}

int main(void)
{
	struct hcg_request requests[2];
	pid_t all, vcpu, memory;

	ready = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(ready != MAP_FAILED);
	vm = vm_new(1, false);
	all = start(with_all, 0);
	vcpu = start(with_vcpu, 0);
	memory = start(with_memory, CLONE_VM);
	WAIT_UNTIL(*ready == 3);
	printf("%d %d %d %d\n", getpid(), all, vcpu, memory);
	fflush(stdout);

	getchar();
	requests[0] = hc_request(VM_FREE_GPA, 16, SHARE, 0);
	requests[1] = hc_request(VM_FREE_GPA, 16, HIDE, 0);
	vcpu_loop(&vm->vcpus[0], requests, 2);
	pthread_exit(NULL);
}
