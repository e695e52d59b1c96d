// SPDX-License-Identifier: GPL-2.0
/*
 * Which processes could run a VM's vCPUs?  KVM allows only the mm (the memory) that made the VM.
 * The VM's folder in debugfs has the number of the thread that made it.  But that thread may be
 * gone, and its number may be another's.  So the answer is: that process, each process with a
 * descriptor of the VM, each one with vCPUs and no VM, and each one with the same mm as one of
 * these.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/kcmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "holders.h"
#include "loader.h"

/* What the descriptors of a process show. */
struct view {
	bool ours, vm, vcpu;
	pid_t tid;		/* a thread that has our VM, or else one that has a vCPU */
};

__attribute__((format(printf, 2, 3)))
static bool unknown(struct holders *found, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(found->why, sizeof(found->why), fmt, ap);
	va_end(ap);
	return false;
}

static long kcmp(pid_t a, pid_t b, int type, unsigned long fd_a, unsigned long fd_b)
{
	return syscall(SYS_kcmp, a, b, type, fd_a, fd_b);
}

static bool not_allowed(struct holders *found, pid_t pid, int error)
{
	char comm[32];

	proc_comm(pid, comm);
	return unknown(found, "cannot see whether process %d (%s) could run its vCPUs "
		       "(%s): run as root, with " CAPS_TO_LOOK, pid, comm, strerror(error));
}

/* Something of a thread could not be read.  That does not matter if the thread has ended. */
static bool unseen(struct holders *found, pid_t pid, pid_t tid, int error)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d", pid, tid);
	if (error == ESRCH || (access(path, F_OK) && errno == ENOENT))
		return true;
	return not_allowed(found, pid, error);
}

