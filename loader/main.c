// SPDX-License-Identifier: GPL-2.0
/*
 * hcpolicy attaches policies to VMs and shows their sets.  This file is the command line: a
 * table of commands, a table of options, and which command takes which.  Options may stand
 * anywhere on the line.
 */
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <hcpolicy/version.h>
#include "loader.h"
#include "out.h"

enum {
	OPT_PID		= 1 << 0,
	OPT_VM_FD	= 1 << 1,
	OPT_NAME	= 1 << 2,
	OPT_MAX_GPA	= 1 << 3,
	OPT_TAKE_EXITS	= 1 << 4,
	OPT_PARAM	= 1 << 5,
	OPT_FORCE	= 1 << 6,
	OPT_FOLLOW	= 1 << 7,
	OPT_SVG		= 1 << 8,
	OPT_WITH_ITS_GUEST = 1 << 9,
	OPT_INCOMING	= 1 << 10,
	OPT_LABEL	= 1 << 11,
	OPT_ARRIVED	= 1 << 12,
	OPT_RUNNING	= 1 << 13,
	OPT_ANY_LABEL	= 1 << 14,
	OPT_BPFFS	= 1 << 15,
	OPT_ALL		= 1 << 16,
	OPT_ID		= 1 << 17,
	OPT_EXITS	= 1 << 18,
	OPT_QUIET	= 1 << 19,
	OPT_FROM	= 1 << 20,
	OPT_COST	= 1 << 21,
	OPT_WAIT	= 1 << 22,
	OPT_CONF	= 1 << 23,
	OPT_CHECK	= 1 << 24,
	NO_JSON		= 1 << 25,	/* no option: the command has another format */
};

/* getopt's values for long options start here, above every character. */
#define OPT_BASE 1000

/* arg NULL: the option takes none; "[=...]": it may have one. */
struct option_def {
	unsigned int bit;
	const char *name, *arg, *help;
};

static const struct option_def option_defs[] = {
	{ OPT_PID,	  "pid",	"PID",	"the process whose VM it is" },
	{ OPT_VM_FD,	  "vm-fd",	"N",	"the VM's descriptor inside PID, if it has several VMs" },
	{ OPT_WAIT,	  "wait",	"[=SECONDS]", "if PID has no VM yet, wait until it has one\n"
						"(default: without end)" },
	{ OPT_NAME,	  "name",	"NAME",	"what to call the attachment (default: PID)" },
	{ OPT_MAX_GPA,	  "max-gpa",	"SIZE",	"the highest guest address, including holes and hotplug\n"
						"(default 64G; K, M, G, T; 32 KiB of memory per GiB)" },
	{ OPT_LABEL,	  "label",	"TEXT",	"your name for the guest: a saved set carries it, and is\n"
						"restored only to a set with the same label" },
	{ OPT_INCOMING,	  "incoming",	NULL,	"a guest that ran elsewhere will arrive (migration, snapshot):\n"
						"the set is not complete until it is restored" },
	{ OPT_TAKE_EXITS, "take-exits",	NULL,	"handle requests even if the VMM has enabled the exit" },
	{ OPT_EXITS,	  "exits",	NULL,	"the VMM has enabled the exit, and answers 0" },
	{ OPT_PARAM,	  "param",	"KEY=VALUE", "set a parameter of the policy (may be repeated)" },
	{ OPT_FOLLOW,	  "follow",	NULL,	"draw again each second, with conversion rates, until the VM ends" },
	{ OPT_SVG,	  "svg",	"FILE",	"write the picture to FILE, as SVG" },
	{ OPT_WITH_ITS_GUEST, "with-its-guest", NULL, "the guest has not run since the save: it was stopped,\n"
						"or a snapshot of that moment was loaded" },
	{ OPT_ARRIVED,	  "arrived",	NULL,	"the awaited guest has arrived, and that guest was reset" },
	{ OPT_FORCE,	  "force",	NULL,	"accept a set that is not complete: the guest may break" },
	{ OPT_RUNNING,	  "running",	NULL,	"accept a VM that may be running: the set is then not complete" },
	{ OPT_ANY_LABEL,  "any-label",	NULL,	"accept a set with the label of another guest" },
	{ OPT_ALL,	  "all",	NULL,	"every policy, also those without a name, by link id" },
	{ OPT_ID,	  "id",		"N",	"a BPF link id, instead of NAME (see list --all)" },
	{ OPT_FROM,	  "from",	"POLICY", "begin with the source of that policy" },
	{ OPT_COST,	  "cost",	NULL,	"measure what requests cost, beside bitmap, in throw-away VMs" },
	{ OPT_CONF,	  "conf",	"FILE",	"the rules (default: /etc/hcpolicy/auto.conf)" },
	{ OPT_CHECK,	  "check",	NULL,	"say what is wrong in the rules, and do nothing else" },
	{ OPT_QUIET,	  "quiet",	NULL,	"print no line for each request and each expect\n"
						"that holds (also -q)" },
	{ OPT_BPFFS,	  "bpffs",	"DIR",	"the BPF file system that has the names (default:\n"
						"$HCPOLICY_BPFFS, or " HCPOLICY_DEFAULT_BPFFS ")" },
};
#define NOPTIONS (sizeof(option_defs) / sizeof(option_defs[0]))
#define NGENERAL 4	/* options of every command */

