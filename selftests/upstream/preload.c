// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded into a program that everyvm runs: hands each VM that it creates to
 * everyvm, before the program sees it.  Nothing stays behind in the program, no
 * descriptor and no memory; a VM without its policy ends it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "everyvm.h"

/* Send vm_fd, read the answer: 0 or an errno. */
static int ask(int sock, int vm_fd)
{
	char control[CMSG_SPACE(sizeof(int))] = "", byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int answer;

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &vm_fd, sizeof(int));
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) != 1)
		return errno;
	if (recv(sock, &answer, sizeof(answer), 0) != sizeof(answer))
		return EPIPE;
	return answer;
}

static int attach(int vm_fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *name = getenv(EVERYVM_SOCKET);
	int sock, err;

	if (!name)
		return EDESTADDRREQ;
	strncpy(addr.sun_path + 1, name, sizeof(addr.sun_path) - 2);
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return errno;
	err = connect(sock, (struct sockaddr *)&addr, sizeof(addr)) ? errno : ask(sock, vm_fd);
	close(sock);
	return err;
}

int ioctl(int fd, unsigned long request, ...)
{
	sigset_t all, old;
	va_list args;
	void *arg;
	int ret, err;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);

	ret = syscall(SYS_ioctl, fd, request, arg);
	if (ret < 0 || request != KVM_CREATE_VM)
		return ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = attach(ret);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err) {
		fprintf(stderr, "everyvm: a VM stays without a policy: %s\n", strerror(err));
		abort();
	}
	return ret;
}
