// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The library, and its inner parts, on the real hook.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/kvm.h>
#include <poll.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The samples of the library's own tests. */
#define OBJECT(name)	build_path("obj/libhcpolicy/tests/" name ".bpf.o")

#include "../libhcpolicy/tests/policy.h"
#include "tap.h"
#include "vm.h"

#define PINS	"/sys/fs/bpf/hcpolicy"

/* What the guest sees after it asked for pages to be shared, or not. */
static int ask(struct vm *vm, uint64_t gfn, uint64_t npages, bool shared)
{
	return vcpu_call(&vm->vcpus[0], gfn * PAGE, npages, shared ? SHARE : HIDE);
}

/* A vCPU that has been in KVM_RUN, and in the guest not at all. */
static void run_nothing(struct vm *vm)
{
	struct vcpu *v = &vm->vcpus[0];

	v->run->immediate_exit = 1;
	CHECK(ioctl(v->fd, KVM_RUN, 0) == -1 && errno == EINTR);
	v->run->immediate_exit = 0;
}

static struct hcpolicy *load(const char *path)
{
	struct hcpolicy *policy;

	logged[0] = 0;
	policy = hcpolicy__open(path, &log_opts);
	CHECK(policy);
	CHECK(!hcpolicy__set_max_gpa(policy, 256 << 20));
	CHECK_OK(hcpolicy__load(policy));
	return policy;
}

static struct hcpolicy *attach(const struct vm *vm, const char *name)
{
	struct hcpolicy_attach_opts opts = { .sz = sizeof(opts), .name = name };
	struct hcpolicy *policy = load(OBJECT("sample"));

	CHECK_OK(hcpolicy__attach(policy, vm->fd, &opts));
	return policy;
}

TEST(the_set_is_what_the_guest_asked_for)
{
	struct vm *vm = vm_new(1, false);
	struct hcpolicy *policy = load(OBJECT("sample"));
	struct hcp_set *set = hcpolicy__set(policy);
	const struct hcp_info *info = hcpolicy__info(policy);
	struct hcp_range r = {};

	CHECK(!hcpolicy__probe());
	CHECK(hcp_set__npages(set) == 2 * HCP_CHUNK_PAGES);
	CHECK(hcp_set__state(set) == HCP_UNATTACHED && !hcpolicy__attached(policy));
	CHECK_OK(hcpolicy__attach(policy, vm->fd, NULL));
	CHECK(hcpolicy__complete(policy));
	CHECK(info->pid == getpid() && info->vm_fd == vm->fd && info->start_time);
	CHECK(atoi(info->name) == getpid() && !strcmp(info->policy, "sample"));
	CHECK(info->attached_at / 1000000000 + 60 > (uint64_t)time(NULL));

	CHECK(ask(vm, 100, 1000, true) == 0);
	CHECK(ask(vm, 200, 1, false) == 0);
	CHECK(hcp_set__next(set, &r) && r.gfn == 100 && r.npages == 100);
	CHECK(hcp_set__next(set, &r) && r.gfn == 201 && r.npages == 899);
	CHECK(!hcp_set__next(set, &r) && hcp_set__complete(set));

	CHECK(ask(vm, 2 * HCP_CHUNK_PAGES - 1, 5, true) == 0);
	CHECK(hcp_set__test(set, 2 * HCP_CHUNK_PAGES - 1));
	CHECK(hcp_set__beyond(set) == 4 && hcp_set__complete(set));

	CHECK(!hcpolicy__detach(policy));
	CHECK(hcp_set__state(set) == HCP_DETACHED && !hcpolicy__attached(policy));
	CHECK(ask(vm, 1, 1, true) == -1000 && !hcp_set__test(set, 1));
	CHECK(!hcpolicy__detach(policy));
	CHECK_ERR(hcpolicy__attach(policy, vm->fd, NULL), EINVAL);
	hcpolicy__close(policy);
}

TEST(a_late_policy_says_so)
{
	struct vm *vm = vm_new(1, false);
	struct hcpolicy *policy;

	run_nothing(vm);
	policy = attach(vm, "late");
	CHECK(hcpolicy__attached(policy));
	CHECK(hcp_set__state(hcpolicy__set(policy)) == HCP_LATE);
	CHECK(ask(vm, 7, 1, true) == 0 && hcp_set__test(hcpolicy__set(policy), 7));
	hcp_set__reset(hcpolicy__set(policy));
	CHECK(hcp_set__complete(hcpolicy__set(policy)));
	hcpolicy__close(policy);
}

TEST(exits_are_taken_only_on_demand)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_EXIT_HYPERCALL, .args[0] = 1 << 12 };
	struct hcpolicy_attach_opts opts = { .sz = sizeof(opts), .take_exits = true };
	struct vm *vm = vm_new(1, false), *other = vm_new(1, false);
	struct hcpolicy *policy = load(OBJECT("sample")), *polite = attach(other, "polite");
	struct hcpolicy *greedy = hcpolicy__open(OBJECT("other"), &log_opts);

	CHECK(!ioctl(vm->fd, KVM_ENABLE_CAP, &cap) && !ioctl(other->fd, KVM_ENABLE_CAP, &cap));
	CHECK_OK(hcpolicy__attach(policy, vm->fd, &opts));
	CHECK(ask(vm, 1, 1, true) == 0 && hcp_set__test(hcpolicy__set(policy), 1));

	CHECK(ask(other, 1, 1, true) == 0);
	CHECK(!vm->vcpus[0].exits && other->vcpus[0].exits == 1);
	CHECK(hcp_set__test(hcpolicy__set(polite), 1));

	/* Nor by a replacement, which has the link only. */
	CHECK_ERR(hcpolicy__replace(polite, greedy, true), EINVAL);
	CHECK(said("was attached without them"));
	hcpolicy__close(greedy);
	hcpolicy__close(policy);
	hcpolicy__close(polite);
}

