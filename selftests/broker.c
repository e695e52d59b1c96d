// SPDX-License-Identifier: GPL-2.0
/*
 * hcpolicyd on the real hook: what VMMs without privileges get from it, and that hostile ones get
 * nothing, and take nothing from the others.
 *
 * The broker is a child of each test.  Its clients are children with users of their own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <linux/capability.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <unistd.h>
#include <hcpolicy/broker.h>
#include <hcpolicy/events.h>

#include "hcp.h"
#include "no_bpf.h"
#include "tap.h"
#include "vm.h"

#define GPA	VM_FREE_GPA
#define SOCKET	"/run/hcst-broker"
#define CONF	"/run/hcst-broker.conf"
#define PINS	"/sys/fs/bpf/hcpolicy/"
/* Users; nobody of them needs a name. */
#define ALICE	1000
#define BOB	1001
#define MALLORY	1002		/* no rule knows this one */
#define GROUP	2000

static const char rules[] =
	"user:1000 bitmap 64G 2\n"
	"user:1000 notify 64G 2\n"
	"user:1000 quota 1G 2 ceiling window_start=0\n"
	"group:2000 bitmap 4096T 100\n";

/* Each request loads a policy, which a slow machine takes long for. */
#define LIMIT_S	600

static pid_t broker;
/* What it says belongs to the test's output. */
static int broker_stderr = STDOUT_FILENO;

/* From the test to its client, and back. */
static int to_client[2], to_test[2];

static void tell_test(void)
{
	CHECK_EQ(write(to_test[1], "x", 1), 1);
}

static void wait_for_client(void)
{
	struct pollfd pfd = { .fd = to_test[0], .events = POLLIN };

	char c;

	/* A broker may take a minute. */
	CHECK_EQ(poll(&pfd, 1, 4 * TAP_WAIT_S * 1000), 1);
	CHECK_EQ(read(to_test[0], &c, 1), 1);
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	strcpy(addr.sun_path, path);
	unlink(path);
	CHECK_EQ(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	CHECK_EQ(chmod(path, 0666), 0);
	CHECK_EQ(listen(fd, 128), 0);
	return fd;
}

/* As the unit leaves them: so the broker may not look into the processes of other users. */
static void drop_capabilities(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++) {
		if (cap != CAP_SYS_ADMIN)
			CHECK_EQ(prctl(PR_CAPBSET_DROP, cap), 0);
	}
	CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
}

/* As systemd starts it.  It ends with the test. */
static void start_broker(int listener)
{
	char pid[16];

	fflush(stdout);
	broker = fork();
	CHECK_CMP(broker, >=, 0);
	if (broker)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(broker_stderr, STDERR_FILENO);
	CHECK_EQ(dup2(listener, 3), 3);
	fcntl(3, F_SETFD, 0);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("HCPOLICY_PATH", build_path("bpf"), 1);
	drop_capabilities();
	execl(build_path("bin/hcpolicyd"), "hcpolicyd", "--conf", CONF, NULL);
	_exit(127);
}

static void write_rules(const char *text)
{
	int fd = open(CONF, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* The next one gets the same socket. */
static void kill_broker(void)
{
	CHECK_EQ(kill(broker, SIGKILL), 0);
	CHECK_EQ(waitpid(broker, NULL, 0), broker);
}

static int set_up(void)
{
	int listener;

	write_rules(rules);
	CHECK_EQ(chmod("/dev/kvm", 0666), 0);
	CHECK_EQ(pipe(to_client), 0);
	CHECK_EQ(pipe(to_test), 0);
	listener = listen_at(SOCKET);
	start_broker(listener);
	return listener;
}

/* A client: a child that is that user, may not call bpf(2), and ends with fn. */
static pid_t start(uid_t uid, gid_t gid, void (*fn)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK_CMP(pid, >=, 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (uid) {
		CHECK_EQ(setgroups(1, &gid), 0);
		CHECK_EQ(setresgid(uid, uid, uid), 0);
		CHECK_EQ(setresuid(uid, uid, uid), 0);
		no_bpf();
	}
	fn();
	fflush(stdout);
	_exit(0);
}

/* Has the client found what it wanted? */
static void end(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (status)
		tap_fail(__FILE__, __LINE__, "a client ended with status 0x%x", status);
}

static void client(uid_t uid, void (*fn)(void))
{
	end(start(uid, uid, fn));
}

/* One of Alice's, which has said that it is where it wants to be, and waits; and its end. */
static pid_t start_waiting(void (*fn)(void))
{
	pid_t pid = start(ALICE, ALICE, fn);

	wait_for_client();
	return pid;
}

static void let_go(pid_t pid)
{
	CHECK_EQ(write(to_client[1], "x", 1), 1);
	end(pid);
}

static char said[HCP_BROKER_TEXT_LEN];

static void on_log(void *ctx, const char *line)
{
	tap_note("client: %s", line);
	snprintf(said, sizeof(said), "%s", line);
}

static const struct hcpolicy_opts log_opts = { .sz = sizeof(log_opts), .log = on_log };

static struct hcpolicy *request_as(const char *policy, int vm_fd, const char *name, uint64_t max_gpa,
				   const char *const params[])
{
	struct hcpolicy_request_opts opts = {
		.sz = sizeof(opts), .socket = SOCKET, .name = name, .max_gpa = max_gpa, .params = params,
	};

	said[0] = 0;
	return hcpolicy__request(policy, vm_fd, &opts, &log_opts);
}

static struct hcpolicy *request(const char *policy, int vm_fd)
{
	return request_as(policy, vm_fd, NULL, 0, NULL);
}

#define CHECK_REFUSED(policy, error, words)	do {				\
	CHECK_NULL(policy, error);						\
	if (!strstr(said, words))						\
		tap_fail(__FILE__, __LINE__, "'%s' does not say '%s'", said, words);	\
} while (0)

static bool exists(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), PINS "%s", name);
	return !access(path, F_OK);
}

