// SPDX-License-Identifier: GPL-2.0
/*
 * The broker's children: seats.h.
 *
 * The rule: the parent touches nothing that a client has sent, not even to close it.  A message waits
 * in its connection, and a socket in it may linger when it is closed last.  So the child has the
 * connection alone: it waits until the parent has closed its own copy.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <hcpolicy/policy.h>
#include "../libhcpolicy/pass.h"
#include "../loader/text.h"
#include "seats.h"

static struct seat {
	pid_t pid;		/* 0: free */
	int pidfd;
	int child;		/* the parent's end; -1: the child has answered */
	bool serves, clears;
	uid_t uid;
	struct attachment attachment;
	int link;		/* of that; -1: nothing is attached */
	uint64_t deadline;
} seats[SEATS];

static struct seat *find_free(void)
{
	for (int i = 0; i < SEATS; i++) {
		if (!seats[i].pid)
			return &seats[i];
	}
	return NULL;
}

bool seats_free(void)
{
	return find_free();
}

unsigned int seats_of(uid_t uid)
{
	unsigned int n = 0;

	for (int i = 0; i < SEATS; i++)
		n += seats[i].pid && seats[i].serves && seats[i].uid == uid;
	return n;
}

unsigned int seats_undecided(uid_t uid)
{
	unsigned int n = 0;

	for (int i = 0; i < SEATS; i++)
		n += seats[i].pid && seats[i].serves && seats[i].uid == uid && seats[i].child >= 0;
	return n;
}

bool seats_any_undecided(void)
{
	for (int i = 0; i < SEATS; i++) {
		if (seats[i].pid && seats[i].serves && seats[i].child >= 0)
			return true;
	}
	return false;
}

/* If memory lacks, the kernel ends a child and not the parent, whose unit makes it the last. */
static void go_first(void)
{
	FILE *file = fopen("/proc/self/oom_score_adj", "we");

	if (file) {
		fputs("0", file);
		fclose(file);
	}
}

/* Returns as fork(2) does.  In the child *end is its end of the socket between them. */
static pid_t sit_down(struct seat *seat, int *end)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -1;
	pid = fork();
	*end = ends[1];
	close(pid ? ends[1] : ends[0]);
	if (pid < 0)
		close(ends[0]);
	if (!pid)
		go_first();
	if (pid > 0)
		*seat = (struct seat){ .pid = pid, .pidfd = syscall(SYS_pidfd_open, pid, 0), .child = ends[0],
				       .link = -1,
				       .deadline = clock_ns(CLOCK_MONOTONIC) + SEAT_SECONDS * 1000000000ULL };
	return pid;
}

bool seats_serve(struct connection *connection, int error, const char *refusal)
{
	struct seat *seat = find_free();
	char go = 0;
	pid_t pid;

	pid = sit_down(seat, &connection->parent);
	if (!pid) {
		if (read(connection->parent, &go, 1) != 1)
			_exit(1);
		if (refusal)
			serve_refusal(connection->fd, error, refusal);
		else
			serve(connection);
		_exit(0);
	}
	if (pid < 0) {
		perror("hcpolicyd: fork");
		return false;
	}
	seat->serves = !refusal;
	seat->uid = connection->peer->uid;
	close(connection->fd);
	if (send(seat->child, &go, 1, MSG_NOSIGNAL) != 1)
		perror("hcpolicyd: child");
	return true;
}

void seats_clear(const char *name)
{
	struct hcpolicy_opts opts = { .sz = sizeof(opts) };
	struct seat *seat = find_free();
	pid_t pid;
	int end;

	pid = sit_down(seat, &end);
	if (!pid) {
		hcpolicy__clear(name, &opts);
		_exit(0);
	}
	if (pid < 0)
		perror("hcpolicyd: fork");
	else
		seat->clears = true;
}

nfds_t seats_poll(struct pollfd *fds, int *timeout)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	nfds_t n = 0;

	*timeout = -1;
	for (int i = 0; i < SEATS; i++) {
		int ms = seats[i].deadline > now ? (seats[i].deadline - now) / 1000000 + 1 : 0;

		if (!seats[i].pid)
			continue;
		fds[n++] = (struct pollfd){ .fd = seats[i].pidfd, .events = POLLIN };
		fds[n++] = (struct pollfd){ .fd = seats[i].child, .events = POLLIN };
		/* One that was killed ends when it can. */
		if (seats[i].deadline && (*timeout < 0 || ms < *timeout))
			*timeout = ms;
	}
	return n;
}

/* A VMM that does not know of its policy would have a VM that is taken. */
static void take_back(const struct seat *seat)
{
	struct pollfd pfd = { .fd = seat->link };

	if (poll(&pfd, 1, 0) > 0)
		return;		/* its child has done that */
	fprintf(stderr, "hcpolicyd: the request of user %u for '%s' was not answered, so its policy is detached\n",
		seat->uid, seat->attachment.name);
	if (bpf_link_detach(seat->link))
		perror("hcpolicyd: detach");
}

/* A child says what it has attached, and then that it has answered; or it closes its end. */
static void hear(struct seat *seat, void (*fn)(const struct attachment *attachment, uid_t uid, int link))
{
	struct pollfd pfd = { .fd = seat->child, .events = POLLIN };
	struct attachment message;
	unsigned int n;
	ssize_t len;
	int link;

	while (poll(&pfd, 1, 0) > 0) {
		len = pass_receive(seat->child, &message, sizeof(message), &link, 1, &n);
		if (len > 0 && n) {
			seat->attachment = message;
			seat->link = link;
			continue;
		}
		close(seat->child);
		pfd.fd = seat->child = -1;
		if (seat->link < 0)
			return;
		if (len <= 0)
			take_back(seat);
		fn(&seat->attachment, seat->uid, seat->link);
		seat->link = -1;
	}
}

/* Its client got no answer.  The deadline has had its line. */
static void say_killed(const struct seat *seat, int status)
{
	int sig = WTERMSIG(status);
	const char *help = sig == SIGKILL ? ": is hcpolicy.slice out of memory? (systemctl status hcpolicy.slice)" : "";

	if (!WIFSIGNALED(status) || !seat->deadline)
		return;
	if (seat->clears)
		fprintf(stderr, "hcpolicyd: what removed a name was ended by signal %d: hcpolicy list removes it%s\n",
			sig, help);
	else if (seat->serves)
		fprintf(stderr, "hcpolicyd: a request of user %u was ended by signal %d%s\n", seat->uid, sig, help);
}

static void look(struct seat *seat, void (*fn)(const struct attachment *attachment, uid_t uid, int link))
{
	int status;

	hear(seat, fn);
	/* Its end may take longer: it has to close what its client has sent. */
	if (waitpid(seat->pid, &status, WNOHANG) == seat->pid) {
		say_killed(seat, status);
		hear(seat, fn);
		close(seat->pidfd);
		seat->pid = 0;
	} else if (seat->deadline && seat->deadline <= clock_ns(CLOCK_MONOTONIC)) {
		if (seat->clears)
			fprintf(stderr, "hcpolicyd: a name could not be removed for %d s: hcpolicy list does it\n",
				SEAT_SECONDS);
		else
			fprintf(stderr, "hcpolicyd: a request of user %u took longer than %d s: it is ended\n",
				seat->uid, SEAT_SECONDS);
		kill(seat->pid, SIGKILL);
		seat->deadline = 0;
	}
}

void seats_look(void (*fn)(const struct attachment *attachment, uid_t uid, int link))
{
	for (int i = 0; i < SEATS; i++) {
		if (seats[i].pid)
			look(&seats[i], fn);
	}
}
