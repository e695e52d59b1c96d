// SPDX-License-Identifier: GPL-2.0
/*
 * Peers of a migration that are not what they should be.
 *
 *	bad_peer full FILE PORT		a TCP port that never answers; says so by making FILE
 *	bad_peer listen PATH HOW	a target
 *	bad_peer connect PATH HOW	a source
 *	bad_peer relay PATH TO BYTES	what comes at PATH goes to TO, and back, until
 *					so many bytes have gone there
 *	bad_peer lose PATH TO FRAME WAY	the same, until READY, COMMIT or RUNNING comes
 *	bad_peer flip PATH TO FRAME N BIT	the same, whole, but for one bit of what goes
 *					there: in the Nth such frame that has it, from 0
 *
 * HOW: close, stall, garbage, version, memory, type, length, body (another frame than is
 * due, and not its data), slow (READY in seconds, at the end); and towards a target
 * drip (HELLO, a byte at a time), outside, flags, part, state, set, count, crc, early, commit.
 * WAY: cut, the frame is lost and both connections are closed; stall, it is lost and
 * nothing moves any more; mute, it arrives and cannot be answered; a number, it arrives
 * so many seconds later.
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
#include <zlib.h>

#include "../vmm/state.h"

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
static void full(const char *file, int port)
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

/* Of all that was said. */
static uint32_t crc;

static void say(int fd, const void *data, size_t len)
{
	crc = crc32(crc, data, len);
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
				     .encrypt = 1, .set = 1 };

	memcpy(hello.magic, FRAMES_MAGIC, sizeof(hello.magic));
	say_frame(fd, type, sizeof(hello));
	say(fd, &hello, sizeof(hello));
}

static void say_data(int fd, uint32_t type, const void *data, uint32_t len)
{
	say_frame(fd, type, len);
	say(fd, data, len);
}

/* One frame that no target may take.  False: there is no such HOW. */
static bool say_wrong(int fd, const char *how)
{
	struct frame_end end = { .pages = !strcmp(how, "count"),
				 .crc = crc ^ !strcmp(how, "crc") };
	struct { struct frame_state head; uint32_t n, zero; } msrs = { { STATE_MSRS, 0 }, 1000, 0 };
	struct frame_state part = { .part = NR_STATE_PARTS };
	uint64_t page = 0x500000 | PAGE_ZERO, garbage[8];

	if (!strcmp(how, "outside")) {
		page |= 1ULL << 40;
		say_data(fd, FRAME_PAGE, &page, sizeof(page));
	} else if (!strcmp(how, "flags")) {
		page |= 4;
		say_data(fd, FRAME_PAGE, &page, sizeof(page));
	} else if (!strcmp(how, "part")) {
		say_data(fd, FRAME_STATE, &part, sizeof(part));
	} else if (!strcmp(how, "state")) {
		say_data(fd, FRAME_STATE, &msrs, sizeof(msrs));
	} else if (!strcmp(how, "set")) {
		memset(garbage, 0xa5, sizeof(garbage));
		say_data(fd, FRAME_SET, garbage, sizeof(garbage));
	} else if (!strcmp(how, "count") || !strcmp(how, "crc") || !strcmp(how, "early")) {
		say_data(fd, FRAME_END, &end, sizeof(end));
	} else if (!strcmp(how, "commit")) {
		say_frame(fd, FRAME_COMMIT, 0);
	} else {
		return false;
	}
	return true;
}

static bool read_all(int fd, void *buf, size_t len)
{
	/* For nothing it would wait until something comes. */
	return !len || recv(fd, buf, len, MSG_WAITALL) == (ssize_t)len;
}

/* All that a source has to say. */
static void hear_out(int fd)
{
	static uint8_t buf[1 << 20];
	struct frame_header h = {};

	while (h.type != FRAME_END)
		if (!read_all(fd, &h, sizeof(h)) || h.len > sizeof(buf) || !read_all(fd, buf, h.len))
			die("no END");
}

static void say_slowly(int fd, uint32_t type)
{
	struct frame_header h = { .type = type };
	size_t i;

	for (i = 0; i < sizeof(h); i++) {
		usleep(700000);
		say(fd, (char *)&h + i, 1);
	}
}

/* Until the other side has had enough. */
static void drip(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct frame_header h = { .type = FRAME_HELLO, .len = sizeof(struct frame_hello) };
	char buf[sizeof(h) + sizeof(struct frame_hello)] = FRAMES_MAGIC;
	size_t i;

	memmove(buf + sizeof(h), buf, sizeof(buf) - sizeof(h));
	memcpy(buf, &h, sizeof(h));
	for (i = 0; i < sizeof(buf) && !poll(&pfd, 1, 500); i++)
		say(fd, buf + i, 1);
}

