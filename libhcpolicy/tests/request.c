// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * What hcpolicy__request() says to a broker, and what it makes of answers.  The broker here is a
 * child of the test, and may be anybody: somebody else's program, or one that wants to do harm.
 */
#include <hcpolicy/broker.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "policy.h"
#include "../pass.h"

#define BROKER_MAX	8192

static struct {
	char bytes[BROKER_MAX];		/* what is answered */
	size_t len;
	unsigned int nfds;
	struct hcp_broker_request want;
	bool look;			/* is it asked that? */
	int busy;			/* so often it is at work on other requests before */
} broker;

static char path[64];
static pid_t child;

/* As hcpolicyd does it: it reads nothing of who is refused so. */
static void be_busy(int listener)
{
	static const struct hcp_broker_answer busy = { .version = HCP_BROKER_VERSION, .error = EAGAIN, .text = "busy" };
	int fd = accept(listener, NULL, NULL);

	CHECK_CMP(fd, >=, 0);
	CHECK_EQ(pass_send(fd, &busy, sizeof(busy), NULL, 0, 0), 0);
	close(fd);
}

static void serve(int listener)
{
	struct hcp_broker_request request;
	int fds[PASS_MAX], fd;
	unsigned int n;

	for (int i = 0; i < broker.busy; i++)
		be_busy(listener);
	fd = accept(listener, NULL, NULL);
	CHECK_CMP(fd, >=, 0);
	CHECK_EQ(pass_receive(fd, &request, sizeof(request), fds, 1, &n), sizeof(request));
	CHECK_EQ(n, 1);
	if (broker.look)
		CHECK(!memcmp(&request, &broker.want, sizeof(request)));
	for (n = 1; n < PASS_MAX; n++)
		fds[n] = fds[0];
	CHECK_EQ(pass_send(fd, broker.bytes, broker.len, fds, broker.nfds, 0), 0);
	exit(0);
}

