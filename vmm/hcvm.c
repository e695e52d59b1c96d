// SPDX-License-Identifier: GPL-2.0
/*
 * A VM from its beginning to its end.  In between, the main thread waits for signals, for input
 * to the console, and for the end of the VM.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "args.h"
#include "control.h"
#include "cpuid.h"
#include "exits.h"
#include "guest.h"
#include "hcvm.h"
#include "incoming.h"
#include "keeper.h"
#include "linux.h"
#include "migrate.h"
#include "ports.h"
#include "report.h"
#include "rounds.h"
#include "serial.h"
#include "sev.h"
#include "vcpu.h"

/* While the console's receiver is full or busy, try again after so many ms. */
#define INPUT_RETRY_MS	10

static struct termios saved_term;

/* Have the terminal pass each key on at once.  Ctrl-C still ends hcvm. */
static bool raw_terminal(void)
{
	struct termios t;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved_term))
		return false;
	t = saved_term;
	t.c_lflag &= ~(ICANON | ECHO);
	t.c_iflag &= ~ICRNL;
	return !tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

/* Typed bytes that the console's receiver has not taken yet. */
struct input {
	bool ended;
	unsigned int len;
	uint8_t buf[16];
};

static void read_input(struct input *in)
{
	ssize_t n = read(STDIN_FILENO, in->buf, sizeof(in->buf));

	if (n > 0)
		in->len = n;
	else if (!n || errno != EINTR)
		in->ended = true;
}

/*
 * Does not wait.  The receiver takes nothing while a migration has stopped the devices, and the
 * main loop must see signals even then.
 */
static void feed_console(struct vm *vm, struct input *in)
{
	unsigned int n = serial_receive(vm, in->buf, in->len);

	in->len -= n;
	memmove(in->buf, in->buf + n, in->len);
}

/* What the main thread does until the VM has ended.  Returns the last signal, or 0. */
static int main_loop(struct vm *vm, int signal_fd)
{
	enum { END, SIGNAL, INPUT, NR };
	struct pollfd fds[NR] = {
		[END] = { .fd = vm->end_fd, .events = POLLIN },
		[SIGNAL] = { .fd = signal_fd, .events = POLLIN },
		[INPUT] = { .events = POLLIN },
	};
	struct signalfd_siginfo info;
	struct input in = {};
	int sig = 0;

	for (;;) {
		if (in.len)
			feed_console(vm, &in);
		fds[INPUT].fd = in.ended || in.len ? -1 : STDIN_FILENO;
		fds[INPUT].revents = 0;
		if (poll(fds, NR, in.len ? INPUT_RETRY_MS : -1) < 0 && errno != EINTR)
			fail_errno("poll");
		if (fds[SIGNAL].revents && read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
			sig = info.ssi_signo;
			vm_end(vm, END_SIGNAL, 0);
		}
		if (fds[END].revents)
			return sig;
		if (fds[INPUT].revents)
			read_input(&in);
	}
}

static int exit_status(const struct vm *vm, int sig)
{
	switch (vm->end) {
	case END_EXIT:
		return vm->status;
	case END_POWEROFF:
	case END_RESET:
	case END_QUIT:
	case END_MIGRATED:
		return 0;
	case END_TRIPLE_FAULT:
		return 3;
	case END_SIGNAL:
		return 128 + sig;
	default:
		return 1;
	}
}

/* Nothing to load with --incoming: the source sends CPUID, memory and registers. */
static int load(struct vm *vm)
{
	if (vm->cfg->incoming)
		return 0;
	if (cpuid_setup(vm, vm->cbit ? sev_cpuid : NULL))
		return -1;
	return vm->cfg->kernel ? linux_load(vm) : guest_load(vm);
}

static int add_devs(struct vm *vm)
{
	return ports_init(vm) ?: serial_init(vm) ?:
	       (vm->ops->add_devs ? vm->ops->add_devs(vm) : 0);
}

static int create(struct vm *vm, const struct vm_config *cfg, const struct hcvm_ops *ops)
{
	if (vm_open(vm, cfg) || (cfg->sev && sev_setup(vm)) || vm_add_ram(vm))
		return -1;
	vm->ops = ops;
	return vcpus_create(vm);
}

/*
 * The process is about to end.  So only what would outlive it is cleaned up, after the threads
 * that use it have ended.
 */
static void destroy(struct vm *vm)
{
	control_stop(vm);
	vcpus_quit(vm);
	keeper_close(vm);
}

static int boot(struct vm *vm, int signal_fd)
{
	if (add_devs(vm) || load(vm) || guest_key(vm) ||
	    keeper_open(vm) || vcpus_start(vm) || control_start(vm))
		return -1;
	return vm->cfg->incoming ? incoming(vm, signal_fd) : 0;
}

static int too_few(const char *wanted)
{
	fail("wanted hcvm %s; see hcvm --help", wanted);
	return 2;
}

/* `hcvm migrate SOCKET ADDR...` sends the command `migrate ADDR...` to SOCKET. */
static int migrate_client(int argc, char **argv)
{
	const char *socket = argv[2];

	argv[2] = argv[1];
	return control_client(socket, argc - 2, argv + 2);
}

int hcvm(int argc, char **argv, const struct hcvm_ops *ops)
{
	int signal_fd, status, sig;
	struct vm_config cfg;
	static struct vm vm;
	sigset_t set;
	bool raw;

	if (argc > 1 && !strcmp(argv[1], "migrate"))
		return argc >= 4 ? migrate_client(argc, argv) : too_few("migrate SOCKET ADDR");
	if (argc > 1 && !strcmp(argv[1], "control"))
		return argc >= 4 ? control_client(argv[2], argc - 3, argv + 3) :
				   too_few("control SOCKET COMMAND");
	status = parse_args(argc, argv, &cfg);
	if (status)
		return status < 0 ? 0 : status;

	/* Before the first thread, as threads inherit the mask. */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0)
		return -fail_errno("signalfd");

	if (create(&vm, &cfg, ops) || boot(&vm, signal_fd)) {
		destroy(&vm);
		return 1;
	}
	raw = raw_terminal();
	vm_resume(&vm);
	sig = main_loop(&vm, signal_fd);
	control_stop(&vm);
	vm_pause(&vm);
	if (raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved_term);

	report(&vm);
	status = exit_status(&vm, sig);
	if (cfg.dump && dump(&vm, cfg.dump))
		status = 1;
	destroy(&vm);
	return status;
}

const struct hcvm_ops hcvm_ops = {
	.exit = handle_exit,
	.scan = round_scan,
	.round = hcp_tracker__round,
	.take = hcp_tracker__take,
	.pending = hcp_tracker__pending,
	.send = round_send,
	.stop = migrate_stop,
	.send_rest = migrate_send_rest,
};
