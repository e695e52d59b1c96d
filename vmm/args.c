// SPDX-License-Identifier: GPL-2.0
/* The command line. */
#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <hcpolicy/version.h>

#include "args.h"

#define DEFAULT_MEM	(256 * MIB)
#define MIN_MEM		(4 * MIB)
#define MAX_MEM		(256 * GIB)

static const char usage[] =
"usage: hcvm --kernel BZIMAGE [--initrd FILE] [--append TEXT] [options]\n"
"       hcvm --guest ELF [--append TEXT] [options]\n"
"       hcvm migrate SOCKET ADDR [bandwidth=SIZE] [downtime=MS] [rounds=N]\n"
"                    [timeout=S] [ready=S] [limit=S] [tied]\n"
"       hcvm control SOCKET COMMAND...\n"
"Run a virtual machine.  Its console (COM1) is standard input and output; hcvm's own\n"
"messages go to standard error.\n"
"\n"
"  --version         print the version\n"
"  --kernel BZIMAGE  an x86-64 Linux kernel\n"
"  --initrd FILE     its initial RAM disk\n"
"  --guest ELF       a PVH guest.  If there is no file hcguest.elf here, that\n"
"                    name means the installed one\n"
"  --append TEXT     the guest's command line (default for Linux: console=ttyS0\n"
"                    panic=-1)\n"
"  --mem SIZE        memory, with K, M or G (default 256M; 4M to 256G)\n"
"  --smp N           vCPUs (default 1, at most 64)\n"
"  --sev-lookalike   a guest that believes it runs under SEV; nothing is\n"
"                    encrypted, and KVM needs no SEV\n"
"  --policy NAME     let this policy keep the shared-page set in the kernel; else,\n"
"                    if --guest or --sev-lookalike is given, hcvm keeps it by its\n"
"                    own exits\n"
"  --param KEY=VALUE set a parameter of the policy (may be repeated)\n"
"  --take-exits      also enable hcvm's exits: the policy answers the requests that\n"
"                    it handles, hcvm those that it passes on\n"
"  --name NAME       pin the policy under this name\n"
"  --broker SOCKET   get the policy from hcpolicyd, which listens there (usually\n"
"                    /run/hcpolicy/broker), and need no privileges\n"
"  --label TEXT      what to call the guest in a set that is saved\n"
"  --dump FILE       at the end write a core file with the set, for hcp-oracle\n"
"  --control SOCKET  take commands at this UNIX socket\n"
"  --incoming ADDR   wait at unix:PATH or tcp:HOST:PORT for a machine that migrates\n"
"                    to here, and run that.  Give the --kernel or --guest (the file is\n"
"                    not read), --mem, --smp, --sev-lookalike and --encrypt of the\n"
"                    source, and a --policy if the source keeps its set only by one:\n"
"                    a peer that differs, or is not hcvm, is refused\n"
"  --encrypt         give hcguest.elf a key, with which it encrypts its memory\n"
"                    if --append begins with 'encrypt;'\n"
"\n"
"migrate moves the machine behind SOCKET, while it runs, to an hcvm --incoming ADDR.\n"
"  bandwidth=SIZE    send at most so many bytes a second until the machine stops: 64K\n"
"                    or more, in steps of 4K (default: no limit)\n"
"  downtime=MS       stop the machine once the rest can be sent in so long\n"
"                    (default 300)\n"
"  rounds=N          ... or after so many whole rounds in which the guest was ready\n"
"                    (default 30), or once N + 1 times all memory was sent\n"
"  timeout=S         give up when the peer neither sends nor takes anything for so long\n"
"                    (default 10)\n"
"  ready=S           ... when the guest says for so long in all that it cannot be\n"
"                    migrated yet (MSR_KVM_MIGRATION_CONTROL; default 20)\n"
"  limit=S           ... when the whole takes longer (default: no limit.  None is\n"
"                    needed: rounds= and ready= make sure that every migration ends,\n"
"                    though a slow peer or a small bandwidth= makes it long)\n"
"  tied              cancel it when the client that asked for it ends\n"
"Once the target was told to run the machine, only timeout= still counts.\n"
"The exit status is 0 if the machine runs there.  Otherwise it still runs here, or\n"
"it is in doubt: the target was told to run it, and did not answer.  In that case\n"
"look there: if the machine runs there, say quit here; else end the hcvm there\n"
"first, and then say resume here.\n"
"Other commands of the control socket: status, cancel (the migration), quit, resume.\n"
"\n"
"hcvm ends with this status:\n"
"        N  what the guest wrote to port 0xf4\n"
"        0  power off, reset, quit, or migrated away\n"
"        1  hcvm could not start, go on, or write --dump; or it was ended while it\n"
"           waited for the machine of --incoming\n"
"        2  wrong usage\n"
"        3  triple fault: a crash, or a guest that resets by it\n"
"    128+N  ended by signal N\n";