/* As the library of a client that obeys would connect, without what it sends. */
static int connect_to_broker(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = SOCKET };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	CHECK_EQ(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* Send anything.  False: the broker has answered before it has read a word. */
static bool send_raw(int fd, const void *bytes, size_t len, const int *fds, int nfds)
{
	struct iovec iov = { (void *)bytes, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	char control[CMSG_SPACE(64 * sizeof(int))] = {};
	struct cmsghdr *cmsg = (void *)control;

	if (nfds) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
	}
	if (sendmsg(fd, &msg, MSG_NOSIGNAL) == (ssize_t)len)
		return true;
	CHECK_EQ(errno, EPIPE);
	return false;
}

/* What the broker answers; and it ends the connection. */
static void check_answer(int fd, int error, const char *words)
{
	struct hcp_broker_answer answer;
	ssize_t len = recv(fd, &answer, sizeof(answer), 0);

	/* If the broker has not read what was sent, its end comes first.  The library reads again, too. */
	if (len < 0 && errno == ECONNRESET)
		len = recv(fd, &answer, sizeof(answer), 0);
	CHECK_EQ(len, sizeof(answer));
	tap_note("client: %s", answer.text);
	CHECK_EQ(answer.error, error);
	CHECK(strstr(answer.text, words));
	CHECK_CMP(recv(fd, &answer, sizeof(answer), 0), <=, 0);
	close(fd);
}

static struct hcp_broker_request good(int vm_fd)
{
	return (struct hcp_broker_request){ .version = HCP_BROKER_VERSION, .vm_fd = vm_fd, .policy = "bitmap" };
}

/* Ask for this policy, and take what comes along. */
static void take(const char *policy, int vm_fd, int fds[HCP_BROKER_FDS])
{
	char control[CMSG_SPACE(HCP_BROKER_FDS * sizeof(int))];
	struct hcp_broker_request r = good(vm_fd);
	struct hcp_broker_answer answer;
	struct iovec iov = { &answer, sizeof(answer) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd = connect_to_broker();

	strcpy(r.policy, policy);
	send_raw(fd, &r, sizeof(r), &vm_fd, 1);
	CHECK_EQ(recvmsg(fd, &msg, 0), sizeof(answer));
	CHECK_EQ(answer.error, 0);
	CHECK_EQ(CMSG_FIRSTHDR(&msg)->cmsg_len, CMSG_LEN(HCP_BROKER_FDS * sizeof(int)));
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&msg)), HCP_BROKER_FDS * sizeof(int));
	close(fd);
}

static struct vm *vm;
static uint64_t events;

static void on_event(void *ctx, const struct hcp_event *event)
{
	if (event && event->gfn == GPA / PAGE && event->npages == 16 && event->shared)
		events++;
}

