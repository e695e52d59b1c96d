// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Messages with descriptors: pass.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "pass.h"

/* Aligned for a control message. */
union control {
	char bytes[CMSG_SPACE(PASS_MAX * sizeof(int))];
	struct cmsghdr align;
};

int pass_send(int socket, const void *bytes, size_t len, const int *fds, unsigned int nfds, int flags)
{
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control = {};
	struct cmsghdr *cmsg;

	if (nfds > PASS_MAX)
		return -E2BIG;
	if (nfds) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
	}
	while (sendmsg(socket, &msg, flags | MSG_NOSIGNAL) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

ssize_t pass_receive(int socket, void *bytes, size_t size, int *fds, unsigned int max, unsigned int *nfds)
{
	struct iovec iov = { .iov_base = bytes, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control = {};
	struct cmsghdr *cmsg;
	unsigned int i;
	ssize_t len;

	*nfds = 0;
	if (max > PASS_MAX)
		return -E2BIG;
	/* Not CMSG_SPACE(): its padding has room for one more. */
	msg.msg_control = control.bytes;
	msg.msg_controllen = CMSG_LEN(max * sizeof(int));
	do {
		len = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return -errno;

	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS) {
		*nfds = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(cmsg), *nfds * sizeof(int));
	}
	if (!(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && (!cmsg || *nfds))
		return len;
	for (i = 0; i < *nfds; i++)
		close(fds[i]);
	*nfds = 0;
	return -EMSGSIZE;
}
