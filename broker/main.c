// SPDX-License-Identifier: GPL-2.0
/*
 * hcpolicyd: attaches policies for VMMs that may not.  Where to start reading:
 *
 *	main.c			waits for connections, and for the ends of children and of policies
 *	seats.c			the children: one for each connection, few at a time
 *	serve.c			what a child does: from the request to the answer
 *	message.c, rules.c	is it a request, and is it allowed?
 *	check.c			are the rules right?
 *	peer.c, owner.c		who asks, and whose VM is it?
 *	attached.c		what is attached, for whom
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <hcpolicy/version.h>
#include "../loader/text.h"
#include "attached.h"
#include "check.h"
#include "rules.h"
#include "seats.h"

/* Where systemd puts the first socket: sd_listen_fds(3). */
#define LISTENER	3
#define LINES_PER_SECOND	5
#define PAUSE_MS	1000
/* If the rules are wrong, or there is none, the next request reads them again, but not more often. */
#define RULES_NS	1000000000

/* A connection that there could be no child for; -1: none.  To close it is a child's work, too: seats.c. */
static int waits = -1;
/* No connection can be taken, or no child be made: it is tried again after a pause. */
static bool paused;

/* SIGTERM comes only in ppoll(2). */
static volatile sig_atomic_t told_to_end;
static sigset_t while_waiting;

static const char usage[] =
"Usage: hcpolicyd [--check] [--conf FILE]\n"
"Attach policies for VMMs that may not: hcpolicyd(8).  It is started by its socket,\n"
"hcpolicyd.socket, and takes no connections else.\n"
"\n"
"  --conf FILE  who may have which policy (default " RULES ")\n"
"  --check      say what is wrong in FILE, and do nothing else\n"
"  --version    print the version\n"
"  --help       print this\n";

static int parse_args(int argc, char **argv, const char **conf, bool *check)
{
	static const struct option options[] = {
		{ "conf", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'k' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			*conf = optarg;
			break;
		case 'k':
			*check = true;
			break;
		case 'V':
			puts("hcpolicyd " HCP_VERSION);
			exit(0);
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			return -1;
		}
	}
	return optind < argc ? -1 : 0;
}

static bool has_listener(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int type = 0, listens = 0;
	socklen_t len = sizeof(type);

	return pid && atoi(pid) == getpid() && fds && !strcmp(fds, "1") &&
	       !getsockopt(LISTENER, SOL_SOCKET, SO_TYPE, &type, &len) && type == SOCK_SEQPACKET &&
	       !getsockopt(LISTENER, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) && listens;
}

static const char *no_rule(const struct rules *rules, uid_t uid)
{
	static char text[HCP_BROKER_TEXT_LEN];

	if (rules->missing)
		snprintf(text, sizeof(text), "there is no %s, so only root gets a policy, and not user %u: ask who "
			 "administers this host", rules->file, uid);
	else
		snprintf(text, sizeof(text), "no rule of %s allows user %u a policy: ask who administers this host",
			 rules->file, uid);
	return text;
}

/* Why this client is refused before it has said a word; NULL: it is not. */
static const char *refusal(int peer_error, const struct peer *peer, const struct rules *rules, int *error)
{
	if (peer_error) {
		*error = peer_error;
		return peer_error == ENOPROTOOPT ? "hcpolicyd needs Linux 6.5, to know who asks" :
		       peer_error == EINVAL ? "the process that asked has ended" : "hcpolicyd cannot tell who asks";
	}
	if (!rules) {
		*error = EACCES;
		return "the broker's rules are wrong, so it refuses everybody: its journal (journalctl -u hcpolicyd) "
		       "says what is wrong";
	}
	if (!rules_find(rules, peer, NULL)) {
		*error = EPERM;
		return no_rule(rules, peer->uid);
	}
	if (seats_of(peer->uid) >= SEATS_OF_USER) {
		*error = EAGAIN;
		return "the broker is at work on other requests of this user: ask again when these are answered";
	}
	return NULL;
}

/* What costs a client nothing could fill the journal. */
static void log_refusal(const struct peer *peer, const char *why)
{
	static unsigned int lines, more;
	static uint64_t second;
	uint64_t now = clock_ns(CLOCK_MONOTONIC) / 1000000000;

	if (now != second) {
		if (more)
			fprintf(stderr, "hcpolicyd: %u more were refused in the same second as those before\n", more);
		second = now;
		lines = more = 0;
	}
	if (lines++ < LINES_PER_SECOND)
		fprintf(stderr, "hcpolicyd: process %d of user %u: refused: %s\n", peer->pid, peer->uid, why);
	else
		more++;
}