TEST(refused_attaches_leave_no_trace)
{
	struct hcpolicy_attach_opts opts = { .sz = sizeof(opts), .name = "a.b", .label = "a label",
					     .incoming = true };
	struct vm *vm = vm_new(1, false), *taken = vm_new(1, false);
	struct hcpolicy *first = attach(taken, "first"), *policy = load(OBJECT("sample"));
	struct hcp_info before = *hcpolicy__info(policy);
	int null = open("/dev/null", O_RDONLY);

	CHECK_ERR(hcpolicy__attach(policy, 0, NULL), EBADF);
	CHECK_ERR(hcpolicy__attach(policy, -1, NULL), EBADF);
	CHECK_ERR(hcpolicy__attach(policy, 999, NULL), EBADF);
	CHECK(said("policy 'sample': VM fd 999 is not an open descriptor"));
	CHECK_ERR(hcpolicy__attach(policy, null, NULL), EINVAL);
	CHECK(said("is not a KVM VM"));
	CHECK_ERR(hcpolicy__attach(policy, vm->vcpus[0].fd, NULL), EINVAL);
	CHECK_ERR(hcpolicy__attach(policy, taken->fd, NULL), EBUSY);
	CHECK(said("has a policy"));
	run_nothing(taken);
	CHECK_ERR(hcpolicy__attach(policy, taken->fd, NULL), EBUSY);
	opts.name = "good";
	CHECK_ERR(hcpolicy__attach(policy, taken->fd, &opts), EBUSY);
	CHECK(!memcmp(&before, hcpolicy__info(policy), sizeof(before)));
	opts.name = "a.b";
	CHECK_ERR(hcpolicy__attach(policy, vm->fd, &opts), EINVAL);
	CHECK(said("'a.b' cannot be a name"));
	opts.name = "name";
	opts.pid = 0x7fffffff;
	CHECK_ERR(hcpolicy__attach(policy, vm->fd, &opts), ESRCH);
	CHECK(hcp_set__state(hcpolicy__set(policy)) == HCP_UNATTACHED);
	CHECK(!memcmp(&before, hcpolicy__info(policy), sizeof(before)));
	CHECK_ERR(hcpolicy__pin(policy), ENOENT);
	CHECK_ERR(hcpolicy__unpin(policy), ENOENT);

	opts.incoming = false;
	opts.pid = 1;
	opts.pid_vm_fd = 42;
	CHECK_OK(hcpolicy__attach(policy, vm->fd, &opts));
	CHECK(hcp_set__complete(hcpolicy__set(policy)));
	CHECK(hcpolicy__info(policy)->pid == 1 && hcpolicy__info(policy)->vm_fd == 42);
	hcpolicy__close(first);
	hcpolicy__close(policy);
}

/* Of root's rights a child keeps CAP_BPF and the like. */
static bool drop_sys_admin(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[2];

	if (syscall(SYS_capget, &head, caps))
		return false;
	caps[0].effective &= ~(1 << CAP_SYS_ADMIN);
	return !syscall(SYS_capset, &head, caps);
}

TEST(another_process_needs_cap_sys_admin)
{
	struct vm *vm = vm_new(1, false);
	struct hcpolicy *policy = load(OBJECT("sample"));
	int status;
	pid_t child = fork();

	if (!child)
		_exit(!drop_sys_admin() || hcpolicy__attach(policy, vm->fd, NULL) != -EPERM ||
		      !said("another process': that needs CAP_SYS_ADMIN"));
	CHECK(waitpid(child, &status, 0) == child && !status);
	hcpolicy__close(policy);
}

TEST(pins_are_found_again)
{
	struct vm *vm = vm_new(1, false), *other = vm_new(1, false);
	struct hcpolicy *policy = attach(vm, "pinned"), *found, *rival = attach(other, "pinned");

	CHECK(!hcpolicy__pin(policy));
	CHECK_ERR(hcpolicy__pin(policy), EEXIST);
	CHECK_ERR(hcpolicy__pin(rival), EEXIST);
	CHECK(said("attachment 'pinned' (policy 'sample'): the name is taken"));
	CHECK_ERR(hcpolicy__unpin(rival), ENOENT);
	CHECK(!hcpolicy__detach(rival));	/* whose name is another's */
	hcpolicy__close(rival);
	hcpolicy__close(policy);

	CHECK(ask(vm, 3, 4, true) == 0);
	found = hcpolicy__open_pinned("pinned", &log_opts);
	CHECK(found && hcpolicy__attached(found) && hcpolicy__link_fd(found) >= 0);
	CHECK(hcp_set__count(hcpolicy__set(found)) == 4 && hcp_set__complete(hcpolicy__set(found)));
	CHECK(!strcmp(hcpolicy__info(found)->name, "pinned"));
	CHECK(ask(vm, 3, 1, false) == 0 && hcp_set__count(hcpolicy__set(found)) == 3);

	CHECK(!hcpolicy__detach(found));
	CHECK(access(PINS "/pinned", F_OK) == -1);
	CHECK(hcp_set__state(hcpolicy__set(found)) == HCP_DETACHED);
	CHECK_NULL(hcpolicy__open_pinned("pinned", &log_opts), ENOENT);
	CHECK(said("attachment 'pinned': it is not in "));
	hcpolicy__close(found);
}

static int count_name(const char *name, void *ctx)
{
	++*(int *)ctx;
	return 0;
}

static int names(void)
{
	int n = 0;

	CHECK_OK(hcpolicy__each_pinned(count_name, &n, &log_opts));
	return n;
}

static int find_id(uint32_t id, void *ctx)
{
	struct { uint32_t id; int found, all; } *seen = ctx;

	seen->all++;
	seen->found += id == seen->id;
	return 0;
}

