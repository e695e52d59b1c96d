// SPDX-License-Identifier: GPL-2.0
/*
 * The commands attach, detach and replace are killed at each of their system calls, before
 * that is done: from the first one on that changes what others see (a link, a pin, a name), as
 * what comes before is the process' own.  After each kill all commands work, no policy is
 * attached that has no name, and nothing is in the folder but the name.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <hcpolicy/policy.h>

#include "old.h"
#include "tap.h"
#include "vm.h"

#define NAME	"hcst-killed"
#define PINS	"/sys/fs/bpf/hcpolicy"

/* --- the kill */

static const int calls[] = {
	SYS_bpf, SYS_mkdir, SYS_mkdirat, SYS_rename, SYS_renameat, SYS_renameat2, SYS_unlink,
	SYS_unlinkat, SYS_rmdir,
};
#define NCALLS	(sizeof(calls) / sizeof(*calls))

/* Stop at these only. */
static int filter_calls(void)
{
	struct sock_filter code[NCALLS + 3];
	struct sock_fprog prog = { .len = NCALLS + 3, .filter = code };
	size_t i;

	code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					       offsetof(struct seccomp_data, nr));
	for (i = 0; i < NCALLS; i++)
		code[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i],
							   NCALLS - i, 0);
	code[NCALLS + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[NCALLS + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

/* Of the calls that are stopped at, bpf() mostly looks and prepares. */
static bool changes(const struct __ptrace_syscall_info *info)
{
	if (info->entry.nr != SYS_bpf)
		return true;
	switch (info->entry.args[0]) {
	case BPF_OBJ_PIN:
	case BPF_LINK_CREATE:
	case BPF_LINK_UPDATE:
	case BPF_LINK_DETACH:
		return true;
	}
	return false;
}

static int wait_for(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static pid_t start(char *const argv[])
{
	long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
	pid_t pid = fork();
	int null;

	CHECK_CMP(pid, >=, 0);
	if (!pid) {
		null = open("/dev/null", O_WRONLY);
		if (null < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
		    ptrace(PTRACE_TRACEME, 0, 0, 0) || raise(SIGSTOP) || filter_calls())
			_exit(1);
		execv(argv[0], argv);
		_exit(1);
	}
	CHECK(WIFSTOPPED(wait_for(pid)));
	CHECK_EQ(ptrace(PTRACE_SETOPTIONS, pid, 0, options), 0);
	return pid;
}

/* Was it killed at its n-th call?  Else it has ended before, well. */
static bool killed_at(int n, char *const argv[])
{
	int status, count = 0, request = PTRACE_CONT;
	struct __ptrace_syscall_info info;
	pid_t pid = start(argv);

	for (;;) {
		CHECK_EQ(ptrace(request, pid, 0, 0), 0);
		status = wait_for(pid);
		if (!WIFSTOPPED(status))
			break;
		if (status >> 8 != (SIGTRAP | PTRACE_EVENT_SECCOMP << 8) &&
		    WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;	/* its exec */
		CHECK_CMP(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info), >, 0);
		if (request == PTRACE_CONT && changes(&info)) {
			request = PTRACE_SYSCALL;
			count = 1;
		} else if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
			count++;
		}
		if (count < n)
			continue;
		kill(pid, SIGKILL);
		CHECK(WIFSIGNALED(wait_for(pid)));
		return true;
	}
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status) && count);
	tap_note("%s: killed at each of %d calls", argv[1], n - 1);
	return false;
}

/* --- what is left */

static void log_line(void *ctx, const char *line)
{
	tap_note("%s", line);
}

static const struct hcpolicy_opts loud = { .sz = sizeof(loud), .log = log_line };
static const struct hcpolicy_opts quiet = { .sz = sizeof(quiet) };

/* Does list have the name?  And whole, as show wants it. */
static int show(const char *name, void *ctx)
{
	struct hcpolicy *policy = hcpolicy__open_pinned(name, &quiet);

	CHECK(policy && !strcmp(name, NAME) && hcpolicy__set(policy));
	*(uint32_t *)ctx = hcpolicy__info(policy)->link_id;
	hcpolicy__close(policy);
	return 0;
}

