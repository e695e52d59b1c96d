// SPDX-License-Identifier: GPL-2.0
/*
 * One request: serve.h.
 *
 * The rule: first what costs nothing and proves most.  Only who may have this policy, and has proved
 * that the VM is its own, makes the broker load anything.  The answer is sent last: if the client does not
 * get it, the policy is detached, by the parent if this process was killed.
 *
 * This process ends after the answer, by itself or by its parent's signal.  So it may hang in what a
 * client has sent: to close a file of FUSE can wait for the client.  And it frees nothing.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <hcpolicy/policy.h>
#include "../libhcpolicy/pass.h"
#include "../libhcpolicy/process.h"
#include "../loader/text.h"
#include "attached.h"
#include "message.h"
#include "owner.h"
#include "serve.h"

/* A client connects when it knows what it wants. */
#define REQUEST_SECONDS	5

struct job {
	const struct connection *to;
	struct hcp_broker_request request;
	int vm_fd;
	const struct rule *rule;
	struct hcpolicy *policy;
	char name[HCP_NAME_LEN];	/* hcp_info's is the client's to write, too */
	int fds[HCP_BROKER_FDS];	/* for the client */
	unsigned int nfds;
	struct hcp_broker_answer answer;
	bool kept;		/* answer.text is a line of the library, which the journal does not have yet */
};

static void log_kept(struct job *job)
{
	if (job->kept)
		fprintf(stderr, "hcpolicyd: process %d: %s\n", job->to->peer->pid, job->answer.text);
	job->kept = false;
}

/*
 * The last line of the library is the one that says what failed.  It is kept, as the journal gets it with the
 * refusal.
 */
static void on_log(void *ctx, const char *line)
{
	struct job *job = ctx;

	log_kept(job);
	snprintf(job->answer.text, sizeof(job->answer.text), "%s", line);
	job->kept = true;
}

__attribute__((format(printf, 3, 4)))
static bool refuse(struct job *job, int error, const char *fmt, ...)
{
	va_list args;

	log_kept(job);
	va_start(args, fmt);
	vsnprintf(job->answer.text, sizeof(job->answer.text), fmt, args);
	va_end(args);
	job->answer.error = error;
	return false;
}

/* A call of the library failed, which has said why. */
static bool failed(struct job *job, int error, const char *doing)
{
	if (!job->answer.text[0])
		return refuse(job, error, "%s: %s", doing, strerror(error));
	/* EAGAIN would make the client ask again, at once and for minutes. */
	job->answer.error = error == EAGAIN ? EIO : error;
	return false;
}