struct command {
	const char *name;
	int (*run)(const struct args *args);
	int nwords;
	unsigned int options;
	const char *usage, *help;
};

static int cmd_help(const struct args *args);

static const struct command commands[] = {
	{ "attach", cmd_attach, 1, OPT_PID | OPT_VM_FD | OPT_WAIT | OPT_NAME | OPT_MAX_GPA | OPT_LABEL |
				   OPT_INCOMING | OPT_TAKE_EXITS | OPT_PARAM | OPT_BPFFS,
	  "POLICY --pid PID", "attach a policy to the VM of a process" },
	{ "auto", cmd_auto, 0, OPT_PID | OPT_NAME | OPT_CONF | OPT_CHECK | OPT_BPFFS | NO_JSON,
	  "--pid PID | --check", "attach to a new VM what the rules of this machine say" },
	{ "replace", cmd_replace, 2, OPT_TAKE_EXITS | OPT_PARAM | OPT_BPFFS,
	  "NAME POLICY", "replace a policy; the set stays, and no request is missed" },
	{ "detach", cmd_detach, 1, OPT_ID | OPT_BPFFS, "NAME", "detach a policy" },
	{ "list", cmd_list, 0, OPT_ALL | OPT_BPFFS, "", "list the attached policies" },
	{ "metrics", cmd_metrics, 1, OPT_CONF | OPT_BPFFS | NO_JSON, "[FILE]",
	  "print numbers about all attached policies, for Prometheus" },
	{ "show", cmd_show, 1, OPT_BPFFS, "NAME", "show everything about one policy" },
	{ "ranges", cmd_ranges, 1, OPT_BPFFS, "NAME",
	  "list the memory that the guest shares, as ranges" },
	{ "draw", cmd_draw, 1, OPT_FOLLOW | OPT_SVG | OPT_BPFFS, "NAME",
	  "draw the memory that the guest shares" },
	{ "save", cmd_save, 2, OPT_FORCE | OPT_RUNNING | OPT_BPFFS, "NAME FILE",
	  "save the set of a stopped VM to a file" },
	{ "restore", cmd_restore, 2, OPT_WITH_ITS_GUEST | OPT_FORCE | OPT_RUNNING | OPT_ANY_LABEL |
				     OPT_BPFFS,
	  "NAME FILE", "restore a saved set; it is complete only --with-its-guest" },
	{ "reset", cmd_reset, 1, OPT_ARRIVED | OPT_BPFFS, "NAME",
	  "report that the VM was reset and has not run since" },
	{ "tune", cmd_tune, 2, OPT_BPFFS, "NAME KEY=VALUE",
	  "change a setting of an attached policy" },
	{ "policies", cmd_policies, 1, 0, "[POLICY]",
	  "the policies there are, or all about one and its parameters" },
	{ "new", cmd_new, 1, OPT_FROM, "POLICY", "make a folder in which to write a policy of that name" },
	{ "verify", cmd_verify, 1, OPT_PARAM | OPT_COST, "POLICY",
	  "check whether this kernel takes a policy, and show what it has" },
	{ "try", cmd_try, 2, OPT_PARAM | OPT_MAX_GPA | OPT_EXITS | OPT_TAKE_EXITS | OPT_QUIET,
	  "POLICY [SCRIPT]", "try a policy in a throw-away VM, by a script or a recorded trace" },
	{ "watch", cmd_watch, 1, OPT_ALL | OPT_BPFFS, "NAME",
	  "print each change of the set, if the policy sends events (notify)" },
	{ "record", cmd_record, 2, OPT_BPFFS, "NAME FILE",
	  "write each request to a file (-: standard output), as a trace" },
	{ "probe", cmd_probe, 0, 0, "", "check what this kernel can do, and how to fix the rest" },
	{ "help", cmd_help, 1, 0, "[COMMAND]", "show the manual page of a command" },
};
#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_option(const char *left, const char *help)
{
	const char *line_end = strchr(help, '\n');

	if (!line_end) {
		printf("  %-20s %s\n", left, help);
		return;
	}
	printf("  %-20s %.*s\n", left, (int)(line_end - help), help);
	printf("  %-20s %s\n", "", line_end + 1);
}