TEST(attached_policies_have_ids)
{
	struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct vm *vm = vm_new(1, false), *other = vm_new(1, false);
	struct hcpolicy *policy = attach(vm, "by-id"), *pinned = attach(other, "by-name"), *found;
	struct { uint32_t id; int found, all; } seen = { .id = hcpolicy__info(policy)->link_id };
	int prog, link;

	CHECK_OK(hcpolicy__pin(pinned));
	CHECK_OK(hcpolicy__each_attached(find_id, &seen, &log_opts));
	CHECK(seen.found == 1 && seen.all == 2);
	CHECK(ask(vm, 3, 1, true) == 0);
	found = hcpolicy__open_id(seen.id, &log_opts);
	CHECK(found && hcpolicy__attached(found) && hcp_set__test(hcpolicy__set(found), 3));
	CHECK(!strcmp(hcpolicy__info(found)->name, "by-id"));
	CHECK_OK(hcpolicy__detach(found));
	CHECK(!hcpolicy__attached(policy) && ask(vm, 3, 1, false) == -1000);
	CHECK_NULL(hcpolicy__open_id(seen.id, &log_opts), ENOLINK);
	CHECK(said("is not attached any more"));
	hcpolicy__close(found);
	hcpolicy__close(policy);
	CHECK_NULL(hcpolicy__open_id(seen.id, &log_opts), ENOENT);
	CHECK(said("there is no link of the id"));

	/* One that is pinned loses its pins. */
	found = hcpolicy__open_id(hcpolicy__info(pinned)->link_id, &log_opts);
	CHECK(found && !hcpolicy__detach(found) && access(PINS "/by-name", F_OK) == -1);
	hcpolicy__close(found);
	hcpolicy__close(pinned);

	prog = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL, "GPL", nothing, 2, NULL);
	link = bpf_raw_tracepoint_open("sys_enter", prog);
	CHECK(prog >= 0 && link >= 0);
	CHECK_NULL(hcpolicy__open_id(object_id(link), &log_opts), EINVAL);
	CHECK(said("is not a policy's"));
	seen.all = 0;
	CHECK_OK(hcpolicy__each_attached(find_id, &seen, &log_opts));
	CHECK(!seen.all);
}

TEST_LONG(policies_that_come_and_go_do_not_disturb_a_list, 400)
{
	struct { uint32_t id; int found, all; } seen = {};
	pid_t children[2];
	int ended = 0, lists = 0;

	/* Each makes links while the other's end, which takes the kernel long. */
	for (int i = 0; i < 2; i++) {
		children[i] = fork();
		CHECK(children[i] >= 0);
		if (!children[i]) {
			struct vm *vm = vm_new(1, false);

			for (unsigned long n = tap_storm(25); n--;)
				hcpolicy__close(attach(vm, i ? "one" : "another"));
			_exit(0);
		}
	}
	while (ended < 2) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		CHECK_OK(hcpolicy__each_attached(find_id, &seen, &log_opts));
		lists++;
		ended += pid > 0;
		CHECK(pid <= 0 || !status);
	}
	CHECK(lists > 10 && seen.all);
}

TEST(who_has_the_vm_is_named)
{
	struct hcpolicy_attach_opts opts = { .sz = sizeof(opts), .name = "elsewhere", .pid = 1,
					     .pid_vm_fd = 42 };
	struct vm *vm = vm_new(1, false), *other = vm_new(1, false), *third = vm_new(1, false);
	struct hcpolicy *policy = attach(vm, "one"), *two = load(OBJECT("sample"));
	struct hcpolicy *three = load(OBJECT("sample"));
	struct stat ns;
	char words[128];

	CHECK(!stat("/proc/self/ns/pid", &ns) && policy->info->pid_ns == ns.st_ino);
	CHECK_OK(hcpolicy__attach(two, other->fd, &opts));
	CHECK_ERR(hcpolicy__attach(three, vm->fd, NULL), EBUSY);
	snprintf(words, sizeof(words), "process %d (descriptor %d) has a policy, 'sample' as 'one' (link id %u): replace",
		 getpid(), vm->fd, policy->info->link_id);
	CHECK(said(words));
	/* Process 1 has no such descriptor: it could be any VM. */
	CHECK_ERR(hcpolicy__attach(three, other->fd, NULL), EBUSY);
	CHECK(said("which may be 'sample' as 'elsewhere'"));
	policy->info->pid_ns++;
	CHECK_ERR(hcpolicy__attach(three, vm->fd, NULL), EBUSY);
	CHECK(strstr(logged, "as 'one'") && said("as 'elsewhere'"));
	/* Of a library that this one does not know. */
	policy->info->version++;
	two->info->version++;
	CHECK_ERR(hcpolicy__attach(three, vm->fd, NULL), EBUSY);
	CHECK(said("it is not known which: see hcpolicy list --all"));
	CHECK_OK(hcpolicy__attach(three, third->fd, NULL));
	hcpolicy__close(policy);
	hcpolicy__close(two);
	hcpolicy__close(three);
}

TEST(names_may_be_in_another_file_system)
{
	static const char elsewhere[] = "/tmp/hcst-bpffs";
	struct hcpolicy_attach_opts opts = { .sz = sizeof(opts), .name = "away" };
	struct hcpolicy_opts there = log_opts;
	struct vm *vm = vm_new(1, false);
	struct hcpolicy *policy, *found;

	CHECK(!mkdir(elsewhere, 0700) && !mount("bpf", elsewhere, "bpf", 0, NULL));
	there.bpffs = elsewhere;
	policy = hcpolicy__open(OBJECT("sample"), &there);
	CHECK_OK(hcpolicy__load(policy));
	CHECK_OK(hcpolicy__attach(policy, vm->fd, &opts));
	CHECK_OK(hcpolicy__pin(policy));
	CHECK(!access("/tmp/hcst-bpffs/hcpolicy/away/link", F_OK));
	CHECK_NULL(hcpolicy__open_pinned("away", &log_opts), ENOENT);
	CHECK(said("it is not in " PINS));
	CHECK_NULL(hcpolicy__open_pinned("no-such", &there), ENOENT);
	CHECK(said("it is not in /tmp/hcst-bpffs/hcpolicy"));
	found = hcpolicy__open_pinned("away", &there);
	CHECK(found);
	hcpolicy__close(found);
	setenv("HCPOLICY_BPFFS", elsewhere, 1);
	found = hcpolicy__open_pinned("away", &log_opts);
	unsetenv("HCPOLICY_BPFFS");
	CHECK(found && !hcpolicy__detach(found));
	CHECK(access("/tmp/hcst-bpffs/hcpolicy/away", F_OK) == -1);
	hcpolicy__close(found);
	hcpolicy__close(policy);
	CHECK(!umount2(elsewhere, MNT_DETACH) && !rmdir(elsewhere));
}

