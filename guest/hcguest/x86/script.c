// SPDX-License-Identifier: GPL-2.0
/*
 * Text commands, for VMMs without the doorbell: from the kernel command line,
 * separated by ';', and then from COM1, one a line.  Each gets one line of
 * answer: `ret N`; with expect `ok N` or `FAIL ...`; `FAIL ...` if it is wrong.
 *
 *	share GPA NPAGES	ask for these pages to be shared (KVM_HC_MAP_GPA_RANGE)
 *	private GPA NPAGES	ask for them to be private
 *	map GPA NPAGES ATTRS	the same hypercall with any attributes: 0 shares, 0x10 hides
 *	call NR A0 A1 A2	any hypercall
 *	read GPA		8 bytes of memory
 *	write GPA VALUE
 *	fill GPA SIZE VALUE
 *	wrmsr MSR VALUE		a register that nobody serves is a fault
 *	random SEED COUNT MAXGFN	COUNT requests of guest/random.h, which all must
 *				return 0 or what is expected
 *	loop N COMMAND		one of the first eight, N times; the answer is the
 *				last one's, or the first that is not expected
 *	work GFN NPAGES SEED STEPS	write pages and ask to convert some (a refusal is
 *				no failure), STEPS times, or with 0 until a byte comes
 *				by COM1; says about each second how much it has
 *				done.  `ok N`: N pages were right when it met
 *				them again, or FAIL and the first that was not
 *	check GFN NPAGES	are the pages what work wrote?  The same answers
 *	encrypt			the VMM has filled in a key (mailbox.h): use it from here
 *				on.  The first command, before the VM may be migrated
 *	verdict			`verdict: PASS` or, after any FAIL, `verdict: FAIL`,
 *				and exit
 *	exit [CODE]		CODE is 1 after any FAIL and else 0 by default; a
 *				QEMU with isa-debug-exit,iobase=0xf4,iosize=4 ends
 *				with CODE * 2 + 1, others see a shutdown
 *
 * After a command's numbers: `expect RET`, `user` (from CPL 3), `vmcall`,
 * `vmmcall`.  Numbers are decimal, 0x hexadecimal, or negative; `no-hypervisor` is
 * the answer where the instruction is not served.
 */
#include <stddef.h>

#include "../../random.h"
#include "../arch.h"
#include "../ops.h"
#include "../pages.h"
#include "../work.h"
#include "cpu.h"
#include "script.h"
#include "serial.h"

#define LINE_MAX	512

static int failures;

/* What lies there at the start is a key only if somebody says so. */
static int encrypted;

static const struct command {
	const char *name;
	uint32_t op;
	unsigned int args;
	uint64_t attrs;		/* ORed into a2, which share and private are not given */
} commands[] = {
	{ "share", HCG_CALL, 2, 0 },
	{ "private", HCG_CALL, 2, HCG_PRIVATE },
	{ "call", HCG_CALL, 4, 0 },
	{ "map", HCG_CALL, 3, 0 },
	{ "read", HCG_READ, 1, 0 },
	{ "write", HCG_WRITE, 2, 0 },
	{ "fill", HCG_FILL, 3, 0 },
	{ "wrmsr", HCG_WRMSR, 2, 0 },
};

static void print_ret(int64_t ret)
{
	if (ret == HCG_RET_NO_HYPERVISOR)
		serial_puts("no-hypervisor");
	else if (ret == HCG_RET_BAD_REQUEST)
		serial_puts("bad-request");
	else
		serial_print("%ld", ret);
}

static void answer(const char *what, int64_t ret)
{
	serial_puts(what);
	print_ret(ret);
	serial_puts("\n");
}

