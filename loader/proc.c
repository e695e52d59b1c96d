// SPDX-License-Identifier: GPL-2.0
/*
 * A VM of another process: found in /proc/PID/fd, taken with pidfd_getfd().  The pidfd is
 * opened before /proc is read.  So a pid that is used again in between gives an error, and
 * not somebody else's VM.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "../libhcpolicy/process.h"
#include "loader.h"
#include "out.h"

#define MAX_VMS 64
#define WAIT_MS 10	/* A guest that its VMM does not hold back starts soon. */

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
	printable(comm);	/* the process writes it */
	fclose(file);
}

/* Clock ticks after boot; 0: no such process can be seen here. */
uint64_t proc_start_time(pid_t pid)
{
	uint64_t ticks;

	return process_start(pid, &ticks) ? 0 : ticks;
}

/* The next entry that is a number.  False at the end; errno is 0 unless that was an error. */
bool proc_next(DIR *dir, int *number)
{
	struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(dir);
	} while (entry && !parse_int(entry->d_name, number));
	return entry;
}

/* The line "KEY: VALUE" of a file of numbers in /proc; false: there is none, or several values. */
static bool read_number(const char *path, const char *key, long *value)
{
	size_t len = strlen(key);
	bool found = false;
	char line[256];
	FILE *file;
	int end;

	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = !strncmp(line, key, len) && line[len] == ':' &&
			sscanf(line + len + 1, "%ld %n", value, &end) == 1 && !line[len + 1 + end];
	fclose(file);
	return found;
}

/* The inode of our pid namespace; 0: the /proc here belongs to another one. */
uint64_t proc_pid_ns(void)
{
	long pid;

	/* The /proc of an outer namespace lists two numbers for us: its own and ours. */
	if (!read_number("/proc/self/status", "NSpid", &pid) || pid != getpid())
		return 0;
	return process_ns();
}

uint64_t proc_map_memory(int fd)
{
	char path[64];
	long bytes;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return read_number(path, "memlock", &bytes) ? bytes : 0;
}

/* Is the number of the VM's process from another namespace, so that it means nothing here? */
bool proc_elsewhere(const struct hcp_info *info)
{
	return info->pid_ns && info->pid_ns != proc_pid_ns();
}

pid_t proc_of_thread(pid_t tid)
{
	char path[64];
	long pid;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	return read_number(path, "Tgid", &pid) ? pid : 0;
}

/* Does /proc/PID show the process that pid means here?  Reports it if not. */
static bool check_proc(pid_t pid, int pidfd)
{
	int there = process_number(pidfd);

	if (there != pid && there != -1) {
		err("process %d: the /proc here is of another pid namespace, and its numbers mean "
		    "other processes: mount that of this one (mount -t proc proc /proc)", pid);
		return false;
	}
	if (there != pid)
		err("no process %d", pid);
	return there == pid;
}

/* Is this an option that makes a VMM receive a guest?  Returns its length, or 0. */
static size_t awaits_guest(const char *arg)
{
	static const char *const words[] = {
		"-incoming", "--incoming", "-loadvm", "--loadvm", "--restore",
	};
	size_t len = strcspn(arg, "=");

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strlen(words[i]) == len && !strncmp(arg, words[i], len))
			return len;
	}
	return 0;
}

/*
 * Was the VMM pid started to receive a guest, by migration or from a snapshot?  arg gets the
 * option that says so; "": its command line cannot be read, so it may have been.  This knows QEMU,
 * hcvm, cloud-hypervisor and crosvm.
 */
