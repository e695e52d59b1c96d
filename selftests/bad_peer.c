// SPDX-License-Identifier: GPL-2.0
/*
 * Peers of a migration that are not what they should be.
 *
 *	bad_peer full PORT FILE		a TCP port that never answers; says so by making FILE
 *	bad_peer listen PATH HOW	a target
 *	bad_peer connect PATH HOW	a source
 *	bad_peer relay PATH TO BYTES	what comes at PATH goes to TO, and back, until
 *					so many bytes have gone there
 *	bad_peer lose PATH TO FRAME WAY	the same, until READY, COMMIT or RUNNING comes
 *
 * HOW: close, stall, garbage, version, memory, type, length.
 * WAY: cut, the frame is lost and both connections are closed; stall, it is lost and
 * nothing moves any more; mute, it arrives and cannot be answered.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../vmm/stream.h"

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	return un;
}

static int die(const char *what)
{
	perror(what);
	exit(1);
}

static int listen_at(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un un = address(path);

	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) || listen(fd, 1))
		die(path);
	fd = accept(fd, NULL, NULL);
	return fd < 0 ? die("accept") : fd;
}

static int connect_to(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un un = address(path);

	if (connect(fd, (struct sockaddr *)&un, sizeof(un)))
		die(path);
	return fd;
}

/* As long as the one connection that it has room for stays, the kernel drops others. */
static void full(int port, const char *file)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), first = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) || listen(fd, 0) ||
	    connect(first, (struct sockaddr *)&in, sizeof(in)))
		die("full");
	if (open(file, O_CREAT | O_WRONLY, 0600) < 0)
		die(file);
	pause();
}

static void say(int fd, const void *data, size_t len)
{
	(void)!send(fd, data, len, MSG_NOSIGNAL);
}

static void say_frame(int fd, uint32_t type, uint32_t len)
{
	struct frame_header h = { .type = type, .len = len };

	say(fd, &h, sizeof(h));
}

/* The machine of migrate.sh, but for what is to be wrong with it. */
static void say_hello(int fd, uint32_t type, uint32_t version, uint64_t mem)
{
	struct frame_hello hello = { .version = version, .kind = 1, .mem = mem, .smp = 2,
				     .encrypt = 1, .book = 1 };

	memcpy(hello.magic, STREAM_MAGIC, sizeof(hello.magic));
	say_frame(fd, type, sizeof(hello));
	say(fd, &hello, sizeof(hello));
}

static void misbehave(int fd, const char *how, uint32_t hello)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	static char buf[65536];

	if (!strcmp(how, "close"))
		return;
	if (!strcmp(how, "stall")) {
		sleep(5);
	} else if (!strcmp(how, "garbage")) {
		memset(buf, 0xa5, 4096);
		say(fd, buf, 4096);
	} else if (!strcmp(how, "version")) {
		say_hello(fd, hello, STREAM_VERSION + 1, 16 << 20);
	} else if (!strcmp(how, "memory")) {
		say_hello(fd, hello, STREAM_VERSION, 1ULL << 40);
	} else if (!strcmp(how, "type")) {
		say_hello(fd, hello, STREAM_VERSION, 16 << 20);
		say_frame(fd, 77, 0);
	} else if (!strcmp(how, "length")) {
		say_hello(fd, hello, STREAM_VERSION, 16 << 20);
		say_frame(fd, FRAME_PAGE, 1 << 30);
	} else {
		fprintf(stderr, "bad_peer: HOW '%s'\n", how);
		exit(2);
	}
	/* What the other side still says is read: closing before would be a reset. */
	while (poll(&pfd, 1, 3000) > 0 && read(fd, buf, sizeof(buf)) > 0)
		;
}

/* READY, COMMIT and RUNNING: whoever sends one waits for the answer, so it comes alone. */
static bool is_frame(const char *buf, ssize_t n, uint32_t type)
{
	struct frame_header h = { .type = type };

	return n == sizeof(h) && !memcmp(buf, &h, sizeof(h));
}

struct loss {
	uint32_t type;		/* 0: none */
	const char *way;
};

static void lose(int from, int to, const char *buf, ssize_t n, const struct loss *loss)
{
	static char rest[65536];

	if (!strcmp(loss->way, "mute")) {
		shutdown(to, SHUT_RD);
		say(to, buf, n);
	} else if (!strcmp(loss->way, "stall")) {
		while (read(from, rest, sizeof(rest)) > 0)
			;
	}
}

static void relay(int from, int to, long left, const struct loss *loss)
{
	struct pollfd fds[] = { { .fd = from, .events = POLLIN }, { .fd = to, .events = POLLIN } };
	static char buf[65536];
	ssize_t n;
	int i;

	while (left && poll(fds, 2, -1) > 0) {
		for (i = 0; i < 2; i++) {
			if (!fds[i].revents)
				continue;
			n = sizeof(buf);
			if (!i && left < n)
				n = left;
			n = read(fds[i].fd, buf, n);
			if (n <= 0)
				return;
			if (loss->type && is_frame(buf, n, loss->type)) {
				lose(from, to, buf, n, loss);
				return;
			}
			say(fds[!i].fd, buf, n);
			if (!i)
				left -= n;
		}
	}
}

static uint32_t frame_type(const char *name)
{
	return !strcmp(name, "READY") ? FRAME_READY :
	       !strcmp(name, "COMMIT") ? FRAME_COMMIT :
	       !strcmp(name, "RUNNING") ? FRAME_RUNNING : 0;
}

int main(int argc, char **argv)
{
	struct loss loss = {};
	long left = LONG_MAX;
	int from;

	if (argc == 4 && !strcmp(argv[1], "full")) {
		full(atoi(argv[2]), argv[3]);
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "listen")) {
		misbehave(listen_at(argv[2]), argv[3], FRAME_WELCOME);
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "connect")) {
		misbehave(connect_to(argv[2]), argv[3], FRAME_HELLO);
		return 0;
	}
	if (argc == 5 && !strcmp(argv[1], "relay"))
		left = atol(argv[4]);
	else if (argc == 6 && !strcmp(argv[1], "lose"))
		loss = (struct loss){ frame_type(argv[4]), argv[5] };
	else
		return 2;
	from = listen_at(argv[2]);
	relay(from, connect_to(argv[3]), left, &loss);
	return 0;
}