static void use_policy(void)
{
	struct hcpolicy *policy;
	struct hcpolicy_events *reader;
	struct pollfd pfd = { .events = POLLIN };

	vm = vm_new(1, false);
	policy = request_as("notify", vm->fd, "hcst-web1", 0, NULL);
	CHECK(policy);
	CHECK(hcpolicy__attached(policy) && hcpolicy__complete(policy));
	CHECK_EQ(hcpolicy__info(policy)->pid, getpid());
	CHECK_EQ(hcpolicy__info(policy)->vm_fd, vm->fd);
	reader = hcpolicy__events_new(policy, on_event, NULL);
	CHECK(reader);
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 16, SHARE), 0);
	CHECK_EQ(hcp_set__count(hcpolicy__set(policy)), 16);
	pfd.fd = hcpolicy__events_fd(reader);
	CHECK_EQ(poll(&pfd, 1, TAP_WAIT_S * 1000), 1);
	CHECK_EQ(hcpolicy__events_consume(reader), 1);
	CHECK_EQ(events, 1);
	hcpolicy__events_free(reader);
	hcpolicy__close(policy);
}

TEST_LONG(a_VMM_that_may_not_call_bpf_gets_its_policy_its_set_and_its_events, LIMIT_S)
{
	set_up();
	client(ALICE, use_policy);
}

static void as_member(void)
{
	vm = vm_new(1, false);
	CHECK(request("bitmap", vm->fd));
}

TEST_LONG(a_rule_for_a_group_is_for_those_who_are_in_it, LIMIT_S)
{
	set_up();
	end(start(BOB, GROUP, as_member));
}

static void attached_until_told(void)
{
	char c;

	vm = vm_new(1, false);
	CHECK(request_as("bitmap", vm->fd, "hcst-web1", 0, NULL));
	tell_test();
	CHECK_EQ(read(to_client[0], &c, 1), 1);
}

TEST_LONG(the_end_of_the_VM_removes_its_name, LIMIT_S)
{
	pid_t pid;

	set_up();
	pid = start_waiting(attached_until_told);
	CHECK(exists("hcst-web1"));
	let_go(pid);
	WAIT_UNTIL(!exists("hcst-web1"));
}

static bool says(const char *command, const char *words)
{
	char line[512];

	snprintf(line, sizeof(line), "%s %s 2>&1 | grep -F '%s'", build_path("bin/hcpolicy"), command, words);
	return !system(line);
}

TEST_LONG(the_command_lists_and_detaches_what_the_broker_has_attached, LIMIT_S)
{
	pid_t pid;

	set_up();
	pid = start_waiting(attached_until_told);
	CHECK(says("list", "complete"));
	CHECK(says("show hcst-web1", "bitmap"));
	CHECK(says("detach hcst-web1", "detached"));
	let_go(pid);
}

/* The VM is the parent's, and the child has it open by the same number. */
static void ask_for_anothers(void)
{
	CHECK_REFUSED(request("bitmap", vm->fd), EPERM, "another process made it");
}

TEST_LONG(a_VM_that_another_process_made_is_EPERM_and_gets_no_policy, LIMIT_S)
{
	set_up();
	vm = vm_new(1, false);
	client(ALICE, ask_for_anothers);
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), -KVM_ENOSYS);
}

static void name_another_number(void)
{
	struct hcp_broker_request r;
	struct vm *other;
	int fd;

	vm = vm_new(1, false);
	other = vm_new_empty();
	for (int named = -1; named < 3; named++) {
		r = good(named < 2 ? named : other->fd);
		fd = connect_to_broker();
		send_raw(fd, &r, sizeof(r), &vm->fd, 1);
		check_answer(fd, EINVAL, "is not the VM that came along");
	}
}

TEST_LONG(a_number_that_is_not_that_of_the_VM_is_EINVAL, LIMIT_S)
{
	set_up();
	client(ALICE, name_another_number);
}

static void send_others(void)
{
	int fds[] = { open("/dev/null", O_RDWR), open("/", O_PATH), socket(AF_INET, SOCK_STREAM, 0),
		      connect_to_broker(), memfd_create("anon_inode:kvm-vm", 0), -1, -1 };

	vm = vm_new(1, false);
	fds[5] = vm->kvm_fd;
	fds[6] = vm->vcpus[0].fd;
	for (int i = 0; i < 7; i++)
		CHECK_REFUSED(request("bitmap", fds[i]), EINVAL, "is not a KVM VM");
	CHECK(request("bitmap", vm->fd));
}

TEST_LONG(a_descriptor_that_is_no_VM_is_EINVAL, LIMIT_S)
{
	set_up();
	client(ALICE, send_others);
}

