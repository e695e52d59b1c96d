// SPDX-License-Identifier: GPL-2.0
/*
 * A VM with the test guest in it.  The rule: a surprise, from KVM or from the
 * guest, fails the test where it is seen, with what was seen.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvm_uapi.h"
#include "tap.h"
#include "vm.h"

const char *build_path(const char *file)
{
	static _Thread_local char path[PATH_MAX];
	char self[PATH_MAX - 300];
	ssize_t n;

	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	CHECK_CMP(n, >, 0);
	self[n] = 0;
	*strrchr(self, '/') = 0;
	snprintf(path, sizeof(path), "%s/../%s", self, file);
	return path;
}

static void start_vcpu(struct vcpu *v)
{
	if (hcguest_start_vcpu(v->vm->fd, v->fd, &v->vm->guest, v->index))
		tap_fail(__FILE__, __LINE__, "%s", v->vm->guest.error);
	v->ready = false;
}

struct vcpu *vm_add_vcpu(struct vm *vm)
{
	struct vcpu *v = &vm->vcpus[vm->nvcpus];

	CHECK_CMP(vm->nvcpus, <, VM_MAX_VCPUS);
	v->vm = vm;
	v->index = vm->nvcpus++;
	v->fd = hcguest_new_vcpu(vm->kvm_fd, vm->fd, v->index, VM_PHYS_BITS);
	CHECK_CMP(v->fd, >=, 0);
	v->stats_fd = ioctl(v->fd, KVM_GET_STATS_FD, NULL);
	CHECK_CMP(v->stats_fd, >=, 0);
	v->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	CHECK(v->run != MAP_FAILED);
	v->mbox = (void *)(vm->mem + HCG_MAILBOX_GPA(v->index));
	start_vcpu(v);
	return v;
}

static void load_guest(struct vm *vm)
{
	if (hcguest_load(build_path("bin/hcguest.elf"), vm->mem, VM_MEM, NULL, &vm->guest))
		tap_fail(__FILE__, __LINE__, "%s", vm->guest.error);
}

void vm_reset(struct vm *vm)
{
	unsigned int i;

	memset(vm->mem, 0, VM_MEM);
	load_guest(vm);
	for (i = 0; i < vm->nvcpus; i++)
		start_vcpu(&vm->vcpus[i]);
}

static struct vm *vm_new_type(unsigned long type)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	CHECK(vm);
	vm->private_fd = -1;
	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	CHECK_CMP(vm->kvm_fd, >=, 0);
	vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, type);
	CHECK_CMP(vm->fd, >=, 0);
	vm->run_size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	return vm;
}

struct vm *vm_new_empty(void)
{
	return vm_new_type(0);
}

static struct vm *vm_populate(struct vm *vm, struct kvm_userspace_memory_region2 *slot,
			      unsigned int nvcpus, bool exits)
{
	unsigned int i;

	vm->mem = mmap(NULL, VM_MEM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(vm->mem != MAP_FAILED);
	slot->memory_size = VM_MEM;
	slot->userspace_addr = (uintptr_t)vm->mem;
	CHECK_EQ(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION2, slot), 0);
	if (exits)
		CHECK_EQ(hcguest_enable_exits(vm->fd), 0);

	load_guest(vm);
	for (i = 0; i < nvcpus; i++)
		vm_add_vcpu(vm);
	return vm;
}

struct vm *vm_new(unsigned int nvcpus, bool exits)
{
	return vm_populate(vm_new_empty(), &(struct kvm_userspace_memory_region2){},
			   nvcpus, exits);
}

struct vm *vm_new_protected(unsigned int nvcpus, bool exits)
{
	struct kvm_userspace_memory_region2 slot = { .flags = KVM_MEM_GUEST_MEMFD };
	struct kvm_create_guest_memfd gmem = { .size = VM_MEM };
	struct vm *vm = vm_new_type(KVM_X86_SW_PROTECTED_VM);

	vm->private_fd = ioctl(vm->fd, KVM_CREATE_GUEST_MEMFD, &gmem);
	CHECK_CMP(vm->private_fd, >=, 0);
	slot.guest_memfd = vm->private_fd;
	return vm_populate(vm, &slot, nvcpus, exits);
}

void vm_convert(struct vm *vm, uint64_t gpa, uint64_t npages, bool shared)
{
	struct kvm_memory_attributes attrs = {
		.address = gpa,
		.size = npages * PAGE,
		.attributes = shared ? 0 : KVM_MEMORY_ATTRIBUTE_PRIVATE,
	};

	CHECK_EQ(ioctl(vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attrs), 0);
}

void vm_free(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->nvcpus; i++) {
		munmap(vm->vcpus[i].run, vm->run_size);
		close(vm->vcpus[i].stats_fd);
		close(vm->vcpus[i].fd);
	}
	if (vm->private_fd >= 0)
		close(vm->private_fd);
	close(vm->fd);
	close(vm->kvm_fd);
	if (vm->mem)
		munmap(vm->mem, VM_MEM);
	free(vm);
}

bool vm_exists(int vm_fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d", getpid(), vm_fd);
	return !access(path, F_OK);
}

static void hypercall_exit(struct vcpu *v)
{
	CHECK_EQ(hcguest_take_exit(v->fd, v->run, v->exit_ret, &v->exit), 0);
	v->exits++;
	if (v->on_exit)
		v->on_exit(v);
}

int64_t vcpu_doorbell(struct vcpu *v)
{
	int64_t event;

	for (;;) {
		event = hcguest_run(v->fd, v->run);
		if (event == -KVM_EXIT_HYPERCALL)
			hypercall_exit(v);
		else if (event == INT64_MIN)
			tap_fail(__FILE__, __LINE__, "vCPU %u: KVM_RUN", v->index);
		else if (event != -KVM_EXIT_INTR || v->stop_on_eintr)
			return event;
	}
}

int64_t vcpu_command(struct vcpu *v, enum hcg_command command, uint64_t gpa, size_t n)
{
	v->mbox->command = command;
	v->mbox->requests = gpa;
	v->mbox->count = n;
	return vcpu_doorbell(v);
}

bool vcpu_run(struct vcpu *v)
{
	int64_t event;

	v->ready = false;
	event = vcpu_doorbell(v);
	v->ready = event == HCG_EV_READY || event == HCG_EV_DONE;
	if (v->ready || event == -KVM_EXIT_INTR)
		return v->ready;
	if (event < 0)
		tap_fail(__FILE__, __LINE__, "vCPU %u: exit reason %lld", v->index, (long long)-event);
	if (HCG_EVENT(event) != HCG_EV_FAULT)
		tap_fail(__FILE__, __LINE__, "doorbell 0x%llx", (long long)event);
	tap_fail(__FILE__, __LINE__, "guest exception %llu, error 0x%llx, rip 0x%llx, cr2 0x%llx",
		 (unsigned long long)v->mbox->fault.vector, (unsigned long long)v->mbox->fault.error,
		 (unsigned long long)v->mbox->fault.rip, (unsigned long long)v->mbox->fault.cr2);
}

void vcpu_put(struct vcpu *v, enum hcg_command command, const struct hcg_request *reqs, size_t n)
{
	if (!v->ready)
		CHECK(vcpu_run(v));
	CHECK_CMP(n, <=, VM_BATCH_MAX);
	if (n)
		memcpy(v->vm->mem + VM_BATCH_GPA(v->index), reqs, n * sizeof(*reqs));
	v->mbox->command = command;
	v->mbox->stop = 0;
	v->mbox->requests = VM_BATCH_GPA(v->index);
	v->mbox->count = n;
}

void vcpu_batch(struct vcpu *v, struct hcg_request *reqs, size_t n)
{
	vcpu_put(v, HCG_CMD_RUN, reqs, n);
	CHECK(vcpu_run(v));
	memcpy(reqs, v->vm->mem + VM_BATCH_GPA(v->index), n * sizeof(*reqs));
}

struct hcg_request hc_request(uint64_t gpa, uint64_t npages, uint64_t attrs, int64_t expect)
{
	return (struct hcg_request){
		.op = HCG_ASK, .flags = HCG_EXPECT,
		.a0 = gpa, .a1 = npages, .a2 = attrs, .expect = expect,
	};
}

int64_t vcpu_call(struct vcpu *v, uint64_t gpa, uint64_t npages, uint64_t attrs)
{
	struct hcg_request req = hc_request(gpa, npages, attrs, 0);

	vcpu_batch(v, &req, 1);
	return req.ret;
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *v = arg;

	v->tid = syscall(SYS_gettid);
	vcpu_run(v);
	v->running = false;
	return NULL;
}

void vcpu_run_in_thread(struct vcpu *v)
{
	v->running = true;
	v->tid = 0;
	CHECK_EQ(pthread_create(&v->thread, NULL, vcpu_thread, v), 0);
	WAIT_UNTIL(v->tid);
}

void vcpu_start(struct vcpu *v, const struct hcg_request *reqs, size_t n)
{
	vcpu_put(v, HCG_CMD_RUN, reqs, n);
	vcpu_run_in_thread(v);
}

void vcpu_join(struct vcpu *v)
{
	CHECK_EQ(pthread_join(v->thread, NULL), 0);
}

void vcpu_loop(struct vcpu *v, const struct hcg_request *reqs, size_t n)
{
	vcpu_put(v, HCG_CMD_LOOP, reqs, n);
	v->mbox->iterations = 0;
	vcpu_run_in_thread(v);
}

uint64_t vcpu_stop(struct vcpu *v)
{
	v->mbox->stop = 1;
	vcpu_join(v);
	return v->mbox->iterations;
}

struct vcpu_stats vcpu_stats(struct vcpu *v)
{
	struct vcpu_stats_at at;
	struct vcpu_stats stats;

	if (vcpu_stats_find(v->stats_fd, &at))
		tap_fail(__FILE__, __LINE__, "KVM lacks counters of the hook: is this KVM with the hook?");
	CHECK_EQ(vcpu_stats_read(&at, &stats), 0);
	return stats;
}

void vcpu_check_stats(const char *file, int line, struct vcpu *v, struct vcpu_stats expect)
{
	struct vcpu_stats stats = vcpu_stats(v);
	const uint64_t *is = (const void *)&stats, *should = (const void *)&expect;
	size_t i;

	for (i = 0; i < sizeof(stats) / sizeof(*is); i++) {
		if (is[i] != should[i])
			tap_fail(file, line, "%s is %llu, not %llu", vcpu_stats_names[i],
				 (unsigned long long)is[i], (unsigned long long)should[i]);
	}
}
