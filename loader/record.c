// SPDX-License-Identifier: GPL-2.0
/*
 * record: the requests of a VM to a file, one line each, until its policy ends or Ctrl-C.  The
 * rule: replayed, the trace gives the VM's set, or it says that something is missing.  So the set
 * is read when the requests are seen already: what changes in between is in both, and the request
 * comes last.
 *
 * The file grows by whole lines, and has all that was seen whenever there is nothing to do.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "loader.h"
#include "out.h"
#include "requests.h"
#include "state.h"
#include "trace.h"

struct record {
	const char *path;
	struct hcpolicy *policy;
	struct requests *requests;
	int fd;
	uint64_t begin;			/* CLOCK_MONOTONIC, ns */
	uint64_t count;			/* of requests in the file */
	uint64_t lost;			/* as the file says */
	uint64_t size;			/* of what was written: whole lines */
	size_t used;
	char lines[64 << 10];
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = 1;
}

/* A regular file is new: nobody's trace is overwritten, and a link is not followed. */
static bool open_file(struct record *r)
{
	if (!strcmp(r->path, "-")) {
		r->path = "standard output";
		r->fd = STDOUT_FILENO;
		return true;
	}
	r->fd = open(r->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (r->fd < 0 && errno == EEXIST)
		err("%s is there already: name another file, or - for standard output", r->path);
	else if (r->fd < 0)
		err("%s cannot be written: %s", r->path, strerror(errno));
	return r->fd >= 0;
}

/* Of what does not fit, half a line is no line.  In standard output others may have lines too. */
static bool cannot_write(const struct record *r)
{
	err("%s cannot be written: %s", r->path, strerror(errno));
	if (r->fd != STDOUT_FILENO && ftruncate(r->fd, r->size))
		err("%s ends with half a line: %s", r->path, strerror(errno));
	return false;
}

static bool write_lines(struct record *r)
{
	size_t done = 0;
	ssize_t n;

	while (done < r->used) {
		n = write(r->fd, r->lines + done, r->used - done);
		if (n < 0 && errno != EINTR)
			return cannot_write(r);
		if (n > 0)
			done += n;
	}
	r->size += done;
	r->used = 0;
	return true;
}

static char *room(struct record *r)
{
	if (sizeof(r->lines) - r->used < TRACE_LINE && !write_lines(r))
		return NULL;
	return r->lines + r->used;
}

__attribute__((format(printf, 2, 3)))
static bool line(struct record *r, const char *fmt, ...)
{
	char *text = room(r);
	va_list ap;
	int len;

	if (!text)
		return false;
	va_start(ap, fmt);
	len = vsnprintf(text, TRACE_LINE, fmt, ap);
	va_end(ap);
	if (len >= TRACE_LINE) {
		len = TRACE_LINE - 1;
		text[len - 1] = '\n';
	}
	r->used += len;
	return true;
}

static bool say_lost(struct record *r, uint64_t lost)
{
	if (lost <= r->lost)
		return true;
	if (!line(r, "# lost %" PRIu64 " requests\n", lost - r->lost))
		return false;
	r->lost = lost;
	return true;
}

static bool on_request(void *ctx, const struct request *request)
{
	struct record *r = ctx;
	char *text;

	if (!say_lost(r, request->lost))
		return false;
	text = room(r);
	if (!text)
		return false;
	r->used += trace_line(text, request, r->begin);
	r->count++;
	return true;
}

/* What the guest had shared before: lines as if it asked now. */
static bool write_head(struct record *r)
{
	const struct hcp_info copy = info_copy(r->policy), *info = &copy;
	const struct hcp_set *set = hcpolicy__set(r->policy);
	struct hcp_range range = {};
	char when[32], state[TRACE_LINE / 2];

	time_text(when, clock_ns(CLOCK_REALTIME));
	if (!line(r, "# requests of '%s' (policy %s, process %d) from %s on\n", info->name,
		  info->policy, info->pid, when))
		return false;
	if (!state_text(state, sizeof(state), r->policy) &&
	    !line(r, "# not all that the guest shared before: the set is %s\n", state))
		return false;
	if (hcp_set__count(set) &&
	    !line(r, "# the guest has run before: recorded=set is what the set had then\n"))
		return false;
	while (hcp_set__next(set, &range))
		if (!line(r, "share 0x%" PRIx64 " %" PRIu64 " recorded=set\n",
			  range.gfn << HCP_PAGE_SHIFT, range.npages))
			return false;
	return write_lines(r);
}

static bool take(struct record *r)
{
	uint64_t lost = requests_lost(r->requests);
	int n = requests_take(r->requests, on_request, r);

	if (n < 0)
		return false;
	/* A loss that no request follows.  What came after it has been taken. */
	return n || (say_lost(r, lost) && write_lines(r));
}

static bool write_requests(struct record *r)
{
	struct pollfd fds[2] = {
		{ .fd = requests_fd(r->requests), .events = POLLIN },
		{ .fd = hcpolicy__link_fd(r->policy) },
	};
	uint64_t before;

	while (!stop && !fds[1].revents) {
		before = r->count;
		if (!take(r))
			return false;
		poll(fds, 2, r->count == before ? 1000 : 0);
	}
	requests_stop(r->requests);
	do {
		before = r->count;
		if (!take(r))
			return false;
	} while (r->count != before);
	if (!say_lost(r, requests_lost(r->requests) + requests_passed_over(r->requests)))
		return false;
	return line(r, "# the end: %s, %" PRIu64 " requests\n", stop ? "interrupted" :
		    "the policy has ended, with its VM or by a detach", r->count) && write_lines(r);
}

static bool record(struct record *r)
{
	const struct hcp_info copy = info_copy(r->policy), *info = &copy;
	bool ok;

	if (!hcpolicy__attached(r->policy)) {
		err("attachment '%s': it is no longer attached, so there are no requests", info->name);
		return false;
	}
	if (!open_file(r))
		return false;
	r->begin = clock_ns(CLOCK_MONOTONIC);
	r->requests = requests_begin(info->name, info->link_id);
	if (!r->requests) {
		/* Nothing is in it yet. */
		if (r->fd != STDOUT_FILENO)
			unlink(r->path);
		return false;
	}
	ok = write_head(r) && write_requests(r);
	requests_end(r->requests);
	if (close(r->fd) && ok)
		ok = cannot_write(r);
	return ok;
}

static void report(const struct record *r)
{
	struct json_object *obj;

	if (r->fd == STDOUT_FILENO)
		return;
	if (!out_json) {
		printf("%" PRIu64 " request%s of '%s' recorded to %s\n", r->count,
		       r->count == 1 ? "" : "s", info_copy(r->policy).name, r->path);
		return;
	}
	obj = json_object_new_object();
	put_identity(obj, r->policy);
	put_str(obj, "file", r->path);
	put_u64(obj, "requests", r->count);
	out_value(obj);
}

int cmd_record(const struct args *args)
{
	/* The second signal ends it, if nobody reads what it writes. */
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART | SA_RESETHAND };
	static struct record r;
	bool ok;

	r.path = args->words[1];
	if (out_json && !strcmp(r.path, "-")) {
		err("record: standard output cannot have both the trace (-) and JSON (-j): name "
		    "a file");
		return EXIT_USAGE;
	}
	r.policy = pins_open_alive(args->words[0]);
	if (!r.policy)
		return EXIT_FAIL;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	ok = record(&r);
	if (ok && r.lost) {
		err("attachment '%s': %" PRIu64 " of its requests were lost, as they came faster than "
		    "they could be written: \"# lost\" in the trace says where",
		    info_copy(r.policy).name, r.lost);
		ok = false;
	}
	if (ok)
		report(&r);
	hcpolicy__close(r.policy);
	return ok ? EXIT_OK : EXIT_FAIL;
}
