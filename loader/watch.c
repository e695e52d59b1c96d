// SPDX-License-Identifier: GPL-2.0
/*
 * watch: prints each change of what a guest shares, from its policy's events, until the VM ends or
 * Ctrl-C.  If the policy was replaced, the whole set follows, and then the new policy's events.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include "fate.h"
#include "loader.h"
#include "watch-all.h"
#include "watched.h"

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = 1;
}

static bool watch_begin(struct watched *w, const char *name, const char *why)
{
	struct hcpolicy *policy = pins_open_alive(name);

	if (!policy)
		return false;
	watched_take(w, policy);
	if (watched_begin(w, why))
		return true;
	lib_failed(name, "its events");
	return false;
}

static void say_ended(struct watched *w)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + FATE_NS;

	while (!watched_say_ended(w, clock_ns(CLOCK_MONOTONIC) >= end))
		poll(NULL, 0, 10);
}

static bool watch(struct watched *w, const char *name)
{
	struct pollfd fds[2] = { { .events = POLLIN } };
	bool ok = watch_begin(w, name, "it begins");
	int err;

	while (ok && !stop) {
		fds[0].fd = hcpolicy__events_fd(w->events);
		fds[1].fd = hcpolicy__link_fd(w->policy);
		if (fflush(stdout) || ferror(stdout))
			break;
		poll(fds, 2, 1000);
		err = hcpolicy__events_consume(w->events);
		ok = err >= 0 || err == -ESTALE;
		if (fds[1].revents)
			break;	/* the VM's end, or a detach */
		if (err == -ESTALE) {
			watched_end(w);
			ok = watch_begin(w, name, "the policy was replaced");
		}
	}
	if (ok && !stop)
		say_ended(w);
	return ok;
}

static bool watch_one(const char *name)
{
	struct out_array array;
	struct watched w = { .array = &array };
	bool ok;

	if (out_json)
		out_array_begin(&array, stdout, out_pretty);
	ok = watch(&w, name);
	if (out_json)
		out_array_end(&array);
	watched_end(&w);
	return ok;
}

int cmd_watch(const struct args *args)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	return (args->all ? watch_all(&stop) : watch_one(args->words[0])) ? EXIT_OK : EXIT_FAIL;
}
