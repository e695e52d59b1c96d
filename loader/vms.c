// SPDX-License-Identifier: GPL-2.0
/*
 * The VMs of this machine and the rules of auto.conf: vms.h.  The rule: a VM that has just come or is
 * about to end is no error, and of a VM whose process is not known nothing is said.  But if this
 * process may not look, it says so: else a VM without its policy would go unnoticed.
 */
#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "folders.h"
#include "loader.h"
#include "vms.h"

#define WAIT_MS	1000

struct walk {
	struct vms vms;
	const struct auto_conf *conf;
	vms_fn fn;
	void *ctx;
};

/* 1, 0, or a negative errno if KVM does not say. */
static int has_policy(int fd)
{
	char line[FOLDERS_LINE];
	int error = folder_read(fd, "hcpolicy", line);

	return error ?: !!*line;
}

/*
 * KVM names the thread that made the VM.  It may have ended, and its number may be another's: so the
 * process has to have a VM open.  If that is another VM, this is the wrong process.
 */
static pid_t find_maker(struct maker *maker, pid_t tid)
{
	pid_t pid = proc_of_thread(tid);
	int pidfd, error;

	pidfd = pid && proc_has_vm(pid) ? syscall(SYS_pidfd_open, pid, 0) : -1;
	if (pidfd < 0)
		return 0;
	error = maker_look(maker, pid, pidfd);
	close(pidfd);
	errno = -error;
	return error ? 0 : pid;
}

/* What has got a policy meanwhile, or has ended, is none of them. */
static bool still_without(const struct folder *folder)
{
	return !folder_gone(folder->fd) && !has_policy(folder->fd);
}

static void look_without(struct walk *walk, const struct folder *folder)
{
	struct vm_without vm = { .folder = folder->name };
	struct maker maker;
	char comm[32];

	errno = 0;
	vm.pid = find_maker(&maker, folder->tid);
	if (!vm.pid && (errno == EACCES || errno == EPERM))
		walk->vms.why = "no look at the processes of VMs is allowed: run as root, with " CAPS_TO_LOOK;
	if (!vm.pid) {
		walk->vms.unknown += still_without(folder);
		return;
	}
	proc_comm(vm.pid, comm);
	vm.comm = comm;
	vm.rule = auto_conf_find(walk->conf, &maker);
	if (vm.rule && vm.rule->policy && still_without(folder))
		walk->fn(walk->ctx, &vm);
	maker_free(&maker);
}

/* KVM makes the files of a VM after its folder, and removes them before it. */
static int settled(int fd)
{
	int has = has_policy(fd);

	for (int ms = 0; has < 0 && ms < WAIT_MS && !folder_gone(fd); ms += 10) {
		poll(NULL, 0, 10);
		has = has_policy(fd);
	}
	return has;
}

static void look(struct walk *walk, const struct folder *folder)
{
	int has = walk->vms.why ? 0 : settled(folder->fd);

	if (folder_gone(folder->fd))
		return;
	walk->vms.n++;
	if (has < 0)
		walk->vms.why = "this KVM does not say which VM has a policy: hcpolicy probe says what helps";
	else if (!has && !walk->vms.why && walk->conf->n)
		look_without(walk, folder);
}

struct vms vms_look(const struct auto_conf *conf, vms_fn fn, void *ctx)
{
	struct walk walk = { .conf = conf, .fn = fn, .ctx = ctx };
	struct folder folder;
	DIR *dir = folders_open(&walk.vms.why);

	if (!dir && errno == ENODEV)
		return (struct vms) { .seen = true };
	if (!dir)
		return walk.vms;
	if (proc_pid_ns() != INITIAL_PID_NS)
		walk.vms.why = "the processes of VMs are known in the initial pid namespace only";
	walk.vms.seen = true;
	while (folders_next(dir, &folder)) {
		look(&walk, &folder);
		close(folder.fd);
	}
	closedir(dir);
	return walk.vms;
}
