// SPDX-License-Identifier: GPL-2.0
/*
 * everyvm: run a program, unchanged, with a policy on every VM that it makes.
 *
 *	everyvm REPORT PRELOAD POLICY COMMAND...
 *
 * PRELOAD (preload.c) hands each new VM over before COMMAND sees it; POLICY
 * (counted.bpf.c) is attached to it before its first KVM_RUN, and stays until
 * the VM's end.  REPORT, an open descriptor, receives one line: "VMS ATTACHED
 * REQUESTS".  The status is COMMAND's; or 125, if a VM had no policy.
 *
 * What keeps it honest: VMS is KVM's own count.  KVM announces each VM by a
 * uevent before KVM_CREATE_VM returns, and the two numbers must be equal.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <hcpolicy/policy.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "everyvm.h"

#define BROKEN 125

/* A VM with its policy, in a list. */
struct attached {
	struct hcpolicy *policy;
	const uint64_t *requests;	/* in the policy's map */
	struct attached *next;
};

static struct attached *alive;
static unsigned long vms, attachments, requests;
static const char *policy_path;
static int epoll;
static bool broken;

static void log_line(void *ctx, const char *line)
{
	fprintf(stderr, "everyvm: %s\n", line);
}

static void watch(int fd, void *tag)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = tag };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		err(BROKEN, "epoll_ctl");
}

/* The VM is gone, or the program is. */
static void retire(struct attached *vm)
{
	struct attached **at = &alive;

	while (*at != vm)
		at = &(*at)->next;
	*at = vm->next;
	requests += *vm->requests;
	munmap((void *)vm->requests, sizeof(*vm->requests));
	hcpolicy__close(vm->policy);
	free(vm);
}

/* 0, or an errno. */
static int attach(int vm_fd)
{
	struct hcpolicy_opts opts = { .sz = sizeof(opts), .log = log_line };
	struct attached *vm = calloc(1, sizeof(*vm));
	struct hcpolicy *policy = hcpolicy__open(policy_path, &opts);
	int error;

	if (!vm || !policy)
		goto failed;
	if (hcpolicy__load(policy) || hcpolicy__attach(policy, vm_fd, NULL))
		goto failed;
	errno = EALREADY;
	if (hcpolicy__info(policy)->state & HCP_LATE)
		goto failed;
	vm->requests = mmap(NULL, sizeof(*vm->requests), PROT_READ, MAP_SHARED,
			    hcpolicy__map_fd(policy, "requests"), 0);
	if (vm->requests == MAP_FAILED)
		goto failed;

	vm->policy = policy;
	vm->next = alive;
	alive = vm;
	watch(hcpolicy__link_fd(policy), vm);
	attachments++;
	return 0;

failed:
	error = errno;
	hcpolicy__close(policy);
	free(vm);
	return error;
}

/* One VM that wants its policy.  Its descriptor is closed before the answer. */
static void serve(int listener)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	int sock, vm_fd, answer;

	sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (sock < 0)
		err(BROKEN, "accept");
	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) == 1 && (cmsg = CMSG_FIRSTHDR(&msg))) {
		memcpy(&vm_fd, CMSG_DATA(cmsg), sizeof(int));
		answer = attach(vm_fd);
		close(vm_fd);
		if (answer)
			broken = true;
		send(sock, &answer, sizeof(answer), MSG_NOSIGNAL);
	}
	close(sock);
}

/* The strings of a uevent follow one another, each with its NUL. */
static bool has(const char *event, const char *end, const char *string)
{
	for (; event < end; event += strlen(event) + 1)
		if (!strcmp(event, string))
			return true;
	return false;
}

static void count_vms(int uevents)
{
	char event[8192];
	ssize_t n;

	for (;;) {
		n = recv(uevents, event, sizeof(event) - 1, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			err(BROKEN, "uevents");
		event[n] = 0;
		if (has(event, event + n, "DEVNAME=kvm") && has(event, event + n, "EVENT=create"))
			vms++;
	}
}

static int open_uevents(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	int size = 16 << 20;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		err(BROKEN, "uevents");
	return fd;
}

static int open_listener(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "everyvm-%d", getpid());
	setenv(EVERYVM_SOCKET, addr.sun_path + 1, 1);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 128))
		err(BROKEN, "socket");
	return fd;
}

static pid_t start(char **command, const char *preload, const sigset_t *mask)
{
	pid_t pid = fork();

	if (pid < 0)
		err(BROKEN, "fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	setenv("LD_PRELOAD", preload, 1);
	execv(command[0], command);
	err(127, "%s", command[0]);
}

int main(int argc, char **argv)
{
	int uevents, listener, ended, status;
	struct epoll_event event;
	sigset_t child, old;
	pid_t pid;

	if (argc < 5)
		errx(BROKEN, "usage: everyvm REPORT PRELOAD POLICY COMMAND...");
	policy_path = argv[3];
	fcntl(atoi(argv[1]), F_SETFD, FD_CLOEXEC);

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &old);
	ended = signalfd(-1, &child, SFD_CLOEXEC);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	uevents = open_uevents();
	listener = open_listener();
	watch(ended, &ended);
	watch(uevents, &uevents);
	watch(listener, &listener);

	pid = start(argv + 4, argv[2], &old);
	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (epoll_wait(epoll, &event, 1, -1) < 1)
			continue;
		if (event.data.ptr == &ended)
			read(ended, &(struct signalfd_siginfo){}, sizeof(struct signalfd_siginfo));
		else if (event.data.ptr == &uevents)
			count_vms(uevents);
		else if (event.data.ptr == &listener)
			serve(listener);
		else
			retire(event.data.ptr);
	}
	count_vms(uevents);
	while (alive)
		retire(alive);

	dprintf(atoi(argv[1]), "%lu %lu %lu\n", vms, attachments, requests);
	if (vms != attachments) {
		fprintf(stderr, "everyvm: KVM made %lu VMs, %lu have got a policy\n", vms,
			attachments);
		broken = true;
	}
	if (broken)
		return BROKEN;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
