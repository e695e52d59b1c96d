// SPDX-License-Identifier: GPL-2.0
/*
 * KVM's modules cannot go while a policy exists, and go without a trace when
 * none does: right after the VMs under pinned links died, too.  Nobody else may
 * have a VM meanwhile: run starts this without its own.  A failed test leaves
 * KVM as it is; the next one loads what is missing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"
#include "pol.h"
#include "tap.h"
#include "vm.h"

#define GPA	0x100000ULL
#define PIN	"/sys/fs/bpf/hcst-unload"

static const char *vendor;	/* kvm_amd or kvm_intel */

static bool is_loaded(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s/initstate", name);
	return !access(path, F_OK);
}

/* Where the machine has its modules from. */
static const char *module_path(const char *name)
{
	struct utsname uts;
	char file[200], *p;

	CHECK_EQ(uname(&uts), 0);
	snprintf(file, sizeof(file), "modules/%s/%s.ko", uts.release, name);
	for (p = strrchr(file, '/'); *p; p++) {
		if (*p == '_')
			*p = '-';
	}
	return build_path(file);
}

static void load(const char *name)
{
	int fd;

	if (is_loaded(name))
		return;
	fd = open(module_path(name), O_RDONLY | O_CLOEXEC);
	CHECK_CMP(fd, >=, 0);
	CHECK_EQ(syscall(SYS_finit_module, fd, "", 0), 0);
	close(fd);
}

static int unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

/* With KVM loaded, by us if need be. */
static void set_up(void)
{
	vendor = !access(module_path("kvm_amd"), R_OK) ? "kvm_amd" : "kvm_intel";
	if (access(module_path("kvm"), R_OK))
		tap_skip("KVM is no module here: there is no %s", module_path("kvm"));
	unlink(PIN);
	load("kvm");
	load(vendor);
}

static void load_again(void)
{
	struct pol *p;
	struct vm *vm;

	load("kvm");
	load(vendor);
	vm = vm_new(1, false);
	p = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), 0);
	CHECK_EQ(p->state->calls, 1);
	pol_free(p);
	vm_free(vm);
}

/* A VM whose policy is kept by its pin alone. */
static struct vm *vm_with_pinned_policy(void)
{
	struct vm *vm = vm_new(1, false);
	struct pol *p = pol_obey(vm->fd, 0, KVM_HCPOLICY_HANDLED);

	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), 0);
	CHECK_EQ(bpf_link__pin(p->link, PIN), 0);
	pol_free(p);
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), 0);
	return vm;
}

TEST(KVM_is_not_unloaded_while_a_policy_exists)
{
	struct vm *vm;

	set_up();
	vm = vm_with_pinned_policy();
	CHECK_EQ(unload(vendor), -EWOULDBLOCK);
	CHECK_EQ(unload("kvm"), -EWOULDBLOCK);
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), 0);
	vm_free(vm);

	load_again();
	CHECK_EQ(unlink(PIN), 0);
}

TEST(a_policy_that_is_loaded_keeps_KVM)
{
	struct pol *p;
	int i;

	set_up();
	p = pol_load("obey", -1, 0);
	WAIT_UNTIL(!unload(vendor));
	for (i = 0; i < 50; i++) {
		CHECK_EQ(unload("kvm"), -EWOULDBLOCK);
		tap_pause();
	}
	pol_free(p);
	WAIT_UNTIL(!unload("kvm"));
	load_again();
}

/*
 * The last reference to the module goes while a dead VM's link is being ended:
 * nothing of the module may run when it has gone, and nothing of it stay.
 */
#define ROUNDS	40	/* or what is lost each time is not seen: memory.c allows for a slab */

static void unload_round(void)
{
	struct vm *vm = vm_with_pinned_policy();

	vm_free(vm);
	CHECK_EQ(unlink(PIN), 0);
	SPIN_UNTIL(!unload(vendor));
	SPIN_UNTIL(!unload("kvm"));
	load("kvm");
	load(vendor);
}

/* In a process of its own, so that nothing of it is in use afterwards. */
static void unload_rounds(unsigned long n)
{
	pid_t pid = fork();
	int status;

	CHECK_CMP(pid, >=, 0);
	if (!pid) {
		while (n--)
			unload_round();
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (status)
		_exit(1);	/* it has said why */
}

TEST_LONG(KVM_is_unloaded_right_after_VMs_died_under_pinned_links_and_leaves_nothing, 600)
{
	static struct memory before;
	unsigned long n = tap_storm(ROUNDS);

	set_up();
	unload_rounds(2);
	memory_read(&before);
	unload_rounds(n);
	memory_check(&before, n);
	load_again();
}

TAP_MAIN