static void complain(const char *what, const char *word)
{
	failures++;
	serial_print(word ? "FAIL %s '%s'\n" : "FAIL %s\n", what, word);
}

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* The next word of *line, which is cut; NULL at the end. */
static char *word(char **line)
{
	char *p = *line, *w;

	while (*p == ' ' || *p == '\t')
		p++;
	w = p;
	while (*p && *p != ' ' && *p != '\t')
		p++;
	*line = *p ? p + 1 : p;
	*p = 0;
	return *w ? w : NULL;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

static int number(const char *s, uint64_t *v)
{
	int base = 10, minus = 0;

	if (!s)
		return 0;
	if (same(s, "no-hypervisor")) {
		*v = (uint64_t)HCG_RET_NO_HYPERVISOR;
		return 1;
	}
	if (*s == '-')
		minus = 1, s++;
	if (s[0] == '0' && (s[1] | 0x20) == 'x')
		base = 16, s += 2;
	if (!*s)
		return 0;
	for (*v = 0; *s; s++) {
		if (digit(*s) >= base)
			return 0;
		*v = *v * base + digit(*s);
	}
	if (minus)
		*v = -*v;
	return 1;
}

/* The words after a command's numbers. */
static int parse_options(char *line, struct hcg_request *r)
{
	char *w;

	while ((w = word(&line))) {
		if (same(w, "user")) {
			r->flags |= HCG_USER;
		} else if (same(w, "vmcall")) {
			r->flags |= HCG_VMCALL;
		} else if (same(w, "vmmcall")) {
			r->flags |= HCG_VMMCALL;
		} else if (same(w, "expect")) {
			w = word(&line);
			if (!number(w, (uint64_t *)&r->expect)) {
				complain("expect wants a number, not", w ? w : "");
				return 0;
			}
			r->flags |= HCG_EXPECT;
		} else {
			complain("unknown option", w);
			return 0;
		}
	}
	return 1;
}

static int parse_numbers(char **line, const char *name, uint64_t *args, unsigned int count)
{
	unsigned int i;
	char *w;

	for (i = 0; i < count; i++) {
		w = word(line);
		if (!w) {
			complain("too few numbers for", name);
			return 0;
		}
		if (!number(w, &args[i])) {
			complain("not a number:", w);
			return 0;
		}
	}
	return 1;
}

static void run_request(const char *name, char *line, uint64_t times)
{
	const struct command *c, *end = commands + sizeof(commands) / sizeof(*commands);
	struct hcg_request r = {};
	uint64_t args[4] = {};
	unsigned int shift;

	for (c = commands; c < end && !same(c->name, name); c++)
		;
	if (c == end) {
		complain("unknown command", name);
		return;
	}
	if (!parse_numbers(&line, name, args, c->args) || !parse_options(line, &r))
		return;

	r.op = c->op;
	shift = c->args == 4;
	r.nr = shift ? args[0] : KVM_HC_MAP_GPA_RANGE;
	r.a0 = args[shift];
	r.a1 = args[shift + 1];
	r.a2 = args[shift + 2] | c->attrs;
	do
		op_do(0, &r);
	while (!op_failed(&r) && times && --times);

	if (op_failed(&r)) {
		failures++;
		serial_puts("FAIL ret ");
		print_ret(r.ret);
		answer(", expected ", r.expect);
	} else {
		answer(r.flags & HCG_EXPECT ? "ok " : "ret ", r.ret);
	}
}

static void run_random(char *line)
{
	struct hcg_request r = { .op = HCG_CALL, .nr = KVM_HC_MAP_GPA_RANGE, .flags = HCG_EXPECT };
	struct hcg_random_range range;
	uint64_t args[3], i;

	if (!parse_numbers(&line, "random", args, 3) || !parse_options(line, &r))
		return;
	if (!args[2]) {
		complain("random wants a MAXGFN above", "0");
		return;
	}
	for (i = 0; i < args[1]; i++) {
		range = hcg_random_range(&args[0], args[2]);
		r.a0 = range.gfn << 12;
		r.a1 = range.npages;
		r.a2 = range.shared ? 0 : HCG_PRIVATE;
		op_do(0, &r);
		if (op_failed(&r)) {
			failures++;
			serial_print("FAIL request %lu: ret ", i);
			print_ret(r.ret);
			answer(", expected ", r.expect);
			return;
		}
	}
	answer("ok ", r.expect);
}

static const char *found(uint64_t what)
{
	switch (what) {
	case HCG_FOUND_SENT_SHARED:
		return "private, but sent as shared";
	case HCG_FOUND_SENT_PRIVATE:
		return "shared, but sent as private";
	case HCG_FOUND_PLAIN:
		return "private, but not encrypted";
	case HCG_FOUND_ENCRYPTED:
		return "shared, but encrypted";
	case HCG_FOUND_OLD:
		return "what it held before its last write";
	}
	return "garbage";
}

static void answer_work(const struct hcg_work *w)
{
	if (!w->bad) {
		answer("ok ", w->verified);
		return;
	}
	failures++;
	serial_print("FAIL bad pages: %lu, the first gfn 0x%lx: bad words: %lu, the first at offset 0x%lx is 0x%lx instead of 0x%lx, %s\n",
		     w->bad, w->bad_gfn, w->bad_words, w->bad_offset, w->bad_got, w->bad_expected,
		     found(w->bad_found));
}

/* Say about each second, on any processor of our time, how far the work is. */
static void work_report(const struct hcg_work *w, uint64_t *last)
{
	uint64_t now = rdtsc();

	if (now - *last < 1ULL << 31)
		return;
	*last = now;
	serial_print("work: written %lu, conversions %lu, refused %lu%s\n", w->writes, w->conversions,
		     w->refused, encrypted ? ", encrypted" : "");
}

static void run_work(char *line)
{
	struct hcg_work w = { .flags = HCG_WORK_FRESH };
	uint64_t args[4], i, last = 0;

	if (!parse_numbers(&line, "work", args, 4))
		return;
	w.first_gfn = args[0];
	w.npages = args[1];
	if (!work_begin(0, &w))
		return complain("work wants pages from gfn 0x400 on, at most 0x38000", NULL);
	for (i = 0; args[3] ? i < args[3] : !serial_pending(); i++) {
		work_step(0, &w, &args[2]);
		work_report(&w, &last);
	}
	answer_work(&w);
}

static void run_check(char *line)
{
	struct hcg_work w = {};
	uint64_t args[2];

	if (!parse_numbers(&line, "check", args, 2))
		return;
	w.first_gfn = args[0];
	w.npages = args[1];
	if (!work_check(0, &w))
		return complain("check wants pages from gfn 0x400 on, at most 0x38000", NULL);
	answer_work(&w);
}

static void run_encrypt(void)
{
	encrypted = !!key_use();
	if (!encrypted)
		return complain("encrypt: the VMM has given no key", NULL);
	if (op_share_own(0))
		return complain("encrypt: the VMM refuses to share pages", NULL);
	serial_puts("ok 0\n");
}

static void run_verdict(void)
{
	serial_puts(failures ? "verdict: FAIL\n" : "verdict: PASS\n");
	cpu_exit(failures != 0);
}

static void run_exit(char *line)
{
	uint64_t code = failures != 0;

	if (*line && !parse_numbers(&line, "exit", &code, 1))
		return;
	cpu_exit(code);
}

static void run_command(char *line)
{
	uint64_t times = 1;
	char *name = word(&line);

	if (!name)
		return;
	if (same(name, "exit"))
		return run_exit(line);
	if (same(name, "encrypt"))
		return run_encrypt();
	if (same(name, "verdict"))
		return run_verdict();
	if (same(name, "work"))
		return run_work(line);
	if (same(name, "check"))
		return run_check(line);
	if (same(name, "random"))
		return run_random(line);
	if (same(name, "loop")) {
		if (!parse_numbers(&line, "loop", &times, 1))
			return;
		name = word(&line);
		if (!name || !times)
			return complain("loop wants a count above 0 and a command", NULL);
	}
	run_request(name, line, times);
}

_Noreturn void script_run(const char *cmdline)
{
	static char line[LINE_MAX];
	unsigned int n = 0;

	serial_puts("hcguest: ready\n");
	for (; cmdline && *cmdline; cmdline++) {
		if (*cmdline != ';' && n < LINE_MAX - 1)
			line[n++] = *cmdline;
		if (*cmdline == ';' || !cmdline[1]) {
			line[n] = 0;
			run_command(line);
			n = 0;
		}
	}
	while (serial_gets(line, LINE_MAX))
		run_command(line);
	for (;;)
		cpu_halt();
}