/*
 * To end because of wrong rules would leave clients without an answer, and systemd would start this again
 * and again.  They may be right later: when the file is written or mended, or the users can be looked up.
 */
static const struct rules *rules_now(const char *conf)
{
	static struct rules *rules;
	static uint64_t last;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if ((rules && rules->n && !rules->missing) || (last && now - last < RULES_NS))
		return rules;
	last = now;
	if (rules)
		rules_free(rules);
	rules = rules_read(conf, check_warn);
	if (!rules)
		fprintf(stderr, "hcpolicyd: nobody gets a policy: mend %s (hcpolicyd --check)\n", conf ?: RULES);
	return rules;
}

static void take_connection(const struct rules *rules)
{
	struct connection connection = { .rules = rules };
	struct peer peer;
	const char *why;
	int error = 0;

	paused = false;
	connection.fd = waits >= 0 ? waits : accept4(LISTENER, NULL, NULL, SOCK_CLOEXEC);
	if (connection.fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
			perror("hcpolicyd: accept");
			paused = true;
		}
		return;
	}
	error = peer_get(connection.fd, &peer);
	why = refusal(error, &peer, rules, &error);
	connection.peer = &peer;
	connection.vms = attached_of(peer.uid, &connection.ending);
	connection.undecided = seats_undecided(peer.uid);
	paused = !seats_serve(&connection, error, why);
	waits = paused ? connection.fd : -1;
	if (!paused && why)
		log_refusal(&peer, why);
	peer_put(&peer);
}

/* Wait until there is something to do.  True: a connection. */
static bool wait_for_work(void)
{
	struct pollfd fds[1 + SEATS_POLL + attached_count()];
	struct timespec limit;
	int timeout;
	nfds_t n;

	n = seats_poll(fds, &timeout);
	/* What takes a seat waits until one is free: connections in the queue of the socket. */
	if (seats_free() && !told_to_end) {
		attached_poll(fds + n);
		n += attached_count();
		if (!paused)
			fds[n++] = (struct pollfd){ .fd = LISTENER, .events = POLLIN };
	}
	if (paused && (timeout < 0 || timeout > PAUSE_MS))
		timeout = PAUSE_MS;
	limit = (struct timespec){ .tv_sec = timeout / 1000, .tv_nsec = timeout % 1000 * 1000000L };
	if (ppoll(fds, n, timeout < 0 ? NULL : &limit, &while_waiting) < 0) {
		if (errno != EINTR)
			perror("hcpolicyd: poll");
		return false;
	}
	if (paused)
		return true;
	return n && fds[n - 1].fd == LISTENER && fds[n - 1].revents;
}

/* Each policy that is attached takes a descriptor. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void on_term(int sig)
{
	told_to_end = 1;
}

static void expect_end(void)
{
	struct sigaction action = { .sa_handler = on_term };
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &while_waiting);
	sigdelset(&while_waiting, SIGTERM);
	sigaction(SIGTERM, &action, NULL);
}

int main(int argc, char **argv)
{
	const char *conf = NULL;
	char name[HCP_NAME_LEN];
	bool check = false, connection;

	if (parse_args(argc, argv, &conf, &check)) {
		fputs("hcpolicyd: see hcpolicyd --help\n", stderr);
		return 2;
	}
	if (check)
		return check_rules(conf);
	if (!has_listener()) {
		fputs("hcpolicyd: no socket of type SOCK_SEQPACKET was handed over: systemctl start hcpolicyd.socket; "
		      "without systemd: ENVIRONMENT in hcpolicyd(8)\n", stderr);
		return 1;
	}
	allow_descriptors();
	expect_end();
	if (!attached_find())
		return 1;
	rules_now(conf);
	/* A request that is at work gets its answer before the end. */
	while (!told_to_end || seats_any_undecided()) {
		connection = wait_for_work();
		seats_look(attached_add);
		while (seats_free() && attached_ended(name))
			seats_clear(name);
		if (connection && seats_free())
			take_connection(rules_now(conf));
	}
	return 0;
}
