// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A policy from the broker: hcpolicy/broker.h.  Nothing here calls bpf(2), and nothing that
 * the broker answers is believed before it is checked.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <hcpolicy/broker.h>
#include "internal.h"
#include "pass.h"

/* The broker ends a request after half of that. */
#define PATIENCE_S	120
/* One that is at work on other requests of this user is asked again after that. */
#define RETRY_MS	100

/* What the broker has no room for.  NULL: it is not given. */
static int put(const struct hcpolicy *policy, char *to, size_t size, const char *text, const char *what)
{
	if (!text)
		return 0;
	if (strlen(text) >= size)
		return fail(policy, EINVAL, "%s '%s' is longer than %zu bytes", what, text, size - 1);
	strcpy(to, text);
	return 0;
}

static int write_request(const struct hcpolicy *policy, struct hcp_broker_request *request, const char *name,
			 int vm_fd, const struct hcpolicy_request_opts *opts)
{
	const char *const *params = opts_get(opts, params);
	unsigned int n;
	int err;

	*request = (struct hcp_broker_request) {
		.version = HCP_BROKER_VERSION,
		.flags = (opts_get(opts, take_exits) ? HCP_BROKER_TAKE_EXITS : 0) |
			 (opts_get(opts, incoming) ? HCP_BROKER_INCOMING : 0),
		.max_gpa = opts_get(opts, max_gpa),
		.vm_fd = vm_fd,
	};
	err = put(policy, request->policy, sizeof(request->policy), name, "the policy's name");
	if (!err)
		err = put(policy, request->name, sizeof(request->name), opts_get(opts, name), "the name");
	if (!err)
		err = put(policy, request->label, sizeof(request->label), opts_get(opts, label), "the label");
	for (n = 0; !err && params && params[n]; n++) {
		if (n == HCP_BROKER_PARAMS)
			return fail(policy, E2BIG, "a broker takes at most %d parameters", HCP_BROKER_PARAMS);
		err = put(policy, request->params[n], HCP_BROKER_PARAM_LEN, params[n], "parameter");
	}
	return err;
}

static int open_socket(const struct hcpolicy *policy, const char *path)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return fail(policy, ENAMETOOLONG, "%s: the path of a socket has at most %zu bytes", path,
			    sizeof(addr.sun_path) - 1);
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(policy, errno, "socket: %s", strerror(errno));
	if (!setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) &&
	    !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) &&
	    !connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = errno;
	close(fd);
	return fail(policy, err, "%s: no broker can be reached: %s%s", path, strerror(err),
		    err == ENOENT || err == ECONNREFUSED ?
		    ": systemctl start hcpolicyd.socket; if it runs no longer, journalctl -u hcpolicyd says why" :
		    err == EACCES ? ": only root and the group of that file may connect, if AppArmor lets them" : "");
}

/* Returns the length of the answer. */
static ssize_t exchange(int fd, const struct hcp_broker_request *request, int vm_fd,
			struct hcp_broker_answer *answer, int fds[HCP_BROKER_FDS], unsigned int *nfds)
{
	ssize_t len = pass_send(fd, request, sizeof(*request), &vm_fd, 1, 0);

	*nfds = 0;
	/* A broker that refuses everything from this user answers at once, and reads nothing. */
	if (len && len != -EPIPE)
		return len;
	len = pass_receive(fd, answer, sizeof(*answer), fds, HCP_BROKER_FDS, nfds);
	if (len == -ECONNRESET)
		len = pass_receive(fd, answer, sizeof(*answer), fds, HCP_BROKER_FDS, nfds);
	return len;
}