static void ask_for_what_is_not_allowed(void)
{
	vm = vm_new(1, false);
	CHECK_REFUSED(request("freeze", vm->fd), EPERM, "no rule of " CONF " allows user 1000 policy 'freeze'");
	CHECK_REFUSED(request("../bpf/bitmap", vm->fd), EPROTO, "the policy is not named by letters");
	CHECK_REFUSED(request_as("bitmap", vm->fd, NULL, 128ULL << 30, NULL), EPERM,
		      "a set up to 128 GiB is larger than " CONF ":1 allows: at most 64 GiB");
	CHECK_REFUSED(request("quota", vm->fd), EPERM, "a set up to 64 GiB is larger than " CONF ":3");
	CHECK_REFUSED(request_as("quota", vm->fd, NULL, 1 << 30, HCP_PARAMS("window_start=5")), EPERM,
		      "parameter 'window_start' is fixed by " CONF ":3");
	CHECK_REFUSED(request_as("bitmap", vm->fd, NULL, 0, HCP_PARAMS("ceiling=5")), EPERM,
		      "parameter 'ceiling' is not allowed by " CONF ":1");
	CHECK_REFUSED(request_as("quota", vm->fd, NULL, 1 << 30, HCP_PARAMS("ceiling=x")), EINVAL,
		      "'x' is not a number");
	CHECK_REFUSED(request_as("bitmap", vm->fd, "a/b", 0, NULL), EINVAL, "cannot be a name");
	CHECK_REFUSED(request_as("bitmap", vm->fd, "1", 0, NULL), EINVAL, "would be taken for process 1");
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), -KVM_ENOSYS);
	CHECK(request_as("quota", vm->fd, NULL, 1 << 30, HCP_PARAMS("ceiling=1")));
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), 0);
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA + PAGE, 1, SHARE), -KVM_EPERM);
}

TEST_LONG(what_no_rule_allows_is_refused_with_the_line_and_a_setting_that_is_allowed_counts, LIMIT_S)
{
	set_up();
	client(ALICE, ask_for_what_is_not_allowed);
}

static void ask_as_nobody(void)
{
	char words[128];

	vm = vm_new(1, false);
	snprintf(words, sizeof(words), "no rule of " CONF " allows user %d a policy: ask", getuid());
	CHECK_REFUSED(request("bitmap", vm->fd), EPERM, words);
}

TEST_LONG(a_user_whom_no_rule_knows_is_EPERM_and_so_is_root, LIMIT_S)
{
	set_up();
	client(MALLORY, ask_as_nobody);
	client(0, ask_as_nobody);
}

static void ask_for_three(void)
{
	struct hcpolicy *second;
	struct vm *more[3];

	for (int i = 0; i < 3; i++)
		more[i] = vm_new_empty();
	vm = vm_new(1, false);
	CHECK(request_as("bitmap", vm->fd, "hcst-web1", 0, NULL));
	CHECK_REFUSED(request_as("bitmap", vm->fd, "hcst-web2", 0, NULL), EBUSY, "the VM has a policy already");
	CHECK_REFUSED(request_as("bitmap", more[0]->fd, "hcst-web1", 0, NULL), EEXIST, "the name is taken");
	second = request_as("bitmap", more[0]->fd, "hcst-web2", 0, NULL);
	CHECK(second);
	CHECK_REFUSED(request_as("bitmap", more[1]->fd, "hcst-web3", 0, NULL), EDQUOT,
		      "user 1000 has as many VMs with a policy as " CONF ":1 allows: 2");
	close(more[0]->fd);
	WAIT_UNTIL(!hcpolicy__attached(second));
	sleep(1);
	/* Its set still takes memory. */
	CHECK_REFUSED(request_as("bitmap", more[1]->fd, "hcst-web3", 0, NULL), EDQUOT, "allows: 2");
	hcpolicy__close(second);
	WAIT_UNTIL(request_as("bitmap", more[1]->fd, "hcst-web3", 0, NULL));
}

TEST_LONG(a_user_has_so_many_VMs_at_a_time_and_one_policy_a_VM_and_a_name, LIMIT_S)
{
	set_up();
	client(ALICE, ask_for_three);
}

static void start_again_and_again(void)
{
	struct hcpolicy *policy;
	struct vm *brief;

	for (int i = 0; i < 5; i++) {
		brief = vm_new_empty();
		policy = request_as("bitmap", brief->fd, "hcst-web1", 0, NULL);
		CHECK(policy);
		hcpolicy__close(policy);
		close(brief->fd);
	}
}

