// SPDX-License-Identifier: GPL-2.0
/* Where a migration goes to: unix:PATH or tcp:HOST:PORT ([HOST] for IPv6). */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "args.h"

/* Writes the reason of an error into why. */
__attribute__((format(printf, 3, 4)))
static int explain(char *why, size_t len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, len, fmt, ap);
	va_end(ap);
	return -1;
}

int addr_unix(const char *path, struct sockaddr_un *un)
{
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!*path || strlen(path) >= sizeof(un->sun_path))
		return -1;
	strcpy(un->sun_path, path);
	return 0;
}

static struct addrinfo *tcp_address(const char *text, bool passive, char *why, size_t len)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = passive ? AI_PASSIVE : 0 };
	const char *colon = strrchr(text, ':');
	struct addrinfo *list;
	unsigned int port;
	char host[256];
	int err;

	if (!colon || !colon[1] || colon == text || colon - text >= (long)sizeof(host)) {
		explain(why, len, "tcp:%s: wanted tcp:HOST:PORT", text);
		return NULL;
	}
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	if (host[0] == '[' && host[strlen(host) - 1] == ']') {
		host[strlen(host) - 1] = 0;
		memmove(host, host + 1, strlen(host));
	}
	/* getaddrinfo() takes 99999 and uses another port. */
	if (!parse_number(colon + 1, 65535, &port)) {
		explain(why, len, "tcp:%s: wanted a port from 1 to 65535", text);
		return NULL;
	}
	err = getaddrinfo(host, colon + 1, &hints, &list);
	if (err) {
		explain(why, len, "tcp:%s: %s", text, gai_strerror(err));
		return NULL;
	}
	return list;
}

/* connect() that ends with the timeout of c, or when something aborts c. */
static int connect_within(int fd, const struct sockaddr *sa, socklen_t sa_len,
			  const struct conn *c)
{
	socklen_t len = sizeof(int);
	int err = 0, n;

	if (!connect(fd, sa, sa_len))
		return 0;
	if (errno != EINPROGRESS)
		return -1;
	n = conn_poll(c, fd, POLLOUT, c->timeout_ms);
	if (n < 0)
		return -1;
	if (conn_aborted(c))
		err = ECANCELED;
	else if (!n)
		err = ETIMEDOUT;
	else
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	errno = err;
	return err ? -1 : 0;
}

/* Connects for c, or listens if that is NULL. */
static int try_one(int family, const struct sockaddr *sa, socklen_t len, const struct conn *c)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, err;

	if (fd < 0)
		return -1;
	if (family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!c) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (!bind(fd, sa, len) && !listen(fd, 4))
			return fd;
	} else if (!connect_within(fd, sa, len, c)) {
		return fd;
	}
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

static const char *reason(const struct conn *c)
{
	const char *why = c && errno == ECANCELED ? conn_aborted(c) : NULL;

	return why ?: strerror(errno);
}

static const char *remedy(bool listening, bool tcp)
{
	if (listening && errno == EADDRINUSE)
		return tcp ? " (use another port, or end the process that has it)" :
			     " (remove the socket if no process listens there)";
	if (!listening && (errno == ECONNREFUSED || errno == ENOENT))
		return " (start hcvm --incoming there first)";
	return "";
}

static int open_addr(const char *addr, const struct conn *c, char *why, size_t len)
{
	struct addrinfo *list, *ai;
	struct sockaddr_un un;
	int fd = -1;

	if (!strncmp(addr, "unix:", 5)) {
		if (addr_unix(addr + 5, &un))
			return explain(why, len, "%s: wanted a path of 1 to %zu bytes", addr,
				       sizeof(un.sun_path) - 1);
		fd = try_one(AF_UNIX, (struct sockaddr *)&un, sizeof(un), c);
	} else if (!strncmp(addr, "tcp:", 4)) {
		list = tcp_address(addr + 4, !c, why, len);
		if (!list)
			return -1;
		for (ai = list; ai && fd < 0; ai = ai->ai_next)
			fd = try_one(ai->ai_family, ai->ai_addr, ai->ai_addrlen, c);
		freeaddrinfo(list);
	} else {
		return explain(why, len, "'%s': wanted unix:PATH or tcp:HOST:PORT", addr);
	}
	if (fd < 0)
		return explain(why, len, "cannot %s %s: %s%s", c ? "connect to" : "listen at",
			       addr, reason(c), remedy(!c, addr[0] == 't'));
	return fd;
}

int addr_listen(const char *addr, char *why, size_t len)
{
	return open_addr(addr, NULL, why, len);
}

int addr_connect(struct conn *c, const char *addr)
{
	c->fd = open_addr(addr, c, c->why, sizeof(c->why));
	return c->fd < 0 ? -1 : 0;
}

void addr_forget(const char *addr)
{
	if (!strncmp(addr, "unix:", 5))
		unlink(addr + 5);
}