TEST(a_folder_that_others_can_change_is_refused)
{
	static const struct {
		uid_t uid;
		mode_t mode;
		const char *words;
	} bad[] = {
		{ 65534, 0700, PINS " belongs to uid 65534 with mode 0700" },
		{ 65534, 0777, PINS " belongs to uid 65534 with mode 0777" },
		{ 0, 0720, PINS " belongs to uid 0 with mode 0720" },
		{ 0, 0702, PINS " belongs to uid 0 with mode 0702" },
	};
	struct vm *vm = vm_new(1, false);
	struct hcpolicy *policy = attach(vm, "mine"), *found;
	struct stat st;
	int n = 0;

	CHECK_OK(hcpolicy__pin(policy));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CHECK(!chown(PINS, bad[i].uid, 0) && !chmod(PINS, bad[i].mode));
		CHECK_NULL(hcpolicy__open_pinned("mine", &log_opts), EPERM);
		CHECK(said(bad[i].words));
		CHECK_ERR(hcpolicy__pin(policy), EPERM);
		CHECK(said("chmod it to 0700"));
		CHECK_ERR(hcpolicy__unpin(policy), EPERM);
		CHECK_ERR(hcpolicy__clear("mine", &log_opts), EPERM);
		CHECK_ERR(hcpolicy__each_pinned(count_name, &n, &log_opts), EPERM);
		CHECK(hcpolicy__attached(policy));
	}
	CHECK(!chown(PINS, 0, 0) && !chmod(PINS, 0755));
	found = hcpolicy__open_pinned("mine", &log_opts);
	CHECK(found && !stat(PINS, &st) && (st.st_mode & 07777) == 0700);
	hcpolicy__close(found);

	/* Nor is a name's. */
	CHECK(!chown(PINS "/mine", 65534, 0));
	CHECK_NULL(hcpolicy__open_pinned("mine", &log_opts), EPERM);
	CHECK(said(PINS "/mine belongs to uid 65534"));
	CHECK(!chown(PINS "/mine", 0, 0));
	CHECK(!symlink(PINS "/mine", PINS "/link"));
	CHECK_NULL(hcpolicy__open_pinned("link", &log_opts), ENOTDIR);
	CHECK(said(PINS "/link is not a folder"));
	CHECK(!unlink(PINS "/link"));

	/* A link to somewhere else is no folder. */
	CHECK(!rename(PINS, PINS "-moved") && !symlink(PINS "-moved", PINS));
	CHECK_NULL(hcpolicy__open_pinned("mine", &log_opts), ENOTDIR);
	CHECK(said(PINS " is not a folder"));
	CHECK_ERR(hcpolicy__pin(policy), ENOTDIR);
	CHECK(!unlink(PINS) && !rename(PINS "-moved", PINS));
	CHECK(!hcpolicy__detach(policy));
	hcpolicy__close(policy);
}

TEST(pins_of_another_name_are_refused)
{
	struct vm *vm = vm_new(1, false), *other = vm_new(1, false);
	struct hcpolicy *one = attach(vm, "one"), *two = attach(other, "two"), *found;

	CHECK_OK(hcpolicy__pin(one));
	CHECK_OK(hcpolicy__pin(two));
	CHECK(!rename(PINS "/one", PINS "/three"));
	CHECK_NULL(hcpolicy__open_pinned("three", &log_opts), EINVAL);
	CHECK(said("attachment 'three' (policy 'sample'): its pins are those of 'one'"));
	CHECK_ERR(hcpolicy__clear("three", &log_opts), EEXIST);
	CHECK(hcpolicy__attached(one));
	CHECK(!rename(PINS "/three", PINS "/one"));

	/* One pin of another's. */
	CHECK(!rename(PINS "/one/link", PINS "/was-one") && !rename(PINS "/two/link", PINS "/one/link"));
	CHECK_NULL(hcpolicy__open_pinned("one", &log_opts), EINVAL);
	CHECK(said("do not belong together"));
	CHECK(!rename(PINS "/one/link", PINS "/two/link") && !rename(PINS "/was-one", PINS "/one/link"));
	CHECK(!rename(PINS "/one/hcp_shared", PINS "/was-one") &&
	      !rename(PINS "/two/hcp_shared", PINS "/one/hcp_shared"));
	CHECK_NULL(hcpolicy__open_pinned("one", &log_opts), EINVAL);
	CHECK(said("do not belong together"));
	CHECK(!rename(PINS "/one/hcp_shared", PINS "/two/hcp_shared") &&
	      !rename(PINS "/was-one", PINS "/one/hcp_shared"));

	CHECK_NULL(hcpolicy__open_fds(two->shared_fd, one->info_fd, one->link_fd, &log_opts), EINVAL);
	CHECK_NULL(hcpolicy__open_fds(one->shared_fd, one->info_fd, two->link_fd, &log_opts), EINVAL);
	CHECK(said("do not belong together"));
	found = hcpolicy__open_pinned("one", &log_opts);
	CHECK(found);
	hcpolicy__close(found);
	CHECK(!hcpolicy__detach(one) && !hcpolicy__detach(two));
	hcpolicy__close(one);
	hcpolicy__close(two);
}

TEST(a_missing_pin_is_found_again)
{
	static const char *const files[] = { "hcp_shared", "hcp_info", "link" };
	struct vm *vm = vm_new(1, false);
	struct hcpolicy *policy = attach(vm, "half"), *found;
	char path[64], words[64];

	CHECK_OK(hcpolicy__pin(policy));
	CHECK(ask(vm, 3, 1, true) == 0);
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), PINS "/half/%s", files[i]);
		snprintf(words, sizeof(words), "/half: %s; found it and put it back", files[i]);
		CHECK(!unlink(path));
		/* Nobody clears the name of an attached policy for that. */
		CHECK_ERR(hcpolicy__clear("half", &log_opts), EEXIST);
		CHECK(said("taken by an attached policy"));
		found = hcpolicy__open_pinned("half", &log_opts);
		CHECK(said(words) && found && hcpolicy__attached(found));
		CHECK(hcp_set__test(hcpolicy__set(found), 3));
		CHECK(!access(path, F_OK));
		hcpolicy__close(found);
		found = hcpolicy__open_pinned("half", &log_opts);
		CHECK(found && !logged[0]);
		hcpolicy__close(found);
	}
	CHECK(!unlink(PINS "/half/hcp_shared"));
	CHECK(!hcpolicy__detach(policy) && access(PINS "/half", F_OK) == -1);
	hcpolicy__close(policy);
}