static int has_name(uint32_t id, void *ctx)
{
	CHECK_EQ(id, *(uint32_t *)ctx);
	return 0;
}

static unsigned int count_entries(void)
{
	DIR *dir = opendir(PINS);
	struct dirent *entry;
	unsigned int n = 0;

	CHECK(dir || errno == ENOENT);
	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

/* What list --all knows is all there is; is the name among it? */
static bool known(void)
{
	uint32_t link = 0;

	CHECK_EQ(hcpolicy__each_pinned(show, &link, &quiet), 0);
	CHECK_EQ(hcpolicy__each_attached(has_name, &link, &quiet), 0);
	CHECK_EQ(count_entries(), link != 0);
	return link;
}

static struct hcpolicy *open_name(void)
{
	struct hcpolicy *policy = hcpolicy__open_pinned(NAME, &loud);

	CHECK(policy);
	return policy;
}

static void detach(void)
{
	struct hcpolicy *policy = open_name();

	CHECK_EQ(hcpolicy__detach(policy), 0);
	hcpolicy__close(policy);
	CHECK(!known());
}

/* One that is loaded, and attached and pinned by children of this process, again and again. */
static struct hcpolicy *ready;
static struct hcp_info fresh;

static void attach(struct vm *vm)
{
	struct hcpolicy_attach_opts opts = { .sz = sizeof(opts), .name = NAME };
	struct hcp_info *info;
	pid_t pid;

	if (!ready) {
		ready = hcpolicy__open(build_path("bpf/bitmap.bpf.o"), &loud);
		CHECK(ready && !hcpolicy__load(ready));
		fresh = *hcpolicy__info(ready);
	}
	info = (struct hcp_info *)hcpolicy__info(ready);
	*info = fresh;
	opts.pid = getpid();
	opts.pid_vm_fd = vm->fd;
	pid = fork();
	if (!pid)
		_exit(hcpolicy__attach(ready, vm->fd, &opts) || hcpolicy__pin(ready));
	CHECK_EQ(wait_for(pid), 0);
	CHECK(known());
}

/* --- the commands */

static struct {
	char path[256], policy[256], pid[16], vm_fd[16];
} words;

static struct vm *set_up(void)
{
	struct vm *vm = vm_new_empty();

	snprintf(words.path, sizeof(words.path), "%s", build_path("bin/hcpolicy"));
	snprintf(words.policy, sizeof(words.policy), "%s", build_path("bpf/bitmap.bpf.o"));
	snprintf(words.pid, sizeof(words.pid), "%d", getpid());
	snprintf(words.vm_fd, sizeof(words.vm_fd), "%d", vm->fd);
	return vm;
}

TEST_LONG(an_attach_has_happened_or_not, 1200)
{
	struct vm *vm = set_up();
	char *const argv[] = { words.path, "attach", words.policy, "--pid", words.pid, "--vm-fd",
			       words.vm_fd, "--name", NAME, NULL };
	unsigned int happened = 0, n = 0;
	bool killed;

	do {
		killed = killed_at(++n, argv);
		if (known()) {
			happened++;
			detach();
		}
		attach(vm);
		detach();
	} while (killed);
	/* All are there, and at the end it stays. */
	CHECK_CMP(n, >, 20);
	CHECK_CMP(happened, <, n);
	CHECK_CMP(happened, >, 1);
}

TEST_LONG(a_detach_can_be_done_again, 1200)
{
	struct vm *vm = set_up();
	char *const argv[] = { words.path, "detach", NAME, NULL };
	struct hcpolicy *policy;
	unsigned int n = 0;
	bool killed;

	do {
		attach(vm);
		killed = killed_at(++n, argv);
		if (!known())
			continue;
		CHECK(killed);
		policy = open_name();
		/* Nothing is called kept that is not. */
		CHECK_EQ(hcpolicy__complete(policy), n == 1);
		CHECK_EQ(hcpolicy__detach(policy), 0);
		hcpolicy__close(policy);
	} while (killed);
	CHECK(!known());
	CHECK_CMP(n, >, 10);
}

/* The policy that the link has, as the kernel calls its map: NAME_ops. */
static void kernel_s_policy(const struct hcpolicy *policy, char name[BPF_OBJ_NAME_LEN])
{
	struct bpf_link_info link = {};
	struct bpf_map_info map = {};
	__u32 link_len = sizeof(link), map_len = sizeof(map);
	int fd;

	CHECK_EQ(bpf_link_get_info_by_fd(hcpolicy__link_fd(policy), &link, &link_len), 0);
	CHECK_EQ(link.struct_ops.map_id, hcpolicy__info(policy)->ops_id);
	fd = bpf_map_get_fd_by_id(link.struct_ops.map_id);
	CHECK_EQ(bpf_map_get_info_by_fd(fd, &map, &map_len), 0);
	CHECK(strstr(map.name, "_ops"));
	snprintf(name, BPF_OBJ_NAME_LEN, "%.*s", (int)strcspn(map.name, "_"), map.name);
	close(fd);
}

TEST_LONG(a_replace_leaves_a_set_that_is_kept, 1200)
{
	static const char *const files[] = { "selftests/loses.bpf.o", "bpf/bitmap.bpf.o" };
	struct vm *vm = set_up();
	char *const argv[] = { words.path, "replace", NAME, words.policy, NULL };
	char now[BPF_OBJ_NAME_LEN] = "bitmap", before[BPF_OBJ_NAME_LEN];
	unsigned int n = 0, replaced = 0;
	struct hcpolicy *policy;
	bool killed;

	attach(vm);
	do {
		snprintf(words.policy, sizeof(words.policy), "%s",
			 build_path(files[strcmp(now, "bitmap") != 0]));
		strcpy(before, now);
		killed = killed_at(++n, argv);
		CHECK(known());
		policy = open_name();
		CHECK(hcpolicy__complete(policy));
		kernel_s_policy(policy, now);
		CHECK(!strcmp(hcpolicy__info(policy)->policy, now));
		/* From the link's update on each one has happened. */
		CHECK(strcmp(before, now) || !replaced);
		replaced += !!strcmp(before, now);
		hcpolicy__close(policy);
	} while (killed);
	detach();
	CHECK_CMP(replaced, >, 10);
	CHECK_CMP(replaced, <, n);
}

/* Of what hcpolicy 0.1 attached (old.c): has a replace that is killed at its n-th call taken it over? */
static bool takes_over(struct vm *vm, int n)
{
	char *const argv[] = { words.path, "replace", NAME, words.policy, NULL };
	static struct pol *old;
	struct hcpolicy *policy;
	bool now;

	if (!old)
		old = old_attach(vm, NAME);
	CHECK(killed_at(n, argv) && known());
	policy = open_name();
	CHECK(hcpolicy__complete(policy));
	now = hcpolicy__info(policy)->version == HCP_INFO_VERSION;
	/* To who still reads the old one, too. */
	CHECK_EQ(old_info(old)->state, now ? HCP_CHANGING | HCP_DETACHED : 0);
	hcpolicy__close(policy);
	if (now) {
		detach();
		pol_free(old);
		old = NULL;
	}
	return now;
}

/* Each time it is attached anew, so only the calls around the one that matters. */
TEST_LONG(a_replace_of_an_old_one_leaves_a_set_that_is_kept, 600)
{
	struct vm *vm = set_up();
	int n = 1, first;

	while (!takes_over(vm, n))
		n += 4;
	for (first = n - 3; !takes_over(vm, first); first++)
		CHECK_CMP(first, <, n);
	for (n = first + 1; n < first + 3; n++)
		CHECK(takes_over(vm, n));
	tap_note("taken over from call %d on", first);
}

TAP_MAIN