/* One that takes one request, and gives the answer that is in broker. */
static void start(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	snprintf(path, sizeof(path), "/tmp/hcpolicy-request-%d", getpid());
	strcpy(addr.sun_path, path);
	unlink(path);
	CHECK_EQ(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	CHECK_EQ(listen(fd, 1), 0);
	fflush(stdout);
	child = fork();
	CHECK_CMP(child, >=, 0);
	if (!child)
		serve(fd);
	close(fd);
}

/* Was it content? */
static void end(void)
{
	int status;

	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	unlink(path);
}

static struct hcp_broker_answer *answer(unsigned int nfds)
{
	memset(&broker, 0, sizeof(broker));
	broker.len = sizeof(struct hcp_broker_answer);
	broker.nfds = nfds;
	return memcpy(broker.bytes, &(struct hcp_broker_answer){ .version = HCP_BROKER_VERSION }, broker.len);
}

static struct hcpolicy *request(const struct hcpolicy_request_opts *more)
{
	struct hcpolicy_request_opts opts = { .sz = sizeof(opts) };

	if (more)
		opts = *more;
	opts.socket = path;
	logged[0] = 0;
	return hcpolicy__request("bitmap", STDOUT_FILENO, &opts, &log_opts);
}

TEST(a_request_has_the_bytes_that_the_header_describes)
{
	struct hcpolicy_request_opts opts = {
		.sz = sizeof(opts), .max_gpa = 1 << 30, .name = "web1", .take_exits = true, .label = "one",
		.params = (const char *const[]){ "ceiling=5", "rate=1", NULL },
	};

	answer(0)->error = EBUSY;
	broker.look = true;
	broker.want = (struct hcp_broker_request){
		.version = HCP_BROKER_VERSION, .flags = HCP_BROKER_TAKE_EXITS, .max_gpa = 1 << 30,
		.vm_fd = STDOUT_FILENO, .policy = "bitmap", .name = "web1", .label = "one",
		.params = { "ceiling=5", "rate=1" },
	};
	start();
	CHECK_NULL(request(&opts), EBUSY);
	end();
}

TEST(what_the_broker_says_of_an_error_is_logged)
{
	struct hcp_broker_answer *a = answer(0);

	a->error = EPERM;
	strcpy(a->text, "no line of broker.conf allows it: add one\033[2J");
	start();
	CHECK_NULL(request(NULL), EPERM);
	CHECK(said("no line of broker.conf allows it: add one?[2J"));
	end();
}

TEST(a_broker_that_is_busy_is_asked_again_after_a_pause_and_nothing_is_logged)
{
	int before = held();
	struct timespec begin, now;

	answer(0)->error = EDQUOT;
	broker.busy = 5;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	start();
	CHECK_NULL(request(NULL), EDQUOT);
	clock_gettime(CLOCK_MONOTONIC, &now);
	CHECK(!strstr(logged, "busy"));
	end();
	CHECK_EQ(held(), before);
	CHECK_CMP((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000, >=, 5 * 50);
}

/* Each leaves nothing open here. */
static void check_refused(const char *words)
{
	int before = held();

	start();
	CHECK_NULL(request(NULL), EPROTO);
	CHECK(said(words));
	end();
	CHECK_EQ(held(), before);
}

TEST(an_answer_that_makes_no_sense_is_EPROTO_and_nothing_stays_open)
{
	struct hcp_broker_answer *a;
	unsigned int n;

	for (n = 0; n <= HCP_BROKER_FDS; n++) {
		if (n == HCP_BROKER_NO_EVENTS || n == HCP_BROKER_FDS)
			continue;
		answer(n);
		check_refused("makes no sense");
	}
	answer(HCP_BROKER_NO_EVENTS)->error = EPERM;
	check_refused("makes no sense");
	answer(0)->error = -EPERM;
	check_refused("makes no sense");
	answer(0)->error = 4096;
	check_refused("makes no sense");
	a = answer(0);
	a->error = EPERM;
	memset(a->text, 'x', sizeof(a->text));
	check_refused("makes no sense");
	answer(0)->version = HCP_BROKER_VERSION + 1;
	check_refused("version 2: this library knows version 1");
	answer(0);
	broker.len--;
	check_refused("the broker is of another version");
	answer(0);
	broker.len = 1;
	check_refused("an answer of 1 bytes, version 0");
}

TEST(an_answer_with_too_many_bytes_or_descriptors_leaves_nothing_open)
{
	int before = held();

	answer(HCP_BROKER_FDS + 1);
	start();
	CHECK_NULL(request(NULL), EMSGSIZE);
	end();
	answer(HCP_BROKER_NO_EVENTS);
	broker.len++;
	start();
	CHECK_NULL(request(NULL), EMSGSIZE);
	end();
	CHECK_EQ(held(), before);
}

TEST(descriptors_that_are_no_maps_are_EINVAL)
{
	int before = held();

	answer(HCP_BROKER_NO_EVENTS);
	start();
	CHECK_NULL(request(NULL), EINVAL);
	CHECK(said("is not a BPF map"));
	end();
	CHECK_EQ(held(), before);
}

TEST(without_a_broker_it_is_said_what_helps)
{
	strcpy(path, "/tmp/hcpolicy-nobody");
	CHECK_NULL(request(NULL), ENOENT);
	CHECK(said("/tmp/hcpolicy-nobody: no broker can be reached: No such file or directory: systemctl start "
		   "hcpolicyd.socket; if it runs no longer, journalctl -u hcpolicyd says why"));
}

TEST(what_has_no_room_in_a_request_is_an_error_here)
{
	static const char *const many[HCP_BROKER_PARAMS + 2] = { [0 ... HCP_BROKER_PARAMS] = "a=1" };
	struct hcpolicy_request_opts opts = { .sz = sizeof(opts), .name = path };

	memset(path, 'a', sizeof(path) - 1);
	memcpy(path, "/tmp/", 5);
	opts.params = many;
	CHECK_NULL(request(&opts), E2BIG);
	opts.params = (const char *const[]){ logged, NULL };
	opts.name = "web1";
	opts.socket = path;
	memset(logged, 'p', HCP_BROKER_PARAM_LEN);
	CHECK_NULL(hcpolicy__request("bitmap", 1, &opts, NULL), EINVAL);
	opts.params = NULL;
	opts.reserved[5] = 1;
	CHECK_NULL(request(&opts), E2BIG);
	CHECK_NULL(hcpolicy__request(NULL, 1, NULL, &log_opts), EINVAL);
}

TAP_MAIN