TEST_LONG(a_VM_that_is_started_again_at_once_gets_its_policy_where_one_is_allowed, LIMIT_S)
{
	int listener = set_up();

	kill_broker();
	write_rules("user:1000 bitmap 64G 1\n");
	start_broker(listener);
	client(ALICE, start_again_and_again);
}

static void keep_the_rings(void)
{
	int fds[2][HCP_BROKER_FDS];
	struct vm *brief;

	vm = vm_new_empty();
	for (int n = 0; n < 2; n++) {
		brief = vm_new_empty();
		take("notify", brief->fd, fds[n]);
		for (int i = 0; i < HCP_BROKER_EVENTS; i++)
			close(fds[n][i]);
		close(brief->fd);
	}
	sleep(1);
	CHECK_REFUSED(request("notify", vm->fd), EDQUOT, "allows: 2");
	for (int i = HCP_BROKER_EVENTS; i < HCP_BROKER_FDS; i++)
		close(fds[0][i]);
	WAIT_UNTIL(request("notify", vm->fd));
}

TEST_LONG(a_VM_that_has_ended_counts_while_its_user_keeps_any_memory_of_its_policy, LIMIT_S)
{
	set_up();
	client(ALICE, keep_the_rings);
}

static void ask_twice(void)
{
	vm = vm_new(1, false);
	CHECK(request_as("bitmap", vm->fd, "hcst-web2", 0, NULL));
	CHECK_REFUSED(request_as("bitmap", vm->fd, "hcst-web3", 0, NULL), EBUSY, "the VM has a policy already");
	CHECK(!strstr(said, "hcst-"));
}

TEST_LONG(a_refusal_tells_nothing_of_the_VMs_of_others, LIMIT_S)
{
	pid_t pid;

	set_up();
	pid = start(BOB, GROUP, attached_until_told);
	wait_for_client();
	client(ALICE, ask_twice);
	let_go(pid);
}

static void ask_for_one_more(void)
{
	vm = vm_new(1, false);
	CHECK(request_as("bitmap", vm->fd, "hcst-web2", 0, NULL));
	CHECK_REFUSED(request_as("bitmap", vm_new_empty()->fd, "hcst-web3", 0, NULL), EDQUOT, "allows: 2");
}

TEST_LONG(a_broker_that_was_killed_leaves_policies_attached_and_the_next_counts_them, LIMIT_S)
{
	int listener = set_up();
	pid_t pid;

	pid = start_waiting(attached_until_told);
	kill_broker();
	start_broker(listener);
	client(ALICE, ask_for_one_more);
	CHECK(says("list", "complete"));
	let_go(pid);
	WAIT_UNTIL(!exists("hcst-web1"));
}

/* All that a client can write of what a later broker reads. */
static void lie_until_told(void)
{
	struct hcpolicy *policy;
	struct hcp_info *info;
	char c;

	vm = vm_new(1, false);
	policy = request_as("bitmap", vm->fd, "hcst-web1", 0, NULL);
	CHECK(policy);
	info = (struct hcp_info *)hcpolicy__info(policy);
	info->pid = 1;
	strcpy(info->name, "hcst-other");
	tell_test();
	CHECK_EQ(read(to_client[0], &c, 1), 1);
}

TEST_LONG(whatever_a_client_writes_into_its_maps_the_next_broker_counts_it_and_removes_its_name, LIMIT_S)
{
	int listener = set_up();
	pid_t pid;

	pid = start_waiting(lie_until_told);
	kill_broker();
	start_broker(listener);
	client(ALICE, ask_for_one_more);
	let_go(pid);
	WAIT_UNTIL(!exists("hcst-web1"));
}

static void one_more_request(void)
{
	vm = vm_new(1, false);
	CHECK(request("bitmap", vm->fd));
}

static void ask_by_wrong_rules(void)
{
	vm = vm_new(1, false);
	CHECK_REFUSED(request("bitmap", vm->fd), EACCES, "the broker's rules are wrong");
}

TEST_LONG(a_broker_whose_rules_are_wrong_refuses_everybody_and_clears_up_until_they_are_mended, LIMIT_S)
{
	int listener = set_up();
	pid_t pid;

	pid = start_waiting(attached_until_told);
	kill_broker();
	write_rules("user:1000 bitmap 64G 2\nuser:1000 bitmap\n");
	start_broker(listener);
	client(ALICE, ask_by_wrong_rules);
	client(0, ask_by_wrong_rules);
	CHECK(exists("hcst-web1"));
	/* It reads them once a second at most. */
	write_rules("user:1000 bitmap 64G 2\n");
	sleep(2);
	client(ALICE, one_more_request);
	let_go(pid);
	WAIT_UNTIL(!exists("hcst-web1"));
}