static bool take_request(struct job *job)
{
	const struct timeval patience = { .tv_sec = REQUEST_SECONDS };
	char why[HCP_BROKER_TEXT_LEN];
	unsigned int nfds;
	ssize_t len;
	int err;

	setsockopt(job->to->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	len = pass_receive(job->to->fd, &job->request, sizeof(job->request), &job->vm_fd, 1, &nfds);
	if (len == -EMSGSIZE)
		return refuse(job, EPROTO, "the request has more than %zu bytes, or more than one descriptor",
			      sizeof(job->request));
	if (len == -EAGAIN)
		return refuse(job, ETIMEDOUT, "no request came within %d s", REQUEST_SECONDS);
	if (len < 0)
		return refuse(job, -len, "the request cannot be received: %s", strerror(-len));
	err = message_check(&job->request, len, why, sizeof(why));
	if (err)
		return refuse(job, err, "%s", why);
	return nfds == 1 || refuse(job, EPROTO, "no descriptor came along: the request needs the VM's");
}

/* Where a rule stands, for people. */
static const char *place(char buf[256], const struct rule *rule)
{
	snprintf(buf, 256, "%s:%u", rule->file, rule->line);
	return buf;
}

static bool params_allowed(struct job *job)
{
	bool fixed;
	char at[256];

	for (int i = 0; i < HCP_BROKER_PARAMS && job->request.params[i][0]; i++) {
		const char *param = job->request.params[i];

		if (!rule_allows(job->rule, param, &fixed))
			return refuse(job, EPERM, "parameter '%.*s' is %s by %s", (int)strcspn(param, "="), param,
				      fixed ? "fixed" : "not allowed", place(at, job->rule));
	}
	return true;
}

static bool allowed(struct job *job)
{
	const struct hcp_broker_request *request = &job->request;
	uint64_t max_gpa = request->max_gpa ?: HCPOLICY_DEFAULT_MAX_GPA;
	const struct rule *rule = rules_find(job->to->rules, job->to->peer, request->policy);
	char at[256], wanted[32], most[32];

	if (!rule)
		return refuse(job, EPERM, "no rule of %s allows user %u policy '%s': ask who administers this host",
			      job->to->rules->file, job->to->peer->uid, request->policy);
	job->rule = rule;
	if (max_gpa > rule->max_gpa)
		return refuse(job, EPERM, "a set up to %s is larger than %s allows: at most %s",
			      size_text(wanted, max_gpa), place(at, rule), size_text(most, rule->max_gpa));
	if (job->to->vms - job->to->ending >= rule->vms)
		return refuse(job, EDQUOT, "user %u has as many VMs with a policy as %s allows: %u",
			      job->to->peer->uid, place(at, rule), rule->vms);
	if (job->to->vms + job->to->undecided >= rule->vms)
		return refuse(job, EAGAIN, "user %u has, or is about to have, as many VMs with a policy as %s allows (%u), "
			      "or one that has just ended: ask again in a moment",
			      job->to->peer->uid, place(at, rule), rule->vms);
	return params_allowed(job);
}

static bool owns_vm(struct job *job)
{
	char why[HCP_BROKER_TEXT_LEN];
	int err = owner_check(job->to->peer, job->vm_fd, job->request.vm_fd, why, sizeof(why));

	return !err || refuse(job, err, "%s", why);
}

static bool set_param(struct job *job, const char *param)
{
	char key[HCP_BROKER_PARAM_LEN];
	size_t len = strcspn(param, "=");

	snprintf(key, sizeof(key), "%.*s", (int)len, param);
	return !hcpolicy__set_param(job->policy, key, param + len + 1) || failed(job, errno, param);
}

static bool set_params(struct job *job)
{
	for (int i = 0; i < HCP_BROKER_PARAMS && job->request.params[i][0]; i++) {
		if (!set_param(job, job->request.params[i]))
			return false;
	}
	for (size_t i = 0; i < job->rule->nparams; i++) {
		if (strchr(job->rule->params[i], '=') && !set_param(job, job->rule->params[i]))
			return false;
	}
	return true;
}

static bool open_policy(struct job *job)
{
	struct hcpolicy_opts opts = { .sz = sizeof(opts), .log = on_log, .log_ctx = job };

	job->policy = hcpolicy__open(job->request.policy, &opts);
	if (!job->policy)
		return failed(job, errno, "open");
	if (!set_params(job))
		return false;
	return !job->request.max_gpa || !hcpolicy__set_max_gpa(job->policy, job->request.max_gpa) ||
	       failed(job, errno, "the size of the set");
}

/* Digits mean a process; and what is left of a dead policy goes. */
static bool take_name(struct job *job)
{
	struct hcpolicy_opts opts = { .sz = sizeof(opts), .log = on_log, .log_ctx = job };
	const char *name = job->request.name;
	int err;

	snprintf(job->name, sizeof(job->name), "%d", job->to->peer->pid);
	if (!*name)
		return true;
	if (strspn(name, "0123456789") == strlen(name) && strcmp(name, job->name))
		return refuse(job, EINVAL, "the name '%s' would be taken for process %s: leave it out, or add a letter",
			      name, name);
	strcpy(job->name, name);
	err = hcpolicy__clear(name, &opts);
	return !err || err == -ENOENT || failed(job, -err, "the name");
}

static bool attach(struct job *job)
{
	const struct hcp_broker_request *request = &job->request;
	const struct peer *peer = job->to->peer;
	struct hcpolicy_attach_opts opts = {
		.sz = sizeof(opts), .pid = peer->pid, .pid_vm_fd = request->vm_fd,
		.name = request->name[0] ? request->name : NULL,
		.label = request->label[0] ? request->label : NULL,
		.take_exits = request->flags & HCP_BROKER_TAKE_EXITS,
		.incoming = request->flags & HCP_BROKER_INCOMING,
	};

	if (!take_name(job))
		return false;
	if (hcpolicy__load(job->policy))
		return failed(job, errno, "load");
	if (hcpolicy__attach(job->policy, job->vm_fd, &opts)) {
		/* The library names what it could be, which may be other users'. */
		if (errno == EBUSY)
			return refuse(job, EBUSY, "the VM has a policy already");
		return failed(job, errno, "attach");
	}
	/* From here on nothing of the broker keeps the VM. */
	close(job->vm_fd);
	/* Only now it is certain that it is attached for this process, and not for one with its number. */
	return process_number(peer->pidfd) == peer->pid || refuse(job, ESRCH, "process %d has ended", peer->pid);
}

/* If the policy sends events: their rings, and where the count of lost ones is. */
static void add_events(struct job *job)
{
	struct hcpolicy_param param;
	char ring[32];

	for (int i = 0; i < HCP_EVENT_RINGS; i++) {
		snprintf(ring, sizeof(ring), HCP_MAP_EVENTS "%d", i);
		job->fds[HCP_BROKER_EVENTS + i] = hcpolicy__map_fd(job->policy, ring);
		if (job->fds[HCP_BROKER_EVENTS + i] < 0)
			return;
	}
	job->fds[HCP_BROKER_COUNTERS] = hcpolicy__map_fd(job->policy, ".data.counters");
	for (unsigned int n = 0; hcpolicy__param(job->policy, n, &param); n++) {
		if (param.kind == HCPOLICY_COUNTER && !strcmp(param.name, "events_lost")) {
			job->answer.lost_at = param.offset;
			job->nfds = HCP_BROKER_FDS;
		}
	}
}

static void choose_fds(struct job *job)
{
	job->fds[HCP_BROKER_LINK] = hcpolicy__link_fd(job->policy);
	job->fds[HCP_BROKER_SHARED] = hcpolicy__map_fd(job->policy, HCP_MAP_SHARED);
	job->fds[HCP_BROKER_INFO] = hcpolicy__map_fd(job->policy, HCP_MAP_INFO);
	job->nfds = HCP_BROKER_NO_EVENTS;
	add_events(job);
}

/* From now on the parent counts it, and removes the pins after its end. */
static bool tell_parent(struct job *job)
{
	struct attachment attachment = {};
	int err;

	choose_fds(job);
	strcpy(attachment.name, job->name);
	for (unsigned int i = 1; i < job->nfds; i++)
		attachment.maps[i - 1] = attached_map_id(job->fds[i]);
	err = pass_send(job->to->parent, &attachment, sizeof(attachment), &job->fds[HCP_BROKER_LINK], 1, 0);
	return !err || refuse(job, -err, "hcpolicyd is at its end: %s", strerror(-err));
}

static bool pin(struct job *job)
{
	int err;

	if (hcpolicy__pin(job->policy))
		return failed(job, errno, "pin");
	err = attached_note(job->name, job->to->peer->uid, job->fds[HCP_BROKER_LINK]);
	return !err || refuse(job, err, "it cannot be noted whose policy '%s' is: %s", job->name, strerror(err));
}

/* An empty socket has room for one message, so this does not wait. */
static int send_answer(int connection, const struct hcp_broker_answer *answer, const int *fds, unsigned int nfds)
{
	return pass_send(connection, answer, sizeof(*answer), fds, nfds, MSG_DONTWAIT);
}

static void hand_over(struct job *job)
{
	int err;

	log_kept(job);
	memset(job->answer.text, 0, sizeof(job->answer.text));
	err = send_answer(job->to->fd, &job->answer, job->fds, job->nfds);
	if (err)
		hcpolicy__detach(job->policy);
	else
		pass_send(job->to->parent, "", 1, NULL, 0, 0);
	fprintf(stderr, "hcpolicyd: process %d of user %u: policy '%s' as '%s': %s\n", job->to->peer->pid,
		job->to->peer->uid, job->request.policy, job->name,
		err ? "nobody takes the answer, so it is detached" : "attached");
	log_kept(job);
}

void serve_refusal(int connection, int error, const char *why)
{
	struct hcp_broker_answer answer = { .version = HCP_BROKER_VERSION, .error = error };

	snprintf(answer.text, sizeof(answer.text), "%s", why);
	send_answer(connection, &answer, NULL, 0);
}

void serve(const struct connection *connection)
{
	struct job job = { .to = connection, .answer.version = HCP_BROKER_VERSION };

	if (take_request(&job) && allowed(&job) && owns_vm(&job) && open_policy(&job) && attach(&job) &&
	    tell_parent(&job) && pin(&job)) {
		hand_over(&job);
		return;
	}
	/* One that is told to ask again does that ten times a second. */
	if (job.answer.error != EAGAIN)
		fprintf(stderr, "hcpolicyd: process %d of user %u: refused: %s\n", connection->peer->pid,
			connection->peer->uid, job.answer.text);
	job.kept = false;
	/* A failure after the attachment leaves nothing attached. */
	if (job.policy && hcpolicy__link_fd(job.policy) >= 0)
		hcpolicy__detach(job.policy);
	log_kept(&job);
	close(connection->parent);
	serve_refusal(connection->fd, job.answer.error, job.answer.text);
}