TEST(a_name_that_nobody_is_behind_is_free)
{
	static const char *const gone[] = { "link", "hcp_info", "hcp_shared", "none" };
	char path[64];

	for (int i = 0; i < 4; i++) {
		struct vm *vm = vm_new(1, false), *next_vm = vm_new(1, false);
		struct hcpolicy *policy = attach(vm, "again"), *next = attach(next_vm, "again");
		struct hcpolicy *found;

		CHECK_OK(hcpolicy__pin(policy));
		snprintf(path, sizeof(path), PINS "/again/%s", gone[i]);
		CHECK(!unlink(path) || i == 3);
		vm_free(vm);
		WAIT_UNTIL(!hcpolicy__attached(policy));
		hcpolicy__close(policy);

		logged[0] = 0;
		found = hcpolicy__open_pinned("again", &log_opts);
		CHECK(found && !hcpolicy__attached(found));
		CHECK(!hcpolicy__set(found) == (i == 1 || i == 2));
		CHECK(i == 3 || said(gone[i]));
		hcpolicy__close(found);

		/* The next one takes it. */
		CHECK_OK(hcpolicy__pin(next));
		CHECK(said("was not attached any more"));
		CHECK_ERR(hcpolicy__clear("again", &log_opts), EEXIST);
		CHECK_OK(hcpolicy__detach(next));
		CHECK_ERR(hcpolicy__clear("again", &log_opts), ENOENT);
		hcpolicy__close(next);
		vm_free(next_vm);
	}
	CHECK(!mkdir(PINS "/again", 0700));
	CHECK_NULL(hcpolicy__open_pinned("again", &log_opts), ENODATA);
	CHECK(said("all its pins are missing"));
	CHECK(names() == 1);
	CHECK_OK(hcpolicy__clear("again", &log_opts));
	CHECK(names() == 0);
}

TEST(what_a_killed_process_left_is_removed)
{
	struct vm *vm = vm_new(1, false);
	struct hcpolicy *policy = attach(vm, "killed"), *next;

	/* Killed before the rename: it has not happened. */
	CHECK_OK(hcpolicy__pin(policy));
	CHECK(!rename(PINS "/killed", PINS "/~new"));
	logged[0] = 0;
	CHECK_ERR(hcpolicy__clear("killed", &log_opts), ENOENT);
	CHECK(said("a process was killed while it attached a policy"));
	CHECK(access(PINS "/~new", F_OK) == -1 && !hcpolicy__attached(policy));
	hcpolicy__close(policy);
	/* The VM is free at once. */
	next = attach(vm, "killed");

	/* Killed while it removed the name. */
	CHECK_OK(hcpolicy__pin(next));
	CHECK(!rename(PINS "/killed", PINS "/~old"));
	CHECK_NULL(hcpolicy__open_pinned("killed", &log_opts), ENOENT);
	logged[0] = 0;
	CHECK(!hcpolicy__pin(next));
	CHECK(said("a process was killed while it removed the pins of a policy"));
	CHECK(access(PINS "/~old", F_OK) == -1 && hcpolicy__attached(next));
	CHECK(!hcpolicy__detach(next) && names() == 0);
	hcpolicy__close(next);
}

TEST(a_lock_that_is_never_released_is_named)
{
	struct vm *vm = vm_new(1, false);
	struct hcpolicy *policy = attach(vm, "patient"), *found;
	int holder;

	CHECK_OK(hcpolicy__pin(policy));
	holder = open(PINS, O_RDONLY | O_DIRECTORY);
	CHECK(holder >= 0 && !flock(holder, LOCK_EX));
	CHECK_ERR(hcpolicy__unpin(policy), ETIMEDOUT);
	CHECK(said(PINS " has been locked by another process for 10 s"));
	/* Who only reads a whole name needs none. */
	found = hcpolicy__open_pinned("patient", &log_opts);
	CHECK(found);
	hcpolicy__close(found);
	close(holder);
	CHECK(!hcpolicy__unpin(policy));
	hcpolicy__close(policy);
}

TEST(pinning_is_all_or_nothing)
{
	struct vm *vm = vm_new(1, false);
	struct hcpolicy *policy = attach(vm, "half");
	int link_fd = policy->link_fd;
	char line[256];
	FILE *ls;

	policy->info_fd = dup2(open("/dev/null", O_RDONLY), policy->info_fd);
	CHECK(hcpolicy__pin(policy) < 0);
	CHECK(said("cannot pin as " PINS "/half"));
	CHECK(policy->link_fd == link_fd && hcpolicy__attached(policy));
	ls = popen("ls -A /sys/fs/bpf /sys/fs/bpf/hcpolicy", "r");
	while (fgets(line, sizeof(line), ls))
		CHECK(!strstr(line, "half") && !strstr(line, "~"));
	pclose(ls);
	hcpolicy__close(policy);
}

TEST(the_vm_s_end_is_seen)
{
	struct vm *vm = vm_new(1, false);
	struct hcpolicy *policy = attach(vm, "mortal"), *next;
	struct pollfd pfd = { .fd = hcpolicy__link_fd(policy) };

	CHECK(!hcpolicy__pin(policy));
	vm_free(vm);
	CHECK(poll(&pfd, 1, 1000 * TAP_WAIT_S) == 1 && pfd.revents & POLLHUP);
	CHECK(!hcpolicy__attached(policy));

	next = hcpolicy__open(OBJECT("other"), &log_opts);
	CHECK_ERR(hcpolicy__replace(policy, next, false), ENOLINK);
	hcpolicy__close(next);
	hcpolicy__close(policy);

	policy = hcpolicy__open_pinned("mortal", &log_opts);
	CHECK(policy && !hcpolicy__attached(policy));
	CHECK(!hcpolicy__unpin(policy) && access(PINS "/mortal", F_OK) == -1);
	CHECK_ERR(hcpolicy__unpin(policy), ENOENT);
	hcpolicy__close(policy);
}