/* Whatever the others do, this one is served. */
static void check_served(void)
{
	end(start(BOB, GROUP, one_more_request));
}

/* The broker's only child; 0: it has none. */
static pid_t child_of_broker(void)
{
	char path[64];
	int pid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", broker, broker);
	file = fopen(path, "re");
	CHECK(file);
	if (fscanf(file, "%d", &pid) != 1)
		pid = 0;
	fclose(file);
	return pid;
}

static void ask_nothing(void)
{
	char byte;

	CHECK_EQ(recv(connect_to_broker(), &byte, 1, 0), 0);
}

/* As the kernel does if the broker's control group has no memory left. */
TEST_LONG(a_request_that_is_killed_is_told_of, LIMIT_S)
{
	pid_t pid, child;
	char text[4096] = "";
	int says[2];

	CHECK_EQ(pipe2(says, O_CLOEXEC | O_NONBLOCK), 0);
	broker_stderr = says[1];
	set_up();
	/* What other tests have left is removed first. */
	client(MALLORY, ask_as_nobody);
	WAIT_UNTIL(!child_of_broker());
	pid = start(ALICE, GROUP, ask_nothing);
	WAIT_UNTIL((child = child_of_broker()));
	CHECK_EQ(kill(child, SIGKILL), 0);
	end(pid);
	check_served();
	CHECK_CMP(read(says[0], text, sizeof(text) - 1), >, 0);
	tap_note("%s", text);
	CHECK(strstr(text, "a request of user 1000 was ended by signal 9"));
}

static void send_halves(void)
{
	struct hcp_broker_request r[2];
	int fd, fds[64];

	vm = vm_new(1, false);
	r[0] = r[1] = good(vm->fd);
	for (int i = 0; i < 64; i++)
		fds[i] = vm->fd;
	fd = connect_to_broker();
	send_raw(fd, r, 1, fds, 1);
	check_answer(fd, EPROTO, "the request has 1 bytes");
	fd = connect_to_broker();
	send_raw(fd, r, sizeof(*r) - 1, fds, 1);
	check_answer(fd, EPROTO, "the request has");
	fd = connect_to_broker();
	send_raw(fd, r, sizeof(*r) + 1, fds, 1);
	check_answer(fd, EPROTO, "the request has more than");
	fd = connect_to_broker();
	send_raw(fd, r, sizeof(*r), fds, 0);
	check_answer(fd, EPROTO, "no descriptor came along");
	for (int n = 2; n <= 64; n *= 2) {
		fd = connect_to_broker();
		send_raw(fd, r, sizeof(*r), fds, n);
		check_answer(fd, EPROTO, "more than one descriptor");
	}
	fd = connect_to_broker();
	r->version = 9;
	send_raw(fd, r, sizeof(*r), fds, 1);
	check_answer(fd, EPROTO, "version 9");
	close(connect_to_broker());
	CHECK_EQ(vcpu_call(&vm->vcpus[0], GPA, 1, SHARE), -KVM_ENOSYS);
}

TEST_LONG(a_message_that_is_no_request_is_refused_in_words, LIMIT_S)
{
	set_up();
	client(ALICE, send_halves);
	check_served();
}

/* Four connections that never say a word, and one more. */
static void say_nothing(void)
{
	struct hcp_broker_request r;
	int fds[5];

	vm = vm_new(1, false);
	r = good(vm->fd);
	for (int i = 0; i < 5; i++)
		fds[i] = connect_to_broker();
	send_raw(fds[4], &r, sizeof(r), &vm->fd, 1);
	check_answer(fds[4], EAGAIN, "at work on other requests of this user");
	tell_test();
	/* The library asks again. */
	CHECK(request("bitmap", vm->fd));
	for (int i = 0; i < 4; i++)
		check_answer(fds[i], ETIMEDOUT, "no request came within 5 s");
}

TEST_LONG(a_slow_client_holds_up_itself_alone_and_not_for_ever, LIMIT_S)
{
	pid_t pid;

	set_up();
	pid = start(ALICE, ALICE, say_nothing);
	wait_for_client();
	check_served();
	end(pid);
}

static void tell_and_ask(void)
{
	tell_test();
	one_more_request();
}

