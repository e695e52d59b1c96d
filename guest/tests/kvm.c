// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../load.h"
#include "kvm.h"

unsigned int passed, failed;

void ok(bool good, const char *name)
{
	printf("%s %u - %s\n", good ? "ok" : "not ok", passed + failed + 1, name);
	good ? passed++ : failed++;
	fflush(stdout);
}

void give_up(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static void set_cpuid(int kvm, int vcpu)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + 256 * sizeof(c->entries[0]));

	if (!c)
		give_up("memory");
	c->nent = 256;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, c) || ioctl(vcpu, KVM_SET_CPUID2, c))
		give_up("CPUID");
	free(c);
}

static void create_vcpu(struct vm *vm, int kvm, struct hcguest *guest, unsigned int index)
{
	struct vcpu *v = &vm->vcpu[index];

	v->index = index;
	v->fd = ioctl(vm->fd, KVM_CREATE_VCPU, index);
	if (v->fd < 0)
		give_up("KVM_CREATE_VCPU");
	v->run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
		      MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED)
		give_up("mmap");
	v->mb = (void *)(vm->mem + HCG_MAILBOX_GPA(index));
	set_cpuid(kvm, v->fd);
	if (hcguest_start_vcpu(v->fd, guest, index)) {
		printf("Bail out! %s\n", guest->error);
		exit(1);
	}
}

/* What interrupts KVM_RUN. */
static void on_signal(int sig)
{
	(void)sig;
}

void vm_new(struct vm *vm, const char *elf, bool exits)
{
	struct kvm_userspace_memory_region slot = { .memory_size = MEM };
	struct kvm_enable_cap cap = { .cap = KVM_CAP_EXIT_HYPERCALL, .args[0] = 1 << 12 };
	struct sigaction action = { .sa_handler = on_signal };
	struct hcguest guest;
	int kvm, i;

	memset(vm, 0, sizeof(*vm));
	pthread_mutex_init(&vm->lock, NULL);
	pthread_cond_init(&vm->cond, NULL);
	sigaction(SIGUSR1, &action, NULL);
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		give_up("/dev/kvm");
	vm->fd = ioctl(kvm, KVM_CREATE_VM, 0);
	vm->mem = mmap(NULL, MEM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	slot.userspace_addr = (uint64_t)vm->mem;
	if (vm->fd < 0 || vm->mem == MAP_FAILED ||
	    ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot) ||
	    (exits && ioctl(vm->fd, KVM_ENABLE_CAP, &cap)))
		give_up("VM");
	if (hcguest_load(elf, vm->mem, MEM, NULL, &guest)) {
		printf("Bail out! %s\n", guest.error);
		exit(1);
	}
	for (i = 0; i < VCPUS; i++)
		create_vcpu(vm, kvm, &guest, i);
	close(kvm);
}

uint64_t *vm_page(struct vm *vm, uint64_t gfn)
{
	return (uint64_t *)(vm->mem + (gfn << 12));
}

static int64_t answer(struct vm *vm, const __u64 *args)
{
	uint64_t gfn = args[0] >> 12, i;

	if (gfn >= MEM_PAGES || args[1] > MEM_PAGES - gfn)
		return -EINVAL;
	pthread_mutex_lock(&vm->lock);
	for (i = 0; i < args[1]; i++)
		vm->shared[gfn + i] = !(args[2] & 0x10);
	pthread_mutex_unlock(&vm->lock);
	return 0;
}

static void park(struct vm *vm, struct vcpu *v)
{
	pthread_mutex_lock(&vm->lock);
	v->parked = vm->stop;
	pthread_cond_broadcast(&vm->cond);
	while (vm->stop)
		pthread_cond_wait(&vm->cond, &vm->lock);
	v->parked = false;
	v->run->immediate_exit = 0;
	pthread_mutex_unlock(&vm->lock);
}

int64_t doorbell(struct vm *vm, struct vcpu *v)
{
	uint32_t *data;

	for (;;) {
		if (ioctl(v->fd, KVM_RUN, 0)) {
			if (errno != EINTR)
				give_up("KVM_RUN");
			park(vm, v);
			continue;
		}
		if (v->run->exit_reason == KVM_EXIT_HYPERCALL) {
			if (vm->at_request)
				vm->at_request();
			v->run->hypercall.ret = answer(vm, v->run->hypercall.args);
			if (vm->at_request)
				vm->at_request();
			continue;
		}
		if (v->run->exit_reason != KVM_EXIT_IO)
			return -(int64_t)v->run->exit_reason;
		data = (void *)((char *)v->run + v->run->io.data_offset);
		if (v->run->io.port != HCG_PORT)
			continue;
		if (v->run->io.direction == KVM_EXIT_IO_OUT)
			return *data;
		*data = HCG_MAGIC;
	}
}

int64_t command(struct vm *vm, struct vcpu *v, enum hcg_command cmd, uint64_t count)
{
	v->mb->command = cmd;
	v->mb->requests = (uint64_t)((unsigned char *)v->batch - vm->mem);
	v->mb->count = count;
	return doorbell(vm, v);
}

void vcpus_stop(struct vm *vm)
{
	int i;

	pthread_mutex_lock(&vm->lock);
	vm->stop = true;
	for (i = 0; i < VCPUS; i++)
		while (vm->vcpu[i].runs && !vm->vcpu[i].parked) {
			vm->vcpu[i].run->immediate_exit = 1;
			pthread_kill(vm->vcpu[i].thread, SIGUSR1);
			pthread_cond_wait(&vm->cond, &vm->lock);
		}
	pthread_mutex_unlock(&vm->lock);
}

void vcpus_go(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	vm->stop = false;
	pthread_cond_broadcast(&vm->cond);
	pthread_mutex_unlock(&vm->lock);
}

void vcpu_thread_begin(struct vm *vm, struct vcpu *v)
{
	pthread_mutex_lock(&vm->lock);
	v->thread = pthread_self();
	v->runs = true;
	pthread_mutex_unlock(&vm->lock);
}

void vcpu_thread_end(struct vm *vm, struct vcpu *v)
{
	pthread_mutex_lock(&vm->lock);
	v->runs = false;
	v->run->immediate_exit = 0;
	pthread_cond_broadcast(&vm->cond);
	pthread_mutex_unlock(&vm->lock);
}
