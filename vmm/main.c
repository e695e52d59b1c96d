// SPDX-License-Identifier: GPL-2.0
/*
 * hcvm: a small complete VMM, and how a VMM uses libhcpolicy.  Here: the command
 * line, and the main thread's loop over signals, the console's input and the
 * machine's end.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "vm.h"

#define DEFAULT_MEM	(256 * MIB)
#define MIN_MEM		(4 * MIB)
#define MAX_MEM		(256 * GIB)

/* While the console's receiver is full, look again after so many ms. */
#define INPUT_RETRY_MS	10

static const char usage[] =
"usage: hcvm --kernel BZIMAGE [--initrd FILE] [--append TEXT] [options]\n"
"       hcvm --guest ELF [--append TEXT] [options]\n"
"Run a virtual machine: its console (COM1) is standard input and output, what\n"
"hcvm says itself goes to standard error.\n"
"\n"
"  --kernel BZIMAGE  an x86-64 Linux kernel\n"
"  --initrd FILE     its initial RAM disk\n"
"  --guest ELF       a PVH guest, such as hcguest.elf\n"
"  --append TEXT     the guest's command line (Linux: console=ttyS0 panic=-1)\n"
"  --mem SIZE        memory, with K, M or G (default 256M)\n"
"  --smp N           vCPUs (default 1)\n"
"  --sev-lookalike   a guest that believes it runs under SEV; nothing is\n"
"                    encrypted, and KVM needs no SEV\n"
"  --policy NAME     let this policy keep the shared-page set in the kernel;\n"
"                    without it hcvm keeps it from its own exits\n"
"  --name NAME       pin the policy under this name\n"
"  --dump FILE       at the end write a core file with the set, for hcp-oracle\n"
"\n"
"status  N  what the guest wrote to port 0xf4\n"
"        0  power off or reset\n"
"        1  hcvm could not start, or go on\n"
"        2  wrong usage\n"
"        3  triple fault: a crash, or a guest that resets by it\n"
"    128+N  ended by signal N\n";

static int bad_usage(const char *fmt, const char *what)
{
	fail(fmt, what);
	fprintf(stderr, "hcvm: see hcvm --help\n");
	return 2;
}

static bool parse_size(const char *text, uint64_t *bytes)
{
	unsigned int shift = 0;
	char *end;

	errno = 0;
	*bytes = strtoull(text, &end, 10);
	switch (*end) {
	case 'G': case 'g':
		shift += 10;
		/* fall through */
	case 'M': case 'm':
		shift += 10;
		/* fall through */
	case 'K': case 'k':
		shift += 10;
		end++;
	}
	if (errno || end == text || *end || *bytes > MAX_MEM >> shift)
		return false;
	*bytes <<= shift;
	return *bytes >= MIN_MEM && !(*bytes & 0xfff);
}

static bool parse_number(const char *text, unsigned int max, unsigned int *n)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	*n = value;
	return end != text && !*end && value >= 1 && value <= max;
}

/* 0, or the status to end with; -1: help was asked for. */
static int parse_args(int argc, char **argv, struct vm_config *cfg)
{
	enum { KERNEL = 256, INITRD, APPEND, GUEST, MEM, SMP, SEV, POLICY, NAME, DUMP, HELP };
	static const struct option options[] = {
		{ "kernel", required_argument, NULL, KERNEL },
		{ "initrd", required_argument, NULL, INITRD },
		{ "append", required_argument, NULL, APPEND },
		{ "guest", required_argument, NULL, GUEST },
		{ "mem", required_argument, NULL, MEM },
		{ "smp", required_argument, NULL, SMP },
		{ "sev-lookalike", no_argument, NULL, SEV },
		{ "policy", required_argument, NULL, POLICY },
		{ "name", required_argument, NULL, NAME },
		{ "dump", required_argument, NULL, DUMP },
		{ "help", no_argument, NULL, HELP },
		{ }
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (opt) {
		case KERNEL:
			cfg->kernel = optarg;
			break;
		case INITRD:
			cfg->initrd = optarg;
			break;
		case APPEND:
			cfg->append = optarg;
			break;
		case GUEST:
			cfg->guest = optarg;
			break;
		case MEM:
			if (!parse_size(optarg, &cfg->mem))
				return bad_usage("--mem %s: wanted 4M to 256G, in whole pages",
						 optarg);
			break;
		case SMP:
			if (!parse_number(optarg, MAX_VCPUS, &cfg->smp))
				return bad_usage("--smp %s: wanted 1 to 64", optarg);
			break;
		case SEV:
			cfg->sev = true;
			break;
		case POLICY:
			cfg->policy = optarg;
			break;
		case NAME:
			cfg->name = optarg;
			break;
		case DUMP:
			cfg->dump = optarg;
			break;
		case HELP:
		case 'h':
			fputs(usage, stdout);
			return -1;
		default:
			return 2;
		}
	}
	if (optind < argc)
		return bad_usage("unknown word '%s'", argv[optind]);
	if (!cfg->kernel == !cfg->guest)
		return bad_usage("wanted %s", "one of --kernel and --guest");
	if (cfg->initrd && !cfg->kernel)
		return bad_usage("%s goes with --kernel only", "--initrd");
	if (cfg->name && !cfg->policy)
		return bad_usage("%s goes with --policy only", "--name");
	return 0;
}

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

/* False: the input has ended. */
static bool feed_console(struct vm *vm, unsigned int room)
{
	uint8_t buf[16];
	ssize_t n;

	n = read(STDIN_FILENO, buf, room < sizeof(buf) ? room : sizeof(buf));
	if (n <= 0)
		return n < 0 && errno == EINTR;
	serial_receive(vm, buf, n);
	return true;
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
	bool input = true;
	unsigned int room;
	int sig = 0;

	for (;;) {
		room = input ? serial_room(vm) : 0;
		fds[INPUT].fd = room ? STDIN_FILENO : -1;
		fds[INPUT].revents = 0;
		if (poll(fds, NR, input && !room ? INPUT_RETRY_MS : -1) < 0 && errno != EINTR)
			fail_errno("poll");
		if (fds[SIGNAL].revents && read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
			sig = info.ssi_signo;
			vm_stop(vm, END_SIGNAL, 0);
		}
		if (fds[END].revents)
			return sig;
		if (fds[INPUT].revents)
			input = feed_console(vm, room);
	}
}

static int exit_status(const struct vm *vm, int sig)
{
	switch (vm->end) {
	case END_EXIT:
		return vm->status;
	case END_POWEROFF:
	case END_RESET:
		return 0;
	case END_TRIPLE_FAULT:
		return 3;
	case END_SIGNAL:
		return 128 + sig;
	default:
		return 1;
	}
}

static int boot(struct vm *vm)
{
	if (ports_init(vm) || serial_init(vm) || cpuid_setup(vm))
		return -1;
	if (vm->cfg->kernel ? linux_load(vm) : guest_load(vm))
		return -1;
	return book_open(vm) ?: vcpus_start(vm);
}

int main(int argc, char **argv)
{
	struct vm_config cfg = { .mem = DEFAULT_MEM, .smp = 1 };
	int signal_fd, status, sig;
	static struct vm vm;
	sigset_t set;
	bool raw;

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

	if (vm_create(&vm, &cfg) || boot(&vm)) {
		vm_destroy(&vm);
		return 1;
	}
	raw = raw_terminal();
	vm_resume(&vm);
	sig = main_loop(&vm, signal_fd);
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
