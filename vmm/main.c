// SPDX-License-Identifier: GPL-2.0
/*
 * hcvm: a small complete VMM, and how a VMM uses libhcpolicy.  Here: the main
 * thread's loop over signals, the console's input and the machine's end.
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

#include "vm.h"

/* While the console's receiver is full or busy, look again after so many ms. */
#define INPUT_RETRY_MS	10

/* A terminal gives each key at once; Ctrl-C still ends hcvm. */
static struct termios saved_term;

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

/* What was typed and is not in the console's receiver yet. */
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

/* Never waits: a migration may have stopped the devices, and a signal has to be seen. */
static void feed_console(struct vm *vm, struct input *in)
{
	unsigned int n = serial_receive(vm, in->buf, in->len);

	in->len -= n;
	memmove(in->buf, in->buf + n, in->len);
}

/* Until the machine has ended, the main thread does this. */
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
			vm_stop(vm, END_SIGNAL, 0);
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

/* What a machine starts from, unless it comes from somewhere else. */
static int load(struct vm *vm)
{
	if (vm->cfg->incoming)
		return 0;
	if (cpuid_setup(vm))
		return -1;
	return vm->cfg->kernel ? linux_load(vm) : guest_load(vm);
}

static int boot(struct vm *vm, int signal_fd)
{
	if (ports_init(vm) || serial_init(vm) || driver_init(vm) || load(vm) || guest_key(vm) ||
	    book_open(vm) || vcpus_start(vm) || control_start(vm))
		return -1;
	return vm->cfg->incoming ? incoming(vm, signal_fd) : 0;
}

/* `hcvm migrate SOCKET ADDR...` is the command `migrate ADDR...` at SOCKET. */
static int too_few(const char *wanted)
{
	fail("wanted hcvm %s; see hcvm --help", wanted);
	return 2;
}

static int migrate_client(int argc, char **argv)
{
	const char *socket = argv[2];

	argv[2] = argv[1];
	return control_client(socket, argc - 2, argv + 2);
}

int main(int argc, char **argv)
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

	/* Before the first thread: they inherit the mask. */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0)
		return -fail_errno("signalfd");

	if (vm_create(&vm, &cfg) || boot(&vm, signal_fd)) {
		control_stop(&vm);
		vm_destroy(&vm);
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
	vm_destroy(&vm);
	return status;
}