TEST_LONG(more_requests_of_one_user_than_the_broker_takes_at_a_time_are_all_served, LIMIT_S)
{
	pid_t pids[8];

	set_up();
	CHECK_EQ(kill(broker, SIGSTOP), 0);
	for (int i = 0; i < 8; i++)
		pids[i] = start(BOB, GROUP, tell_and_ask);
	for (int i = 0; i < 8; i++)
		wait_for_client();
	/* Now all connections are in the queue. */
	sleep(1);
	CHECK_EQ(kill(broker, SIGCONT), 0);
	for (int i = 0; i < 8; i++)
		end(pids[i]);
}

/* Its last close waits a minute for a peer that reads nothing: the message keeps it. */
static int lingering_socket(void)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 60 };
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static char bytes[1 << 20];
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK_EQ(bind(listener, (struct sockaddr *)&addr, len), 0);
	CHECK_EQ(listen(listener, 1), 0);
	CHECK_EQ(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	CHECK_EQ(connect(fd, (struct sockaddr *)&addr, len), 0);
	CHECK_CMP(accept(listener, NULL, NULL), >=, 0);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return fd;
}

static void leave_lingering_sockets(void)
{
	struct hcp_broker_request r = good(3);

	for (int i = 0; i < 8; i++) {
		int fd = connect_to_broker(), lingering = lingering_socket();

		/* Now the message alone has it. */
		CHECK(send_raw(fd, &r, sizeof(r), &lingering, 1));
		close(lingering);
		close(fd);
	}
	tell_test();
	pause();
}

static void check_lingering(uid_t uid)
{
	time_t begin;
	pid_t pid;

	if (system("ip link set lo up"))
		tap_skip("no loopback");
	set_up();
	/* Else its close could come before the client's own, which would linger then. */
	CHECK_EQ(kill(broker, SIGSTOP), 0);
	pid = start(uid, uid, leave_lingering_sockets);
	wait_for_client();
	CHECK_EQ(kill(broker, SIGCONT), 0);
	begin = tap_seconds();
	check_served();
	CHECK_CMP(tap_seconds() - begin, <, 30 * tap_patience());
	kill(pid, SIGKILL);
}

TEST_LONG(a_socket_that_lingers_when_it_is_closed_holds_up_nobody, LIMIT_S)
{
	check_lingering(ALICE);
}

TEST_LONG(nor_does_one_of_a_user_who_is_refused, LIMIT_S)
{
	check_lingering(MALLORY);
}

static void flood(void)
{
	struct hcp_broker_request r = good(0);

	tell_test();
	for (;;) {
		int fd = connect_to_broker();

		send(fd, &r, sizeof(r), MSG_NOSIGNAL | MSG_DONTWAIT);
		close(fd);
	}
}

TEST_LONG(a_flood_of_connections_holds_up_nobody_for_long, LIMIT_S)
{
	pid_t pids[2];

	set_up();
	pids[0] = start(ALICE, ALICE, flood);
	pids[1] = start(MALLORY, MALLORY, flood);
	wait_for_client();
	check_served();
	for (int i = 0; i < 2; i++)
		kill(pids[i], SIGKILL);
	check_served();
}

static void ask_for_too_much_memory(void)
{
	vm = vm_new(1, false);
	CHECK_REFUSED(request_as("bitmap", vm->fd, NULL, 4096ULL << 40, NULL), ENOMEM,
		      "a set that covers 4 PiB takes 128 GiB of kernel memory, which is not available");
	CHECK(request("bitmap", vm->fd));
}

TEST_LONG(a_set_for_which_there_is_no_memory_is_ENOMEM_and_the_broker_goes_on, LIMIT_S)
{
	set_up();
	end(start(BOB, GROUP, ask_for_too_much_memory));
	check_served();
}

/* The request is there, and nobody waits for its answer. */
static void leave_before_the_answer(void)
{
	struct hcp_broker_request r;
	int fd;

	vm = vm_new(1, false);
	r = good(vm->fd);
	strcpy(r.name, "hcst-web1");
	fd = connect_to_broker();
	send_raw(fd, &r, sizeof(r), &vm->fd, 1);
	close(fd);
	/* Nothing stays attached, so the VM can have a policy. */
	WAIT_UNTIL(request_as("bitmap", vm->fd, "hcst-web2", 0, NULL));
	tell_test();
	CHECK_EQ(read(to_client[0], &r, 1), 1);
}

TEST_LONG(a_client_that_leaves_before_the_answer_leaves_nothing_attached, LIMIT_S)
{
	pid_t pid;

	set_up();
	pid = start_waiting(leave_before_the_answer);
	CHECK(exists("hcst-web2") && !exists("hcst-web1"));
	let_go(pid);
}