static int bad_usage(const char *fmt, const char *what)
{
	fail(fmt, what);
	fprintf(stderr, "hcvm: see hcvm --help\n");
	return 2;
}

bool parse_size(const char *text, uint64_t min, uint64_t *bytes)
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
	return *bytes >= min && !(*bytes & 0xfff);
}

bool parse_number(const char *text, unsigned int max, unsigned int *n)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	*n = value;
	return end != text && !*end && value >= 1 && value <= max;
}

int parse_args(int argc, char **argv, struct vm_config *cfg)
{
	/* A value from TEXT on stands for a string of vm_config: TEXT + its offset. */
	enum { MEM = 256, SMP, SEV, ENCRYPT, PARAM, TAKE_EXITS, HELP, TEXT };
#define TEXT_OPTION(name, field) \
	{ name, required_argument, NULL, TEXT + offsetof(struct vm_config, field) }
	static const struct option options[] = {
		{ "version", no_argument, NULL, 'V' },
		TEXT_OPTION("kernel", kernel),
		TEXT_OPTION("initrd", initrd),
		TEXT_OPTION("append", append),
		TEXT_OPTION("guest", guest),
		TEXT_OPTION("policy", policy),
		TEXT_OPTION("name", name),
		TEXT_OPTION("broker", broker),
		TEXT_OPTION("label", label),
		TEXT_OPTION("dump", dump),
		TEXT_OPTION("control", control),
		TEXT_OPTION("incoming", incoming),
		{ "mem", required_argument, NULL, MEM },
		{ "smp", required_argument, NULL, SMP },
		{ "sev-lookalike", no_argument, NULL, SEV },
		{ "encrypt", no_argument, NULL, ENCRYPT },
		{ "param", required_argument, NULL, PARAM },
		{ "take-exits", no_argument, NULL, TAKE_EXITS },
		{ "help", no_argument, NULL, HELP },
		{ }
	};
	int opt;

	*cfg = (struct vm_config){ .mem = DEFAULT_MEM, .smp = 1 };
	cfg->params = calloc(argc, sizeof(*cfg->params));
	if (!cfg->params)
		return fail("out of memory"), 1;
	while ((opt = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		switch (opt) {
		case 'V':
			puts("hcvm " HCP_VERSION);
			return -1;
		case MEM:
			if (!parse_size(optarg, MIN_MEM, &cfg->mem))
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
		case ENCRYPT:
			cfg->encrypt = true;
			break;
		case PARAM:
			if (!strchr(optarg, '=') || *optarg == '=')
				return bad_usage("--param %s: wanted KEY=VALUE", optarg);
			cfg->params[cfg->nparams++] = optarg;
			break;
		case TAKE_EXITS:
			cfg->take_exits = true;
			break;
		case HELP:
		case 'h':
			fputs(usage, stdout);
			return -1;
		default:
			if (opt < TEXT)
				return 2;
			*(const char **)((char *)cfg + opt - TEXT) = optarg;
		}
	}
	if (optind < argc)
		return bad_usage("unknown word '%s'", argv[optind]);
	if (!cfg->kernel == !cfg->guest)
		return bad_usage("wanted %s", "one of --kernel and --guest");
	if (cfg->initrd && !cfg->kernel)
		return bad_usage("%s goes with --kernel only", "--initrd");
	if (cfg->encrypt && !cfg->guest)
		return bad_usage("%s goes with --guest only", "--encrypt");
	if ((cfg->name || cfg->nparams || cfg->take_exits || cfg->broker) && !cfg->policy)
		return bad_usage("%s goes with --policy only",
				 cfg->name ? "--name" : cfg->nparams ? "--param" :
				 cfg->broker ? "--broker" : "--take-exits");
	return 0;
}