/* Is it an answer?  Only its errors are the broker's to word. */
static int check_answer(const struct hcpolicy *policy, const char *path, ssize_t len,
			const struct hcp_broker_answer *answer, unsigned int nfds)
{
	if (len == -EBADF)
		return fail(policy, EBADF, "the VM's descriptor is not open");
	if (len == -EAGAIN)
		return fail(policy, ETIMEDOUT, "%s: the broker has not answered for %d s: journalctl -u hcpolicyd",
			    path, PATIENCE_S);
	if (len <= 0)
		return fail(policy, len ? -len : ECONNRESET, "%s: the broker gives no answer (%s): "
			    "journalctl -u hcpolicyd", path, len ? strerror(-len) : "it ended the connection");
	if (len < (ssize_t)sizeof(*answer) || answer->version != HCP_BROKER_VERSION)
		return fail(policy, EPROTO, "%s: an answer of %zd bytes, version %u: this library knows version %u of "
			    "%zu bytes, so the broker is of another version of hcpolicy", path, len,
			    len < (ssize_t)sizeof(answer->version) ? 0 : answer->version, HCP_BROKER_VERSION,
			    sizeof(*answer));
	if (answer->text[sizeof(answer->text) - 1] || answer->error < 0 || answer->error > 4095 ||
	    (answer->error ? nfds != 0 : nfds != HCP_BROKER_NO_EVENTS && nfds != HCP_BROKER_FDS))
		return fail(policy, EPROTO, "%s: the answer makes no sense: is that the broker's socket?", path);
	if (answer->error)
		return fail(policy, answer->error, "%s", answer->text);
	return 0;
}

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* By EAGAIN the broker means nothing but that: ask again. */
static bool is_busy(ssize_t len, const struct hcp_broker_answer *answer, unsigned int nfds)
{
	return len == sizeof(*answer) && answer->version == HCP_BROKER_VERSION && answer->error == EAGAIN && !nfds;
}

static int ask(const struct hcpolicy *policy, const char *path, const struct hcp_broker_request *request, int vm_fd,
	       struct hcp_broker_answer *answer, int fds[HCP_BROKER_FDS], unsigned int *nfds)
{
	time_t end = seconds() + PATIENCE_S;
	ssize_t len;
	int fd;

	for (;;) {
		fd = open_socket(policy, path);
		if (fd < 0)
			return fd;
		len = exchange(fd, request, vm_fd, answer, fds, nfds);
		close(fd);
		if (!is_busy(len, answer, *nfds) || seconds() >= end)
			return check_answer(policy, path, len, answer, *nfds);
		usleep(RETRY_MS * 1000);
	}
}

/* Its ring buffers, and the count of what they had no room for. */
static int add_events(struct hcpolicy *policy, const int fds[HCP_BROKER_FDS], __u32 lost_at)
{
	struct bpf_map_info map;
	char name[32];
	int n, err = 0;
	void *mem;

	if (map_info(fds[HCP_BROKER_COUNTERS], &map) || lost_at % sizeof(uint64_t) ||
	    map.value_size < sizeof(uint64_t) || lost_at > map.value_size - sizeof(uint64_t))
		return fail(policy, EPROTO, "its counters have no place for the lost events");
	mem = mmap(NULL, map.value_size, PROT_READ, MAP_SHARED, fds[HCP_BROKER_COUNTERS], 0);
	if (mem == MAP_FAILED)
		return fail(policy, errno, "its counters cannot be mapped: %s", strerror(errno));
	policy->counters = mem;
	policy->counters_size = map.value_size;
	policy->lost = (uint64_t *)(policy->counters + lost_at);
	for (n = 0; n < HCP_EVENT_RINGS && !err; n++) {
		snprintf(name, sizeof(name), HCP_MAP_EVENTS "%d", n);
		err = hcpolicy__add_map_fd(policy, name, fds[HCP_BROKER_EVENTS + n]);
	}
	return err;
}

struct hcpolicy *hcpolicy__request(const char *name, int vm_fd, const struct hcpolicy_request_opts *request,
				   const struct hcpolicy_opts *opts)
{
	const char *path = opts_get(request, socket) ?: HCP_BROKER_SOCKET;
	struct hcpolicy *asking = policy_new(opts), *policy = NULL;
	struct hcp_broker_request message;
	struct hcp_broker_answer answer;
	int fds[HCP_BROKER_FDS], err;
	unsigned int nfds = 0;

	if (!asking)
		return NULL;
	err = opts_check(request, params);
	if (!err)
		err = opts_unused(request, reserved);
	if (err)
		fail(asking, -err, "request options that this library does not know");
	else if (!name)
		err = fail(asking, EINVAL, "no policy named");
	if (!err)
		err = write_request(asking, &message, name, vm_fd, request);
	if (!err)
		err = ask(asking, path, &message, vm_fd, &answer, fds, &nfds);
	if (!err)
		policy = hcpolicy__open_fds(fds[HCP_BROKER_SHARED], fds[HCP_BROKER_INFO], fds[HCP_BROKER_LINK], opts);
	if (policy && nfds == HCP_BROKER_FDS && add_events(policy, fds, answer.lost_at)) {
		hcpolicy__close(policy);
		policy = NULL;
	}
	err = errno;
	while (nfds)
		close(fds[--nfds]);
	hcpolicy__close(asking);
	errno = err;
	return policy;
}