/* cmd NULL: the options of every command */
static void print_options(const struct command *cmd)
{
	char left[64];

	for (size_t i = 0; i < NOPTIONS; i++) {
		const struct option_def *o = &option_defs[i];

		if (!cmd || !(o->bit & cmd->options))
			continue;
		snprintf(left, sizeof(left), "--%s%s%s", o->name, o->arg && *o->arg != '[' ? " " : "",
			 o->arg ? o->arg : "");
		print_option(left, o->help);
	}
	if (!cmd || !(cmd->options & NO_JSON)) {
		print_option("-j, --json", "print JSON");
		print_option("-p, --pretty", "print JSON for people");
	}
	print_option("-h, --help", cmd ? "show this text" :
				   "show this text, or after a command the help of that command");
	print_option("-V, --version", "the version");
}

static void print_help(const struct command *cmd)
{
	char left[64];

	if (cmd) {
		printf("Usage: hcpolicy %s %s%s[OPTION]...\n%s\n\n", cmd->name, cmd->usage,
		       *cmd->usage ? " " : "", cmd->help);
		print_options(cmd);
		if (cmd->run == cmd_attach || cmd->run == cmd_replace || cmd->run == cmd_verify ||
		    cmd->run == cmd_try)
			printf("\nPOLICY is a name, found as NAME.bpf.o in $HCPOLICY_PATH and then in\n"
			       "%s, or a path with a slash.\n", HCP_POLICY_DIR);
		if (cmd->run == cmd_new)
			printf("\nWhat is copied is in $HCPOLICY_SOURCES, or else in\n%s.\n", HCP_SOURCE_DIR);
		if (cmd->run != cmd_help)
			printf("\n`hcpolicy help %s` has the rest.\n", cmd->name);
		return;
	}
	printf("Usage: hcpolicy COMMAND [ARGUMENT]... [OPTION]...\n"
	       "Attach BPF policies to KVM VMs, to answer guests that make memory shared or private.\n\n");
	for (size_t i = 0; i < NCOMMANDS; i++) {
		snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].usage);
		printf("  %-24s %s\n", left, commands[i].help);
	}
	printf("\nOptions, anywhere on the line (`hcpolicy COMMAND --help` has each command's own):\n");
	print_options(NULL);
	printf("\nExit status: 0 done, 1 failed, 2 wrong usage.\n"
	       "Begin with `hcpolicy probe`; then, as root:\n"
	       "  qemu-system-x86_64 -accel kvm -S ... &   # stopped before its first instruction\n"
	       "  hcpolicy attach bitmap --pid $!\n"
	       "  hcpolicy draw $!\n");
}

static const char *option_list(char *buf, size_t size, unsigned int options)
{
	size_t len = 0;

	for (size_t i = 0; i < NOPTIONS; i++)
		if ((option_defs[i].bit & options) && len < size)
			len += snprintf(buf + len, size - len, "--%s, ", option_defs[i].name);
	if (len < size)
		snprintf(buf + len, size - len, "-j, -p, -h, -V");
	return buf;
}

static const struct command *find_command(const char *name)
{
	const char *names[NCOMMANDS], *near;

	for (size_t i = 0; i < NCOMMANDS; i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
		names[i] = commands[i].name;
	}
	near = nearest(name, names, NCOMMANDS);
	if (near)
		err("unknown command '%s': did you mean %s?", name, near);
	else
		err("unknown command '%s': see hcpolicy --help", name);
	return NULL;
}

