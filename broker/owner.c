// SPDX-License-Identifier: GPL-2.0
/* Whose VM is it: owner.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "../libhcpolicy/process.h"
#include "../loader/embed.h"
#include "../loader/kvm_offsets.h"
#include "owner.h"

EMBED(owner_object, OWNER_OBJECT);

/* The inode of the initial pid namespace, which never changes. */
#define INITIAL_PID_NS	0xEFFFFFFCU

/* The name of the file is the kernel's.  Nothing is asked of the file itself, which may be anybody's. */
static bool is_vm(int fd)
{
	static const char vm[] = "anon_inode:kvm-vm";
	char path[48], link[sizeof(vm)];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, link, sizeof(link)) == sizeof(vm) - 1 && !memcmp(link, vm, sizeof(vm) - 1);
}

/* Returns what the program answers, or a negative errno. */
static int ask(struct owner_query *query)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = query, .ctx_size_in = sizeof(*query));
	struct bpf_object *object;
	int err;

	err = kvm_offsets((const struct kvm_member[]){ { "kvm", "mm", &query->mm_offset }, { } });
	if (err)
		return err;
	object = bpf_object__open_mem(owner_object, owner_object_end - owner_object, NULL);
	if (!object)
		return -errno;
	err = bpf_object__load(object);
	if (!err)
		err = bpf_prog_test_run_opts(bpf_program__fd(bpf_object__find_program_by_name(object, "owner")), &run);
	bpf_object__close(object);
	return err ? err : (int)run.retval;
}

int owner_check(const struct peer *peer, int vm_fd, int named, char *why, size_t size)
{
	struct owner_query query = { .pid = peer->pid, .vm_fd = vm_fd, .named = named };
	int answer;

	if (!is_vm(vm_fd)) {
		snprintf(why, size, "the descriptor that came along is not a KVM VM");
		return EINVAL;
	}
	if (process_ns() != INITIAL_PID_NS) {
		snprintf(why, size, "hcpolicyd runs in a pid namespace of its own, where it cannot prove whose VM it is: "
			 "run it outside");
		return EOPNOTSUPP;
	}
	answer = ask(&query);
	/* Only now it is certain that the number did not pass to another process. */
	if (answer == OWNER_IS && process_number(peer->pidfd) != peer->pid)
		answer = OWNER_GONE;
	switch (answer) {
	case OWNER_IS:
		return 0;
	case OWNER_GONE:
		snprintf(why, size, "process %d has ended", peer->pid);
		return ESRCH;
	case OWNER_OTHER_FILE:
		snprintf(why, size, "descriptor %d of process %d is not the VM that came along", named, peer->pid);
		return EINVAL;
	case OWNER_OTHER_MM:
		snprintf(why, size, "process %d has the VM open, but another process made it: that one has to ask",
			 peer->pid);
		return EPERM;
	default:
		snprintf(why, size, "hcpolicyd cannot prove whose VM it is: %s: journalctl -u hcpolicyd",
			 strerror(-answer));
		return -answer;
	}
}