TEST(the_last_close_detaches)
{
	struct vm *vm = vm_new(1, false);

	hcpolicy__close(attach(vm, "one"));
	CHECK(ask(vm, 1, 1, true) == -1000);
	hcpolicy__close(attach(vm, "two"));
}

TEST(replace_hands_the_set_on)
{
	int before = held();
	struct vm *vm = vm_new(1, false);
	struct hcpolicy *policy = attach(vm, "kept"), *next, *third;
	uint64_t sum;
	__u32 key = 0;

	CHECK(ask(vm, 10, 10, true) == 0 && !hcpolicy__pin(policy));

	next = hcpolicy__open(OBJECT("other"), &log_opts);
	CHECK(next && !hcpolicy__set_max_gpa(next, 1 << 30));
	CHECK_ERR(hcpolicy__replace(policy, next, false), EINVAL);
	CHECK(said("policy 'other': it cannot change the size"));
	hcpolicy__close(next);
	next = hcpolicy__open(OBJECT("broken"), &log_opts);
	CHECK_ERR(hcpolicy__replace(policy, next, false), EACCES);
	CHECK_ERR(hcpolicy__attach(next, vm->fd, NULL), EINVAL);
	hcpolicy__close(next);
	CHECK(hcpolicy__complete(policy));
	CHECK(!strcmp(hcpolicy__info(policy)->policy, "sample"));

	next = hcpolicy__open(OBJECT("other"), &log_opts);
	CHECK_OK(hcpolicy__replace(policy, next, false));
	CHECK(!hcpolicy__attached(policy) && hcpolicy__attached(next));
	CHECK_ERR(hcpolicy__attach(policy, vm->fd, NULL), EINVAL);
	CHECK_ERR(hcpolicy__attach(next, vm->fd, NULL), EINVAL);
	CHECK_ERR(hcpolicy__replace(policy, next, false), ENOLINK);
	hcpolicy__close(policy);
	CHECK(hcp_set__count(hcpolicy__set(next)) == 10);
	CHECK(ask(vm, 20, 5, true) == 0 && hcp_set__count(hcpolicy__set(next)) == 15);
	CHECK(!strcmp(hcpolicy__info(next)->policy, "other"));
	CHECK(!strcmp(hcpolicy__info(next)->name, "kept"));
	/* The new program, with a map of its own, is what answers. */
	CHECK(!bpf_map_lookup_elem(hcpolicy__map_fd(next, "extra"), &key, &sum) && sum);
	hcpolicy__close(next);

	/* From the pins, which name the same link. */
	policy = hcpolicy__open_pinned("kept", &log_opts);
	third = hcpolicy__open(OBJECT("sample"), &log_opts);
	CHECK(policy && hcpolicy__attached(policy));
	CHECK(!strcmp(hcpolicy__info(policy)->policy, "other"));
	CHECK_OK(hcpolicy__replace(policy, third, false));
	hcpolicy__close(policy);
	CHECK(ask(vm, 10, 10, false) == 0);
	CHECK(hcp_set__count(hcpolicy__set(third)) == 5 && hcp_set__complete(hcpolicy__set(third)));
	CHECK(!hcpolicy__detach(third) && access(PINS "/kept", F_OK) == -1);
	hcpolicy__close(third);
	vm_free(vm);
	CHECK(held() == before);
}

TEST(a_replace_that_was_cut_short_is_finished)
{
	struct vm *vm = vm_new(1, false);
	struct hcpolicy *policy = attach(vm, "cut"), *next = hcpolicy__open(OBJECT("other"), &log_opts);
	__u32 first = policy->info->ops_id;

	CHECK(first && policy->info->link_id && policy->info->shared_id);
	CHECK_OK(hcpolicy__pin(policy));
	CHECK_OK(hcpolicy__replace(policy, next, false));
	CHECK(next->info->ops_id && next->info->ops_id != first);
	/* As it was when the link had the new one. */
	next->info->ops_id = first;
	strcpy(next->info->policy, "sample");
	hcpolicy__close(policy);
	policy = hcpolicy__open_pinned("cut", &log_opts);
	CHECK(said("a replace by 'other' was cut short: finished it"));
	CHECK(policy && !strcmp(policy->policy, "other") && !strcmp(policy->info->policy, "other"));
	CHECK(policy->info->ops_id != first && hcp_set__complete(hcpolicy__set(policy)));
	CHECK(!hcpolicy__detach(policy));
	hcpolicy__close(policy);
	hcpolicy__close(next);
}

/* It writes what a client may have written there. */
TEST(who_keeps_hcp_info_wrong_holds_up_nobody)
{
	struct hcpolicy *policy = attach(vm_new(1, false), "wrong"), *found;
	time_t begin = time(NULL);
	int i;

	CHECK_OK(hcpolicy__pin(policy));
	for (i = 0; i < 10; i++) {
		policy->info->ops_id = 1;
		found = hcpolicy__open_id(policy->info->link_id, &log_opts);
		CHECK(found && hcpolicy__set(found) && hcpolicy__attached(found));
		hcpolicy__close(found);
		found = hcpolicy__open_pinned("wrong", &log_opts);
		CHECK(found && hcpolicy__set(found));
		policy->info->ops_id = 1;
		CHECK(hcpolicy__attached(found) && hcpolicy__attached(policy));
		hcpolicy__close(found);
	}
	CHECK(time(NULL) - begin < 15);
	CHECK(!hcpolicy__detach(policy));
	hcpolicy__close(policy);
}

static struct hcp_info *being_replaced;
static __u32 replaced_to;

static void *replaces(void *folder)
{
	usleep(300000);
	being_replaced->ops_id = replaced_to;
	flock((intptr_t)folder, LOCK_UN);
	return NULL;
}