static void misbehave(int fd, const char *how, uint32_t hello)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	static char buf[65536];
	int ms = 3000;

	if (!strcmp(how, "close"))
		return;
	if (!strcmp(how, "stall")) {
		ms = -1;
	} else if (!strcmp(how, "drip")) {
		drip(fd);
	} else if (!strcmp(how, "garbage")) {
		memset(buf, 0xa5, 4096);
		say(fd, buf, 4096);
	} else if (!strcmp(how, "version")) {
		say_hello(fd, hello, FRAMES_VERSION + 1, 16 << 20);
	} else if (!strcmp(how, "memory")) {
		say_hello(fd, hello, FRAMES_VERSION, 1ULL << 40);
	} else if (!strcmp(how, "body")) {
		say_frame(fd, FRAME_SET, 64 << 20);
	} else if (!strcmp(how, "slow")) {
		say_hello(fd, hello, FRAMES_VERSION, 16 << 20);
		hear_out(fd);
		say_slowly(fd, FRAME_READY);
	} else if (!strcmp(how, "type")) {
		say_hello(fd, hello, FRAMES_VERSION, 16 << 20);
		say_frame(fd, 77, 0);
	} else if (!strcmp(how, "length")) {
		say_hello(fd, hello, FRAMES_VERSION, 16 << 20);
		say_frame(fd, FRAME_PAGE, 1 << 30);
	} else {
		say_hello(fd, hello, FRAMES_VERSION, 16 << 20);
		if (!say_wrong(fd, how)) {
			fprintf(stderr, "bad_peer: HOW '%s'\n", how);
			exit(2);
		}
	}
	/* What the other side still says is read: closing before would be a reset. */
	while (poll(&pfd, 1, ms) > 0 && read(fd, buf, sizeof(buf)) > 0)
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
				if (!atoi(loss->way)) {
					lose(from, to, buf, n, loss);
					return;
				}
				sleep(atoi(loss->way));
			}
			say(fds[!i].fd, buf, n);
			if (!i)
				left -= n;
		}
	}
}

struct flip {
	uint32_t type;
	unsigned int n;
	uint64_t bit;
};

/* A frame is not sent before it is here whole: the bit may be one of its header. */
static void relay_flipped(int from, int to, struct flip *flip)
{
	struct pollfd fds[] = { { .fd = from, .events = POLLIN }, { .fd = to, .events = POLLIN } };
	static uint8_t buf[1 << 20];
	struct frame_header h;
	size_t len;
	ssize_t n;

	while (poll(fds, 2, -1) > 0) {
		if (fds[1].revents) {
			n = read(to, buf, sizeof(buf));
			if (n <= 0)
				return;
			say(from, buf, n);
		}
		if (!fds[0].revents)
			continue;
		if (!read_all(from, &h, sizeof(h)) || h.len > sizeof(buf) - sizeof(h) ||
		    !read_all(from, buf + sizeof(h), h.len))
			return;
		memcpy(buf, &h, sizeof(h));
		len = sizeof(h) + h.len;
		if (h.type == flip->type && flip->bit < len * 8 && !flip->n--) {
			buf[flip->bit / 8] ^= 1 << flip->bit % 8;
			flip->type = 0;
		}
		say(to, buf, len);
	}
}

static uint32_t frame_type(const char *name)
{
	static const char *const names[NR_FRAMES] = {
		[FRAME_HELLO] = "HELLO", [FRAME_PAGE] = "PAGE", [FRAME_STATE] = "STATE",
		[FRAME_SET] = "SET", [FRAME_END] = "END", [FRAME_READY] = "READY",
		[FRAME_COMMIT] = "COMMIT", [FRAME_RUNNING] = "RUNNING",
	};
	uint32_t type = NR_FRAMES;

	while (--type && !(names[type] && !strcmp(names[type], name)))
		;
	return type;
}

int main(int argc, char **argv)
{
	struct loss loss = {};
	long left = LONG_MAX;
	int from;

	if (argc == 4 && !strcmp(argv[1], "full")) {
		full(argv[2], atoi(argv[3]));
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
	if (argc == 7 && !strcmp(argv[1], "flip")) {
		struct flip flip = { frame_type(argv[4]), atoi(argv[5]), atol(argv[6]) };

		from = listen_at(argv[2]);
		relay_flipped(from, connect_to(argv[3]), &flip);
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