static bool look_at_fd(struct holders *found, const struct hcp_info *info, pid_t pid, pid_t tid,
		       int fd, struct view *view)
{
	char path[64], link[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd/%d", pid, tid, fd);
	len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		return errno == ENOENT || unseen(found, pid, tid, errno);
	link[len] = 0;
	if (!strncmp(link, "anon_inode:kvm-vcpu:", 20)) {
		view->vcpu = true;
		if (!view->ours)
			view->tid = tid;
		return true;
	}
	if (strcmp(link, "anon_inode:kvm-vm"))
		return true;
	view->vm = true;
	/* If it cannot be compared, it may be our VM. */
	if (kcmp(info->pid, tid, KCMP_FILE, info->vm_fd, fd) > 0)
		return true;
	view->ours = true;
	view->tid = tid;
	return true;
}

static bool look_at_table(struct holders *found, const struct hcp_info *info, pid_t pid, pid_t tid,
			  struct view *view)
{
	char path[64];
	bool ok = true;
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd", pid, tid);
	dir = opendir(path);
	if (!dir)
		return unseen(found, pid, tid, errno);
	while (ok && proc_next(dir, &fd))
		ok = look_at_fd(found, info, pid, tid, fd, view);
	if (ok && errno)
		ok = unseen(found, pid, tid, errno);
	closedir(dir);
	return ok;
}

static bool same_mm(struct holders *found, pid_t pid, pid_t tid, bool *same)
{
	for (size_t i = 0; i < found->n && !*same; i++) {
		long ret = kcmp(found->list[i].tid, tid, KCMP_VM, 0, 0);

		if (ret < 0 && !unseen(found, pid, tid, errno))
			return false;
		*same = !ret;
	}
	return true;
}

static DIR *open_tasks(struct holders *found, pid_t pid, bool *ok)
{
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	*ok = dir || unseen(found, pid, pid, errno);
	return dir;
}

/* Look at all descriptors of a process.  Each thread may have its own table. */
static bool look_at_fds(struct holders *found, const struct hcp_info *info, pid_t pid,
			struct view *view)
{
	bool ok;
	DIR *dir = open_tasks(found, pid, &ok);
	int tid;

	while (dir && ok && proc_next(dir, &tid)) {
		if (tid == pid || kcmp(pid, tid, KCMP_FILES, 0, 0))
			ok = look_at_table(found, info, pid, tid, view);
	}
	if (dir && ok && errno)
		ok = unseen(found, pid, pid, errno);
	if (dir)
		closedir(dir);
	return ok;
}

static bool look_at_mm(struct holders *found, pid_t pid, pid_t *tid, bool *same)
{
	bool ok;
	DIR *dir = open_tasks(found, pid, &ok);

	/* Try each thread: the first one has no mm if it ended before the others. */
	while (dir && ok && !*same && proc_next(dir, tid))
		ok = same_mm(found, pid, *tid, same);
	if (dir && ok && !*same && errno)
		ok = unseen(found, pid, pid, errno);
	if (dir)
		closedir(dir);
	return ok;
}

static void add(struct holders *found, pid_t pid, pid_t tid)
{
	found->list = realloc(found->list, (found->n + 1) * sizeof(*found->list));
	if (!found->list)
		abort();
	found->list[found->n++] = (struct holder) {
		.pid = pid, .tid = tid, .start_time = proc_start_time(pid),
	};
}

static bool has(const struct holders *found, pid_t pid)
{
	for (size_t i = 0; i < found->n; i++) {
		if (found->list[i].pid == pid)
			return true;
	}
	return false;
}

static bool find_by_fd(struct holders *found, const struct hcp_info *info, pid_t pid)
{
	struct view view = {};

	if (!look_at_fds(found, info, pid, &view))
		return false;
	if (view.ours || (view.vcpu && !view.vm))
		add(found, pid, view.tid);
	return true;
}

static bool find_by_mm(struct holders *found, const struct hcp_info *info, pid_t pid)
{
	bool same = false;
	pid_t tid;

	if (has(found, pid))
		return true;
	if (!look_at_mm(found, pid, &tid, &same))
		return false;
	if (same)
		add(found, pid, tid);
	return true;
}

typedef bool (*look_fn)(struct holders *found, const struct hcp_info *info, pid_t pid);

static bool each_process(struct holders *found, const struct hcp_info *info, look_fn look)
{
	bool ok = true, all = false;
	DIR *dir = opendir("/proc");
	int pid;

	while (dir && ok && proc_next(dir, &pid)) {
		/* If /proc hides processes from us (hidepid), it hides init too. */
		all |= pid == 1;
		/* This process has a new mm since its exec, which has made no VM. */
		if (pid != getpid())
			ok = look(found, info, pid);
	}
	if (ok && (!dir || errno))
		ok = unknown(found, "/proc cannot be read (%s)", strerror(errno));
	if (dir)
		closedir(dir);
	if (ok && !all)
		return unknown(found, "not every process can be seen here: run as root, with " CAPS_TO_LOOK);
	return ok;
}

static bool not_its_vm(struct holders *found, const struct hcp_info *info)
{
	char comm[32];

	proc_comm(info->pid, comm);
	return unknown(found, "descriptor %d of process %d (%s) is not its VM any more, so other "
		       "processes that could run its vCPUs cannot be found", info->vm_fd, info->pid, comm);
}

/* Can we see all processes, and the one that the VM belongs to? */
static bool check_view(struct holders *found, const struct hcp_info *info)
{
	uint64_t pid_ns = proc_pid_ns();

	if (!pid_ns)
		return unknown(found, "the /proc here is of another pid namespace and does not show "
			       "who could run its vCPUs: mount the one of this namespace");
	if (pid_ns != INITIAL_PID_NS)
		return unknown(found, "processes outside of the pid namespace here could run its vCPUs "
			       "and cannot be seen: use the initial namespace");
	if (proc_elsewhere(info))
		return unknown(found, "process %d of its VM is in another pid namespace, and its number "
			       "here is not known: attach from the initial one", info->pid);
	if (proc_start_time(info->pid) != info->start_time)
		return unknown(found, "process %d of its VM cannot be seen from here", info->pid);
	errno = 0;
	if (proc_fd_is_vm(info->pid, info->vm_fd))
		return true;
	return errno == EACCES ? not_allowed(found, info->pid, errno) : not_its_vm(found, info);
}

/* The process that made the VM can run it, even if it has closed its descriptors. */
static bool add_creator(struct holders *found, const struct hcp_info *info)
{
	const char *why;
	pid_t pid;
	int tid;

	if (!counters_creator(info->link_id, &tid, &why))
		return unknown(found, "cannot find which process made its VM: %s", why);
	pid = proc_of_thread(tid);
	if (!pid)
		return unknown(found, "thread %d, which made its VM, has ended, so the processes that "
			       "could run its vCPUs cannot be found", tid);
	if (!has(found, pid))
		add(found, pid, tid);
	return true;
}

bool holders_find(struct holders *found, const struct hcp_info *info)
{
	*found = (struct holders) {};
	return check_view(found, info) && each_process(found, info, find_by_fd) &&
	       (has(found, info->pid) || not_its_vm(found, info)) && add_creator(found, info) &&
	       each_process(found, info, find_by_mm);
}

void holders_free(struct holders *found)
{
	free(found->list);
	*found = (struct holders) {};
}