bool proc_awaits_guest(pid_t pid, char *arg, size_t size)
{
	char path[64], *word = NULL;
	size_t room = 0, len = 0;
	bool any = false;
	FILE *file;

	*arg = 0;
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	file = fopen(path, "re");
	if (!file)
		return true;
	while (!len && getdelim(&word, &room, 0, file) > 0) {
		any = true;
		len = awaits_guest(word);
	}
	if (len)
		snprintf(arg, size, "%.*s", (int)len, word);
	else if (ferror(file))
		any = false;
	free(word);
	fclose(file);
	return len || !any;
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

bool proc_has_vm(pid_t pid)
{
	bool found = false;
	char path[64];
	int fd, error;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	error = dir ? 0 : errno;
	while (dir && !found && proc_next(dir, &fd)) {
		found = proc_fd_is_vm(pid, fd);
		if (errno == EACCES)
			error = errno;
	}
	if (dir)
		closedir(dir);
	errno = error;
	return found;
}

/* KVM makes one file per VM, so another file is another VM. */
static bool same_vm(pid_t pid, int a, int b)
{
	return !syscall(SYS_kcmp, pid, pid, KCMP_FILE, (unsigned long)a, (unsigned long)b);
}

static void err_fds(pid_t pid, const char *comm, int error)
{
	err("process %d (%s): may not look at its descriptors (%s): run as root, with " CAPS_TO_LOOK,
	    pid, comm, strerror(error));
}

/* Find one descriptor of each VM that pid has open. */
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
			/* Reading the folder needs fewer rights than reading its links. */
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

/* Choose the descriptor of pid: the only VM's, or the one asked for. */
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

static void err_waited(pid_t pid, int wanted, int seconds)
{
	const char *s = seconds == 1 ? "" : "s";
	char comm[32];

	proc_comm(pid, comm);
	if (wanted >= 0)
		err("process %d (%s): descriptor %d is no KVM VM: waited %d second%s for it to become one",
		    pid, comm, wanted, seconds, s);
	else
		err("process %d (%s) has no KVM VM open: waited %d second%s for one", pid, comm, seconds, s);
}

/*
 * Wait until the process has a VM, for at most so many seconds (-1: without end).  False: an error,
 * which was reported.
 */
static bool wait_for_vm(pid_t pid, int pidfd, int wanted, int seconds)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + seconds * 1000000000ULL;
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	int fds[MAX_VMS], n;
	char comm[32];

	for (;;) {
		proc_comm(pid, comm);
		n = wanted >= 0 ? proc_fd_is_vm(pid, wanted) : find_vms(pid, comm, fds);
		if (n)
			return n > 0;
		if (seconds >= 0 && clock_ns(CLOCK_MONOTONIC) >= end) {
			err_waited(pid, wanted, seconds);
			return false;
		}
		if (poll(&ended, 1, WAIT_MS) > 0) {
			err("process %d has ended, and had no KVM VM", pid);
			return false;
		}
	}
}

int proc_open(pid_t pid)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0) {
		if (errno == ESRCH)
			err("no process %d", pid);
		else
			err("process %d: pidfd_open: %s", pid, strerror(errno));
		return -1;
	}
	if (check_proc(pid, pidfd))
		return pidfd;
	close(pidfd);
	return -1;
}

/*
 * Get our own descriptor of pid's VM.  *vm_fd is its number in pid, or -1 to find it.  If there is
 * none, waits so many seconds for it (-1: without end).  Returns -1 after an error, which was
 * reported.
 */
int proc_take_vm(pid_t pid, int pidfd, int *vm_fd, int seconds)
{
	char comm[32];
	int fd;

	if (seconds && !wait_for_vm(pid, pidfd, *vm_fd, seconds))
		return -1;
	proc_comm(pid, comm);
	*vm_fd = choose_vm(pid, comm, *vm_fd);
	if (*vm_fd < 0)
		return -1;
	fd = syscall(SYS_pidfd_getfd, pidfd, *vm_fd, 0);
	if (fd < 0 && errno == EPERM)
		err("process %d (%s): may not take its descriptor %d: run as root (CAP_SYS_PTRACE)",
		    pid, comm, *vm_fd);
	else if (fd < 0 && errno == ESRCH)
		err("process %d (%s) has just ended", pid, comm);
	else if (fd < 0)
		err("process %d (%s): pidfd_getfd of descriptor %d: %s",
		    pid, comm, *vm_fd, strerror(errno));
	return fd;
}
