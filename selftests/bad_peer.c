// SPDX-License-Identifier: GPL-2.0
/*
 * Peers of a migration that are not what they should be.
 *
 *	bad_peer listen PATH HOW	a target
 *	bad_peer connect PATH HOW	a source
 *	bad_peer relay PATH TO BYTES	what comes at PATH goes to TO, and back, until
 *					so many bytes have gone there
 *
 * HOW: close, stall, garbage, version, memory, type, length.
 */
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

static void relay(int from, int to, long left)
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
			say(fds[!i].fd, buf, n);
			if (!i)
				left -= n;
		}
	}
}

int main(int argc, char **argv)
{
	int from;

	if (argc == 4 && !strcmp(argv[1], "listen"))
		misbehave(listen_at(argv[2]), argv[3], FRAME_WELCOME);
	else if (argc == 4 && !strcmp(argv[1], "connect"))
		misbehave(connect_to(argv[2]), argv[3], FRAME_HELLO);
	else if (argc != 5 || strcmp(argv[1], "relay"))
		return 2;
	else {
		from = listen_at(argv[2]);
		relay(from, connect_to(argv[3]), atol(argv[4]));
	}
	return 0;
}