static int cmd_help(const struct args *args)
{
	const struct command *cmd = args->nwords ? find_command(args->words[0]) : NULL;
	char page[32] = "hcpolicy";

	if (args->nwords && !cmd)
		return EXIT_USAGE;
	if (cmd && cmd->run != cmd_help)
		snprintf(page, sizeof(page), "hcpolicy-%s", cmd->name);
	if (cmd)
		help_page(page);
	print_help(cmd);
	return EXIT_OK;
}

/* Take one option's argument.  Reports what form it must have. */
static bool take(struct args *args, unsigned int bit, const char *arg)
{
	switch (bit) {
	case OPT_PID:
		if (parse_int(arg, &args->pid) && args->pid)
			return true;
		err("--pid %s: a process id is meant", arg);
		return false;
	case OPT_VM_FD:
		if (parse_int(arg, &args->vm_fd))
			return true;
		err("--vm-fd %s: the number of a descriptor is meant", arg);
		return false;
	case OPT_WAIT:
		args->wait = -1;
		if (!arg || (parse_int(arg, &args->wait) && args->wait))
			return true;
		err("--wait=%s: a number of seconds is meant, from 1 on; --wait alone waits without end", arg);
		return false;
	case OPT_NAME:
		if (valid_name(arg)) {
			args->name = arg;
			return true;
		}
		err("--name '%s': [A-Za-z0-9_][A-Za-z0-9_-]* is meant, at most %d", arg, HCP_NAME_LEN - 1);
		return false;
	case OPT_MAX_GPA:
		if (parse_size(arg, &args->max_gpa))
			return true;
		err("--max-gpa %s: a size is meant, such as 512M, 64G or 1T", arg);
		return false;
	case OPT_TAKE_EXITS:
		args->take_exits = true;
		return true;
	case OPT_EXITS:
		args->exits = true;
		return true;
	case OPT_QUIET:
		args->quiet = true;
		return true;
	case OPT_COST:
		args->cost = true;
		return true;
	case OPT_CHECK:
		args->check = true;
		return true;
	case OPT_FOLLOW:
		args->follow = true;
		return true;
	case OPT_SVG:
		args->svg = arg;
		return true;
	case OPT_WITH_ITS_GUEST:
		args->with_its_guest = true;
		return true;
	case OPT_LABEL:
		args->label = arg;
		return true;
	case OPT_INCOMING:
		args->incoming = true;
		return true;
	case OPT_ARRIVED:
		args->arrived = true;
		return true;
	case OPT_FORCE:
		args->force = true;
		return true;
	case OPT_RUNNING:
		args->running = true;
		return true;
	case OPT_ANY_LABEL:
		args->any_label = true;
		return true;
	case OPT_ALL:
		args->all = true;
		return true;
	case OPT_CONF:
		args->conf = arg;
		return true;
	case OPT_FROM:
		if (valid_name(arg)) {
			args->from = arg;
			return true;
		}
		err("--from '%s': the name of a policy is meant, as hcpolicy policies prints it", arg);
		return false;
	case OPT_ID:
		if (parse_int(arg, &args->id) && args->id)
			return true;
		err("--id %s: the id of a BPF link is meant", arg);
		return false;
	case OPT_BPFFS:
		pins_use_bpffs(arg);
		return true;
	default:
		if (!strchr(arg, '=') || *arg == '=') {
			err("--param %s: KEY=VALUE is meant", arg);
			return false;
		}
		args->params[args->nparams++] = arg;
		return true;
	}
}

/* word: "--NAME", or "--NAME=ARGUMENT" */
static void unknown_option(const char *word, const struct option *options)
{
	const char *names[NOPTIONS + NGENERAL], *near;
	int n = 0, len = strcspn(word, "=");
	char *name = strndup(word, len);

	for (; options[n].name; n++)
		names[n] = options[n].name;
	near = nearest(name + 2, names, n);
	if (near)
		err("unknown option '%s': did you mean --%s?", name, near);
	else
		err("unknown option '%s': see hcpolicy --help", name);
	free(name);
}

static void bad_option(int c, const char *word, const struct option *options)
{
	if (c == ':')
		err("%s needs an argument", word);
	else if (optopt && !strncmp(word, "--", 2))
		err("%s: the option takes no argument", word);
	else if (optopt)
		err("unknown option '-%c': see hcpolicy --help", optopt);
	else
		unknown_option(word, options);
}