TEST(a_replace_that_is_under_way_is_waited_for)
{
	struct hcpolicy *policy = attach(vm_new(1, false), "under-way"), *found;
	pthread_t thread;
	int folder;

	CHECK_OK(hcpolicy__pin(policy));
	being_replaced = policy->info;
	replaced_to = policy->info->ops_id;
	folder = open(PINS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(folder >= 0 && !flock(folder, LOCK_EX));
	policy->info->ops_id = 1;
	CHECK(!pthread_create(&thread, NULL, replaces, (void *)(intptr_t)folder));
	logged[0] = 0;
	found = hcpolicy__open_pinned("under-way", &log_opts);
	CHECK(found && !logged[0]);
	CHECK(!pthread_join(thread, NULL));
	close(folder);
	hcpolicy__close(found);
	CHECK(!hcpolicy__detach(policy));
	hcpolicy__close(policy);
}

static const struct {
	const char *object;
	int err;	/* of the replace; 0: it cannot even be opened */
	const char *words;
} too_new[] = {
	{ "newer-kfunc", EINVAL, "bpf_hcpolicy_of_tomorrow" },
	{ "newer-helper", EACCES, "9999" },
	{ "newer-field", EACCES, "the verifier does not accept it: see above" },
	{ "newer-member", 0, "sets 'tomorrow'" },
	{ "newer-flags", 0, "sets 'flags'" },
};

TEST(what_this_kernel_cannot_run_replaces_nothing)
{
	struct vm *vm = vm_new(1, false);
	struct hcpolicy *policy = attach(vm, "stays"), *next;
	struct bpf_link_info before, after;
	struct hcp_info info;
	char path[64];
	size_t i;

	CHECK_OK(hcpolicy__pin(policy));
	CHECK(ask(vm, 1, 1, true) == 0 && !link_info(policy->link_fd, &before));
	info = *policy->info;
	for (i = 0; i < sizeof(too_new) / sizeof(*too_new); i++) {
		logged[0] = 0;
		snprintf(path, sizeof(path), "obj/libhcpolicy/tests/%s.bpf.o", too_new[i].object);
		next = hcpolicy__open(build_path(path), &log_opts);
		CHECK(!next == !too_new[i].err);
		if (next)
			CHECK_ERR(hcpolicy__replace(policy, next, false), too_new[i].err);
		hcpolicy__close(next);
		CHECK(said(too_new[i].words));
		CHECK(!link_info(policy->link_fd, &after) && !memcmp(&before, &after, sizeof(before)));
		CHECK(!memcmp(&info, policy->info, sizeof(info)) && hcpolicy__attached(policy));
		CHECK(access(PINS "/stays/maps", F_OK) == 0 && access(PINS "/stays/~maps", F_OK));
	}
	CHECK(ask(vm, 2, 1, true) == 0 && hcp_set__count(policy->set) == 2);
	CHECK(hcp_set__complete(policy->set) && !hcpolicy__detach(policy));
	hcpolicy__close(policy);
}

TEST(a_set_that_is_kept_no_more_is_not_complete)
{
	struct vm *vm = vm_new(1, false);
	struct hcpolicy *policy = attach(vm, "taken"), *foreign = load(OBJECT("other")), *found;
	int ops = ops_create(foreign, -1, 0);

	CHECK_OK(hcpolicy__pin(policy));
	CHECK(hcpolicy__attached(policy));
	CHECK(ops >= 0 && !bpf_link_update(policy->link_fd, ops, NULL));
	/* Whoever migrates by it meanwhile learns of that too. */
	CHECK(!hcpolicy__attached(policy));
	found = hcpolicy__open_pinned("taken", &log_opts);
	CHECK(said("another policy was put in its place, which does not keep its set"));
	CHECK(found && hcp_set__state(hcpolicy__set(found)) == HCP_DETACHED);
	hcpolicy__close(found);
	CHECK(!hcpolicy__detach(policy));
	close(ops);
	hcpolicy__close(policy);
	hcpolicy__close(foreign);
}

TEST(descriptors_serve_as_pins_do)
{
	struct vm *vm = vm_new(1, false);
	struct hcpolicy *policy = attach(vm, "broker"), *copy;

	copy = hcpolicy__open_fds(hcpolicy__map_fd(policy, HCP_MAP_SHARED),
				  hcpolicy__map_fd(policy, HCP_MAP_INFO),
				  hcpolicy__link_fd(policy), &log_opts);
	CHECK(copy);
	hcpolicy__close(policy);
	CHECK(hcpolicy__attached(copy));
	CHECK(ask(vm, 9, 1, true) == 0 && hcp_set__test(hcpolicy__set(copy), 9));
	CHECK(!hcpolicy__detach(copy) && ask(vm, 9, 1, false) == -1000);
	CHECK(!hcpolicy__attached(copy));
	hcpolicy__close(copy);
}

TEST(parameters_reach_the_program)
{
	struct vm *vm = vm_new(1, false);
	struct hcpolicy *policy = hcpolicy__open(OBJECT("sample"), &log_opts);
	uint64_t sum;
	__u32 key = 0;

	CHECK(policy && !hcpolicy__set_param(policy, "u64", "1000000"));
	CHECK(!hcpolicy__load(policy) && !hcpolicy__attach(policy, vm->fd, NULL));
	CHECK_ERR(hcpolicy__set_param(policy, "u64", "1"), EBUSY);
	CHECK(ask(vm, 1, 1, true) == 0);
	CHECK(!bpf_map_lookup_elem(hcpolicy__map_fd(policy, "extra"), &key, &sum));
	CHECK(sum == 1000000 - 1 + 16 - 32 - 64 + 't' + 1);
	hcpolicy__close(policy);
}

TEST(what_is_loaded_stays_so)
{
	struct vm *vm = vm_new(1, false);
	struct hcpolicy *policy = load(OBJECT("sample"));
	struct hcp_set *set = hcpolicy__set(policy);

	CHECK_ERR(hcpolicy__load(policy), EBUSY);
	CHECK(said("policy 'sample': it is loaded already"));
	CHECK_ERR(hcpolicy__set_max_gpa(policy, 1 << 30), EBUSY);
	CHECK(hcpolicy__set(policy) == set && hcp_set__npages(set) == 2 * HCP_CHUNK_PAGES);
	CHECK_OK(hcpolicy__attach(policy, vm->fd, NULL));
	CHECK_ERR(hcpolicy__load(policy), EBUSY);
	CHECK(ask(vm, 1, 1, true) == 0 && hcp_set__test(set, 1) && hcp_set__complete(set));

	CHECK(!hcpolicy__detach(policy));
	CHECK_ERR(hcpolicy__pin(policy), ENOLINK);
	CHECK(said("not attached any more, so it cannot be pinned"));
	hcpolicy__close(policy);
}

TEST(a_load_that_failed_can_be_tried_again)
{
	struct hcpolicy *policy = hcpolicy__open(OBJECT("sample"), &log_opts);
	struct vm *vm = vm_new(1, false);
	int before = held();
	uint64_t sum;
	__u32 key = 0;

	CHECK(policy && !hcpolicy__set_param(policy, "u64", "1000000"));
	CHECK(!hcpolicy__set_max_gpa(policy, 1ULL << 52));
	logged[0] = 0;
	CHECK_ERR(hcpolicy__load(policy), ENOMEM);
	CHECK(said("policy 'sample': a set that covers 4 PiB takes 128 GiB of kernel memory"));
	CHECK(held() == before);
	CHECK_NULL(hcpolicy__set(policy), ENOENT);
	CHECK_ERR(hcpolicy__attach(policy, vm->fd, NULL), EINVAL);

	CHECK(!hcpolicy__set_max_gpa(policy, 256 << 20) && !hcpolicy__set_param(policy, "u16", "3"));
	CHECK_OK(hcpolicy__load(policy));
	CHECK(hcp_set__npages(hcpolicy__set(policy)) == 2 * HCP_CHUNK_PAGES);
	CHECK_OK(hcpolicy__attach(policy, vm->fd, NULL));
	CHECK(ask(vm, 1, 1, true) == 0 && hcp_set__test(hcpolicy__set(policy), 1));
	/* What was set before either load. */
	CHECK(!bpf_map_lookup_elem(hcpolicy__map_fd(policy, "extra"), &key, &sum));
	CHECK(sum == 1000000 - 1 + 3 - 32 - 64 + 't' + 1);
	hcpolicy__close(policy);
}

TEST(a_replace_that_failed_can_be_tried_again)
{
	struct vm *vm = vm_new(1, false), *other_vm = vm_new(1, false);
	struct hcpolicy *policy = attach(vm, "first"), *other = attach(other_vm, "other");
	struct hcpolicy *next = hcpolicy__open(OBJECT("other"), &log_opts);
	struct hcp_info before = *hcpolicy__info(policy);
	int held_before = held();

	CHECK_ERR(hcpolicy__replace(policy, next, true), EINVAL);
	CHECK(said("was attached without them"));
	CHECK(!memcmp(&before, hcpolicy__info(policy), sizeof(before)) && held() == held_before);
	CHECK_NULL(hcpolicy__set(next), ENOENT);
	CHECK(!hcpolicy__set_max_gpa(next, 1 << 30));
	CHECK_ERR(hcpolicy__replace(policy, next, false), EINVAL);
	CHECK(!hcpolicy__set_max_gpa(next, 256 << 20));
	CHECK(hcpolicy__attached(policy) && ask(vm, 5, 1, true) == 0);
	CHECK_OK(hcpolicy__replace(policy, next, false));
	CHECK(hcp_set__test(hcpolicy__set(next), 5) && !hcpolicy__attached(policy));
	/* What has been replaced can only be closed. */
	CHECK_ERR(hcpolicy__pin(policy), ENOENT);
	CHECK_ERR(hcpolicy__detach(policy), ENOENT);
	CHECK_ERR(hcpolicy__replace(other, next, false), EINVAL);
	CHECK(hcpolicy__attached(next) && hcpolicy__attached(other));
	hcpolicy__close(policy);
	hcpolicy__close(next);
	hcpolicy__close(other);
}

TEST(the_verifier_is_quoted)
{
	struct hcpolicy *policy = hcpolicy__open(OBJECT("broken"), &log_opts);
	int lines = 0;

	CHECK(policy);
	CHECK_ERR(hcpolicy__load(policy), EACCES);
	for (char *at = logged; (at = strchr(at, '\n')); at++)
		lines++;
	CHECK(lines > 3 && lines < 24);
	/* In the words of 6.12, or of 7.3. */
	CHECK(strstr(logged, "map_value_or_null") || strstr(logged, "nullable map value"));
	CHECK(said("policy 'broken': the verifier does not accept it"));
	CHECK_ERR(hcpolicy__attach(policy, 3, NULL), EINVAL);
	hcpolicy__close(policy);
}

TEST(loading_needs_privilege)
{
	struct hcpolicy *policy = hcpolicy__open(OBJECT("sample"), &log_opts);
	int status;

	for (int all = 0; all < 2; all++) {
		pid_t child = fork();

		if (!child)
			_exit((all ? setuid(65534) : !drop_sys_admin()) ||
			      hcpolicy__load(policy) != -EPERM ||
			      !said("policy 'sample': loading it needs CAP_SYS_ADMIN"));
		CHECK(waitpid(child, &status, 0) == child && !status);
	}
	hcpolicy__close(policy);
}

TEST(bpffs_that_is_not_mounted_is_named)
{
	struct vm *vm = vm_new(1, false);
	struct hcpolicy *policy = attach(vm, "nowhere");

	CHECK(!umount2("/sys/fs/bpf", MNT_DETACH));
	CHECK_ERR(hcpolicy__pin(policy), ENOENT);
	CHECK(said("mount -t bpf bpf /sys/fs/bpf"));
	CHECK(!mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL));
	CHECK(!hcpolicy__pin(policy) && !hcpolicy__unpin(policy));
	hcpolicy__close(policy);
}

TAP_MAIN
