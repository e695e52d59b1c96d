// SPDX-License-Identifier: GPL-2.0
/*
 * A VM of another process: found in /proc/PID/fd, taken with pidfd_getfd().
 * The pidfd is opened before /proc is read, so a pid that is used again in
 * between ends in an error and not in somebody else's VM.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "loader.h"
#include "out.h"

#define MAX_VMS 64

void proc_comm(pid_t pid, char comm[32])
{
	char path[64];
	FILE *file;

	strcpy(comm, "?");
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(comm, 32, file))
		comm[strcspn(comm, "\n")] = 0;
	fclose(file);
}

/* Clock ticks after boot; 0: no such process. */
uint64_t proc_start_time(pid_t pid)
{
	unsigned long long start = 0;
	char path[64], line[1024], *p;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	/* Field 2 is the name in brackets, and may hold anything; 22 is wanted. */
	line[fread(line, 1, sizeof(line) - 1, file)] = 0;
	p = strrchr(line, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (p)
		start = strtoull(p, NULL, 10);
	fclose(file);
	return start;
}

/* Is no thread of pid going to run before it gets a SIGCONT? */
bool proc_stopped(pid_t pid)
{
	char path[64], line[1024], *p;
	bool stopped = false;
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		FILE *file;
		int tid;

		if (!parse_int(entry->d_name, &tid))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
		file = fopen(path, "re");
		if (!file)
			continue;	/* it has just ended */
		line[fread(line, 1, sizeof(line) - 1, file)] = 0;
		fclose(file);
		p = strrchr(line, ')');
		/* Stopped, or dead already; a debugger's stop can end at any time. */
		stopped = p && p[1] && p[2] && strchr("TZX", p[2]);
		if (!stopped)
			break;
	}
	if (dir)
		closedir(dir);
	return stopped;
}

bool proc_fd_is_vm(pid_t pid, int fd)
{
	char path[64], link[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		return false;
	link[len] = 0;
	return !strcmp(link, "anon_inode:kvm-vm");
}

/* A file of its own is a VM of its own: KVM makes one file per VM. */
static bool same_vm(pid_t pid, int a, int b)
{
	return !syscall(SYS_kcmp, pid, pid, KCMP_FILE, (unsigned long)a, (unsigned long)b);
}

static void err_fds(pid_t pid, const char *comm, int error)
{
	err("process %d (%s): may not look at its descriptors (%s): run as root, with CAP_SYS_PTRACE",
	    pid, comm, strerror(error));
}

/* One descriptor of each VM that pid has open. */
static int find_vms(pid_t pid, const char *comm, int fds[MAX_VMS])
{
	struct dirent *entry;
	char path[64];
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir) {
		if (errno == ENOENT)
			err("no process %d", pid);
		else
			err_fds(pid, comm, errno);
		return -1;
	}
	while (n < MAX_VMS && (entry = readdir(dir))) {
		int fd, i;

		if (!parse_int(entry->d_name, &fd))
			continue;
		errno = 0;
		if (!proc_fd_is_vm(pid, fd)) {
			/* The folder can be read without the right to its links. */
			if (errno != EACCES)
				continue;
			err_fds(pid, comm, errno);
			n = -1;
			break;
		}
		for (i = 0; i < n && !same_vm(pid, fds[i], fd); i++)
			;
		if (i == n)
			fds[n++] = fd;
	}
	closedir(dir);
	return n;
}

static const char *fd_list(char *buf, size_t size, const int *fds, int n)
{
	size_t len = 0;

	for (int i = 0; i < n && len < size; i++)
		len += snprintf(buf + len, size - len, "%s%d", i ? ", " : "", fds[i]);
	return buf;
}

/* Which descriptor of pid: the only VM's, or the one asked for. */
static int choose_vm(pid_t pid, const char *comm, int wanted)
{
	int fds[MAX_VMS], n = find_vms(pid, comm, fds);
	char list[512];

	if (n < 0)
		return -1;
	if (!n) {
		err("process %d (%s) has no KVM VM open", pid, comm);
		return -1;
	}
	fd_list(list, sizeof(list), fds, n);
	if (wanted >= 0) {
		if (proc_fd_is_vm(pid, wanted))
			return wanted;
		err("process %d (%s): descriptor %d is not a KVM VM; its VMs: %s",
		    pid, comm, wanted, list);
		return -1;
	}
	if (n > 1) {
		err("process %d (%s) has %d KVM VMs open: say which with --vm-fd: %s",
		    pid, comm, n, list);
		return -1;
	}
	return fds[0];
}

/*
 * A descriptor of our own for pid's VM; *vm_fd is the number there, or -1 to
 * find it.  -1: an error that has been reported.
 */
int proc_take_vm(pid_t pid, int *vm_fd)
{
	char comm[32];
	int pidfd, fd = -1;

	proc_comm(pid, comm);
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		if (errno == ESRCH)
			err("no process %d", pid);
		else
			err("process %d (%s): pidfd_open: %s", pid, comm, strerror(errno));
		return -1;
	}
	*vm_fd = choose_vm(pid, comm, *vm_fd);
	if (*vm_fd < 0)
		goto out;
	fd = syscall(SYS_pidfd_getfd, pidfd, *vm_fd, 0);
	if (fd < 0 && errno == EPERM)
		err("process %d (%s): may not take its descriptor %d: run as root (CAP_SYS_PTRACE)",
		    pid, comm, *vm_fd);
	else if (fd < 0 && errno == ESRCH)
		err("process %d (%s) has just ended", pid, comm);
	else if (fd < 0)
		err("process %d (%s): pidfd_getfd of descriptor %d: %s",
		    pid, comm, *vm_fd, strerror(errno));
out:
	close(pidfd);
	return fd;
}