static void end_with_the_vm(void)
{
	struct hcpolicy *policy;
	int fd;

	vm = vm_new(1, false);
	fd = vm->fd;
	policy = request("bitmap", fd);
	CHECK(policy);
	vm_free(vm);
	/* It ends: nobody else holds it. */
	WAIT_UNTIL(!hcpolicy__attached(policy));
}

TEST_LONG(the_broker_does_not_keep_the_VM, LIMIT_S)
{
	set_up();
	client(ALICE, end_with_the_vm);
}

/* Nothing is pinned until this is unlocked. */
static int lock_names(void)
{
	int folder;

	mkdir(PINS, 0700);
	folder = open(PINS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_EQ(flock(folder, LOCK_EX), 0);
	return folder;
}

/* Is it where it pins? */
static bool waits_for_lock(pid_t pid)
{
	char path[64], link[64] = "";

	for (int fd = 0; pid && fd < 64; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		memset(link, 0, sizeof(link));
		if (readlink(path, link, sizeof(link) - 1) > 0 && !strcmp(link, "/sys/fs/bpf/hcpolicy"))
			return true;
	}
	return false;
}

/* Unlock, and stop the child as soon as it has pinned that name: nobody has the policy yet. */
static void stop_after_pin(pid_t child, int folder, const char *name)
{
	int status;

	CHECK_EQ(ptrace(PTRACE_SEIZE, child, 0, 0), 0);
	CHECK_EQ(ptrace(PTRACE_INTERRUPT, child, 0, 0), 0);
	CHECK_EQ(waitpid(child, &status, __WALL), child);
	CHECK_EQ(flock(folder, LOCK_UN), 0);
	while (!exists(name)) {
		CHECK_EQ(ptrace(PTRACE_SYSCALL, child, 0, 0), 0);
		CHECK_EQ(waitpid(child, &status, __WALL), child);
		CHECK(WIFSTOPPED(status));
	}
}

static void ask_until_served(void)
{
	vm = vm_new(1, false);
	CHECK_REFUSED(request("bitmap", vm->fd), ECONNRESET, "the broker gives no answer");
	WAIT_UNTIL(request("bitmap", vm->fd));
}

TEST_LONG(a_request_that_takes_a_minute_is_ended_and_leaves_nothing_attached, LIMIT_S)
{
	pid_t pid, child;
	char name[16];
	int folder, status;

	set_up();
	/* Then it has looked what is attached. */
	client(MALLORY, ask_as_nobody);
	WAIT_UNTIL(!child_of_broker());
	folder = lock_names();
	pid = start(ALICE, ALICE, ask_until_served);
	WAIT_UNTIL(waits_for_lock(child = child_of_broker()));
	snprintf(name, sizeof(name), "%d", pid);
	stop_after_pin(child, folder, name);
	/* It stays so until the broker kills it. */
	CHECK_EQ(waitpid(child, &status, __WALL), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	end(pid);
}

TEST_LONG(a_broker_that_is_told_to_end_answers_the_requests_at_work_first, LIMIT_S)
{
	int folder, status;
	pid_t pid;

	set_up();
	client(MALLORY, ask_as_nobody);
	folder = lock_names();
	pid = start_waiting(tell_and_ask);
	sleep(2);
	CHECK_EQ(kill(broker, SIGTERM), 0);
	sleep(1);
	CHECK_EQ(waitpid(broker, NULL, WNOHANG), 0);
	CHECK_EQ(flock(folder, LOCK_UN), 0);
	end(pid);
	CHECK_EQ(waitpid(broker, &status, 0), broker);
	CHECK_EQ(status, 0);
}

/* So many more descriptors can the broker have. */
static void leave_descriptors(unsigned int n)
{
	struct rlimit limit = { .rlim_max = 1024 };
	char path[64];

	while (n) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%llu", broker, (unsigned long long)limit.rlim_cur++);
		n -= !!faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW);
	}
	CHECK_EQ(prlimit(broker, RLIMIT_NOFILE, &limit, NULL), 0);
}

TEST_LONG(a_broker_that_can_make_no_child_lets_the_connection_wait, LIMIT_S)
{
	pid_t pid;

	set_up();
	client(MALLORY, ask_as_nobody);
	sleep(1);
	/* For the connection, and for who is there: none for a child. */
	leave_descriptors(2);
	pid = start_waiting(tell_and_ask);
	sleep(2);
	leave_descriptors(100);
	end(pid);
}

TAP_MAIN