int main(int argc, char **argv)
{
	struct option options[NOPTIONS + NGENERAL + 1] = {
		{ "json", no_argument, NULL, 'j' },
		{ "pretty", no_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
	};
	bool help = false, version = false, bad = false;
	struct { unsigned int bit; const char *arg; } given[argc];
	struct { int c, optopt; const char *word; } wrong = {};
	const char *params[argc];
	struct args args = { .params = params, .pidfd = -1, .vm_fd = -1 };
	const struct command *cmd = NULL;
	unsigned int seen = 0;
	int c, ngiven = 0, nwords, least, status = EXIT_USAGE;
	char list[256];

	setlocale(LC_CTYPE, "");
	for (size_t i = 0; i < NOPTIONS; i++)
		options[NGENERAL + i] = (struct option) {
			option_defs[i].name, !option_defs[i].arg ? no_argument :
			*option_defs[i].arg == '[' ? optional_argument : required_argument,
			NULL, OPT_BASE + i,
		};

	/* Read the whole line before reporting anything, because -j may stand at its end. */
	while ((c = getopt_long(argc, argv, ":jphqV", options, NULL)) != -1) {
		switch (c) {
		case 'p':
			out_pretty = true;
			/* fallthrough */
		case 'j':
			out_json = true;
			break;
		case 'h':
			help = true;
			break;
		case 'q':
			/* Not into given: one word can have many. */
			args.quiet = true;
			seen |= OPT_QUIET;
			break;
		case 'V':
			version = true;
			break;
		case '?':
		case ':':
			if (!bad)
				wrong = (typeof(wrong)) { c, optopt, argv[optind - 1] };
			bad = true;
			break;
		default:
			given[ngiven].bit = option_defs[c - OPT_BASE].bit;
			given[ngiven++].arg = optarg;
			seen |= option_defs[c - OPT_BASE].bit;
		}
	}
	if (bad) {
		optopt = wrong.optopt;
		bad_option(wrong.c, wrong.word, options);
		goto out;
	}
	if (version) {
		if (out_json) {
			struct json_object *obj = json_object_new_object();

			put_str(obj, "version", HCP_VERSION);
			out_value(obj);
		} else {
			puts("hcpolicy " HCP_VERSION);
		}
		status = EXIT_OK;
		goto out;
	}
	if (optind < argc) {
		cmd = find_command(argv[optind]);
		if (!cmd)
			goto out;
	}
	if (help) {
		print_help(cmd);
		status = EXIT_OK;
		goto out;
	}
	if (!cmd) {
		err("no command; see hcpolicy --help");
		goto out;
	}
	if (seen & ~cmd->options) {
		for (size_t i = 0; i < NOPTIONS; i++)
			if (option_defs[i].bit & seen & ~cmd->options)
				err("%s takes no --%s; it takes: %s", cmd->name, option_defs[i].name,
				    option_list(list, sizeof(list), cmd->options));
		goto out;
	}
	args.nwords = argc - optind - 1;
	nwords = seen & (OPT_ID | OPT_ALL) ? 0 : cmd->nwords;	/* they replace the name, if there is one */
	least = nwords - !!strchr(cmd->usage, '[');
	if (args.nwords < least || args.nwords > nwords) {
		/* getopt leaves a word that follows an option without = to the arguments. */
		err("too %s arguments; usage: hcpolicy %s%s%s%s", args.nwords < least ?
		    "few" : "many", cmd->name, *cmd->usage ? " " : "", cmd->usage,
		    seen & OPT_WAIT && args.nwords > nwords ?
		    "; --wait takes its seconds behind a =: --wait=SECONDS" : "");
		goto out;
	}
	for (int i = 0; i < args.nwords; i++)
		args.words[i] = argv[optind + 1 + i];
	if (nwords && !strncmp(cmd->usage, "NAME", 4) && !valid_name(args.words[0])) {
		err("'%s' cannot be a name: [A-Za-z0-9_][A-Za-z0-9_-]*, at most %d", args.words[0],
		    HCP_NAME_LEN - 1);
		goto out;
	}
	for (int i = 0; i < ngiven; i++)
		if (!take(&args, given[i].bit, given[i].arg))
			goto out;

	status = cmd->run(&args);
out:
	if (out_json && err_seen())
		out_errors();
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "hcpolicy: standard output: write failed\n");
		return EXIT_FAIL;
	}
	return status;
}
