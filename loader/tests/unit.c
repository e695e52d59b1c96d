// SPDX-License-Identifier: GPL-2.0
/*
 * What of the hcpolicy command needs no kernel hook: the picture and the ranges
 * of a set, the words of the command line, and the binary's own manners, by
 * running it (argv[1]).  Each test is named after a behaviour.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <hcpolicy/version.h>
#include "diff.h"
#include "draw.h"
#include "file.h"
#include "frozen.h"
#include "loader.h"
#include "out.h"
#include "ranges.h"
#include "state.h"
#include "stopped.h"
#include "trace.h"
#include "../../selftests/tap.h"

static const char *binary;

static void check_text(const char *got, const char *want, const char *name)
{
	bool ok = !strcmp(got, want);

	tap_ok(ok, "%s", name);
	if (!ok)
		printf("# got:\n%s\n# want:\n%s\n", got, want);
}

/* The sets that are drawn and listed; what is drawn of them is known below. */
static struct hcp_set *sample_set(void)
{
	struct hcp_set *set = hcp_set__new(1 << 18);	/* 1 GiB */

	hcp_set__update(set, 0x1000, 512, true);
	hcp_set__update(set, 0x1400, 1, true);
	hcp_set__update(set, 0x8000, 8192, true);
	hcp_set__update(set, 0x8464, 100, false);
	return set;
}

static char *picture(const struct hcp_set *set, unsigned int width, struct draw_style style)
{
	struct draw_grid grid;
	char *text = NULL;
	size_t size;
	FILE *file;

	if (draw_read(&grid, set, width, DRAW_HEIGHT))
		return strdup("draw_read failed");
	file = open_memstream(&text, &size);
	draw_print(file, &grid, &style);
	fclose(file);
	free(grid.cells);
	return text;
}

static void test_picture(void)
{
	static const char ascii[] =
		"0x0000000 |................|\n"
		"0x0800000 |................|\n"
		"0x1000000 |####....-.......|\n"
		"0x1800000 |................|\n"
		"0x2000000 |................|\n"
		"0x2800000 |................|\n"
		"0x3000000 |................|\n"
		"0x3800000 |................|\n"
		"0x4000000 |................|\n"
		"0x4800000 |................|\n"
		"0x5000000 |................|\n"
		"0x5800000 |................|\n"
		"0x6000000 |................|\n"
		"0x6800000 |................|\n"
		"0x7000000 |................|\n"
		"0x7800000 |................|\n"
		"0x8000000 |########*+######|\n"
		"0x8800000 |################|\n"
		"0x9000000 |################|\n"
		"0x9800000 |################|\n"
		"one cell is 512 KiB:  . private  - + * partly shared  # shared\n"
		"8605 pages shared (33.6 MiB) in 4 ranges; private from here to 1 GiB\n";
	static const char colour[] =
		"0x0 │\033[0;33m█\033[0;2m··\033[0;33m█\033[0;2m············\033[0m│\n"
		"one cell is 4 KiB:  · private  ░ ▒ ▓ partly shared  █ shared\n"
		"2 pages shared (8 KiB) in 2 ranges; private from here to 128 MiB\n";
	struct hcp_set *set = sample_set();
	struct draw_grid grid;
	char *text;

	text = picture(set, 40, (struct draw_style) {});
	check_text(text, ascii, "a set is drawn as known");
	free(text);
	hcp_set__free(set);

	set = hcp_set__new(1);
	hcp_set__update(set, 0, 1, true);
	hcp_set__update(set, 3, 1, true);
	text = picture(set, 40, (struct draw_style) { .utf8 = true, .colour = true });
	check_text(text, colour, "blocks and colours change where the sharing does");
	free(text);

	hcp_set__update(set, 0, 4, false);
	tap_ok(!draw_read(&grid, set, 80, DRAW_HEIGHT) && !grid.shared &&
	       grid.rows * grid.columns * grid.cell_pages >= hcp_set__npages(set),
	       "a set that shares nothing is drawn whole");
	free(grid.cells);
	hcp_set__free(set);
}

/* Every cell against the set itself, page by page, on random sets. */
static void test_cells(unsigned int seed)
{
	bool cells_ok = true, fits = true, sums = true;

	srandom(seed);
	for (int round = 0; round < 200; round++) {
		uint64_t npages = HCP_CHUNK_PAGES * (1 + random() % 4), sum = 0;
		struct hcp_set *set = hcp_set__new(npages);
		unsigned int width = 32 + random() % 200;
		struct draw_grid grid;
		char *text;

		for (int i = random() % 20; i >= 0; i--)
			hcp_set__update(set, random() % npages, 1 + random() % 3000, random() % 3);
		if (draw_read(&grid, set, width, DRAW_HEIGHT)) {
			cells_ok = false;
			break;
		}
		for (uint64_t cell = 0; cell < (uint64_t)grid.rows * grid.columns; cell++) {
			uint64_t shared = 0;

			for (uint64_t i = 0; i < grid.cell_pages; i++)
				shared += hcp_set__test(set, cell * grid.cell_pages + i);
			cells_ok &= shared == grid.cells[cell];
			sum += grid.cells[cell];
		}
		sums &= sum == hcp_set__count(set) && sum == grid.shared;
		text = picture(set, width, (struct draw_style) {});
		fits &= strcspn(text, "\n") <= width && grid.rows <= 24;
		free(text);
		free(grid.cells);
		hcp_set__free(set);
	}
	tap_ok(cells_ok, "each cell counts its own pages (seed %u)", seed);
	tap_ok(sums, "no shared page is left out of the picture (seed %u)", seed);
	tap_ok(fits, "a picture keeps within its width and 24 rows (seed %u)", seed);
}

static char *ranges(const struct hcp_set *set, bool json, bool pretty)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (json)
		ranges_print_json(file, set, pretty);
	else
		ranges_print_text(file, set);
	fclose(file);
	return text;
}

static void test_ranges(void)
{
	struct hcp_set *set = sample_set();
	char *text = ranges(set, true, false);
	struct json_object *json;

	check_text(text, "[{\"gfn\":4096,\"npages\":512},{\"gfn\":5120,\"npages\":1},"
		   "{\"gfn\":32768,\"npages\":1124},{\"gfn\":33992,\"npages\":6968}]\n",
		   "ranges in JSON are exact, sorted and merged");
	free(text);

	text = ranges(set, true, true);
	json = json_tokener_parse(text);
	tap_ok(json && json_object_array_length(json) == 4, "pretty ranges are JSON too");
	json_object_put(json);
	free(text);

	text = ranges(set, false, false);
	check_text(text,
		   "gfn          npages     gpa                            size\n"
		   "0x1000       512        0x1000000-0x11fffff            2 MiB\n"
		   "0x1400       1          0x1400000-0x1400fff            4 KiB\n"
		   "0x8000       1124       0x8000000-0x8463fff            4.4 MiB\n"
		   "0x84c8       6968       0x84c8000-0x9ffffff            27.2 MiB\n",
		   "ranges as text");
	free(text);

	hcp_set__reset(set);
	text = ranges(set, true, false);
	check_text(text, "[]\n", "no ranges are an empty array");
	free(text);
	hcp_set__free(set);
}

/* Of the sample set: text where it belongs, a rectangle where the shade changes. */
static void test_svg(void)
{
	static const char *const wanted[] = {
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"",
		"<title>a &lt;b&gt; &amp; c</title>", ">not complete: 1 &lt; 2</text>",
		">8605 pages shared (33.6 MiB) in 4 ranges; private from here to 1 GiB</text>",
		">0x9800000</text>", ">one cell is 512 KiB:</text>\n"
		"<rect x=\"28\" y=\"356\" width=\"12\" height=\"11\" fill=\"#e4e7eb\"/>\n"
		"<text x=\"52\" y=\"367\">private</text>",
		/* Row 16: whole, but for the two cells that hold the hole. */
		"<rect x=\"109\" y=\"268\" width=\"96\" height=\"11\" fill=\"#c2410c\"/>\n"
		"<rect x=\"205\" y=\"268\" width=\"12\" height=\"11\" fill=\"#ef9a1a\"/>\n"
		"<rect x=\"217\" y=\"268\" width=\"12\" height=\"11\" fill=\"#f9c35c\"/>\n"
		"<rect x=\"229\" y=\"268\" width=\"72\" height=\"11\" fill=\"#c2410c\"/>\n",
		">shared</text>\n</svg>\n",
	};
	struct hcp_set *set = sample_set();
	struct draw_grid grid;
	char *text;
	size_t len;
	FILE *file = open_memstream(&text, &len);

	tap_ok(!draw_read(&grid, set, 40, DRAW_HEIGHT), "the sample set is read");
	draw_svg(file, &grid, "a <b> & c", "not complete: 1 < 2");
	fclose(file);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		tap_ok(strstr(text, wanted[i]), "an SVG picture has part %zu", i);
		if (!strstr(text, wanted[i]))
			printf("# %s\n# got:\n%s\n", wanted[i], text);
	}
	free(text);
	free(grid.cells);

	/* Not taller than asked for, and still all of it. */
	tap_ok(!draw_read(&grid, set, 40, 3) && grid.rows <= 3 && grid.shared == 8605 &&
	       (uint64_t)grid.rows * grid.columns * grid.cell_pages >= 0xa000,
	       "a picture fits into the rows that there are");
	free(grid.cells);
	hcp_set__free(set);
}

static void check_trace(const struct request *request, const char *want, const char *name)
{
	char line[TRACE_LINE];
	size_t len = trace_line(line, request, 1000000000);

	check_text(line, want, name);
	if (len != strlen(line))
		tap_ok(false, "%s: its length is %zu", name, len);
}

static void test_trace(void)
{
	struct request r = {
		.time = 3000001999, .gpa = 0x7fe00000, .npages = 16, .vcpu_id = 3, .shared = 1,
		.answer = 1, .verdict = 1, .flags = KVM_HCPOLICY_MAY_HANDLE,
	};

	check_trace(&r, "share 0x7fe00000 16 vcpu=3 door=hypercall attrs=0x0 status=0 verdict=handled time=2.000001\n",
		    "a trace has a request as the script that makes it again");
	r = (struct request) { .time = 1000000000, .npages = 1, .attrs = 0x10, .source = 2, .answer = 1,
			       .flags = KVM_HCPOLICY_EXIT_ENABLED };
	check_trace(&r, "private 0x0 1 vcpu=0 door=snp-psc attrs=0x10 verdict=exit answer=handled time=0.000000\n",
		    "of one that exits, it has no status, and what the policy would have answered");
	r.flags = 0;
	r.source = 77;
	r.answer = 0;
	check_trace(&r, "private 0x0 1 vcpu=0 door=77 attrs=0x10 status=-1000 verdict=ENOSYS time=0.000000\n",
		    "of one that nobody takes, it has that");
	r.source = 0;
	r.answer = -EACCES;
	r.verdict = -EINVAL;
	check_trace(&r, "private 0x0 1 vcpu=0 door=hypercall attrs=0x10 status=-22 verdict=EINVAL answer=EACCES "
		    "time=0.000000\n", "of one that was refused, it has the policy's errno and the guest's");
	r.answer = r.verdict = KVM_HCPOLICY_RETRY;
	check_trace(&r, "# private 0x0 1 vcpu=0 door=hypercall attrs=0x10 verdict=retry time=0.000000\n",
		    "one that is to be retried is a comment");
	r = (struct request) { .time = -1ULL, .lost = -1ULL, .gpa = -1ULL, .npages = -1ULL, .attrs = -1ULL,
			       .vcpu_id = -1U, .source = 255, .answer = -2147483647, .verdict = -2147483647 - 1,
			       .flags = 0xffff };
	check_trace(&r, "private 0xffffffffffffffff 18446744073709551615 vcpu=4294967295 door=255 "
		    "attrs=0xffffffffffffffff status=-2147483648 verdict=-2147483648 answer=-2147483647 "
		    "time=18446744072.709551\n", "the longest line has room");
}

static void test_diff(void)
{
	struct hcp_set *set = sample_set();
	struct set_diff diff;

	tap_ok(!set_diff_begin(&diff, set) && set_diff_count(&diff) == 0,
	       "what was there before is no change");
	hcp_set__update(set, 0x20, 70, true);
	hcp_set__update(set, 0x8000, 3, false);
	tap_ok(set_diff_count(&diff) == 73, "pages that changed are counted, both ways");
	hcp_set__update(set, 0x20, 1, false);
	hcp_set__update(set, 0x20, 1, true);
	tap_ok(set_diff_count(&diff) == 0, "and once; what came back is no change");
	set_diff_end(&diff);
	hcp_set__free(set);
}

/* As root the owner and the group are others. */
static void test_owner(const char *path)
{
	struct new_file file;
	struct stat before, after = {};
	bool ok = (geteuid() || !chown(path, 12345, 12346)) && !chmod(path, 0640) &&
		  !stat(path, &before) && file_begin(&file, path) &&
		  write(file.fd, "four", 4) == 4 && file_commit(&file) && !stat(path, &after);

	tap_ok(ok && after.st_uid == before.st_uid && after.st_gid == before.st_gid &&
	       after.st_mode == before.st_mode && after.st_ino != before.st_ino,
	       "a file that is written again keeps its owner, group and mode");
}

static void test_files(void)
{
	char dir[] = "/tmp/loader-unit.XXXXXX", path[64], link[64], text[8] = "";
	struct new_file file;
	int fd;

	tap_ok(mkdtemp(dir), "a folder for files");
	snprintf(path, sizeof(path), "%s/file", dir);
	snprintf(link, sizeof(link), "%s/link", dir);

	tap_ok(file_begin(&file, path) && access(path, F_OK), "a new file is not there at first");
	tap_ok(file.named || access(file.tmp, F_OK), "nor by another name, that a kill would leave");
	tap_ok(write(file.fd, "one", 3) == 3 && file_commit(&file), "it is finished");
	tap_ok(file_begin(&file, path) && write(file.fd, "two", 3) == 3, "it is written again");
	file_abort(&file);
	fd = open(path, O_RDONLY);
	tap_ok(read(fd, text, 7) == 3 && !strcmp(text, "one"), "given up, the old one stays");
	close(fd);
	tap_ok(file_begin(&file, path) && write(file.fd, "three", 5) == 5 && file_commit(&file),
	       "it is written once more");
	fd = open(path, O_RDONLY);
	tap_ok(read(fd, text, 7) == 5 && !strcmp(text, "three"), "finished, the new one is there");
	close(fd);

	test_owner(path);
	tap_ok(!symlink(path, link) && !file_begin(&file, link), "a link is not replaced");
	tap_ok(!file_begin(&file, "/dev/null"), "nor a device");
	tap_ok(!file_begin(&file, "/nowhere/file"), "nor is a folder made");
	/* All that is left: a failed one leaves nothing. */
	tap_ok(!unlink(path) && !unlink(link) && !rmdir(dir), "nothing else is left");
}

/* What follow.c asks of a policy, here without one. */
static struct hcp_set *followed;
static int followed_link = -1;

struct hcp_set *hcpolicy__set(const struct hcpolicy *policy)
{
	return followed;
}

struct hcp_info info_copy(const struct hcpolicy *policy)
{
	return (struct hcp_info) {};
}

int hcpolicy__link_fd(const struct hcpolicy *policy)
{
	return followed_link;
}

bool counters_creator(unsigned int link, int *tid, const char **why)
{
	return false;
}

struct json_object *counters_read(const struct hcpolicy *policy, const char **why)
{
	return NULL;
}

bool state_text(char *buf, size_t size, const struct hcpolicy *policy)
{
	*buf = 0;
	return true;
}

void put_state(struct json_object *obj, const struct hcpolicy *policy)
{
}

static unsigned int narrow(void)
{
	return 40;
}

/* Ctrl-C while its line waits for a slow terminal; a full pipe is one. */
static void test_follow(void)
{
	struct draw_style style = {};
	int fds[2], status = -1;
	char buf[4096] = {};
	pid_t child;

	followed = sample_set();
	if (pipe(fds) || fcntl(fds[1], F_SETPIPE_SZ, sizeof(buf)) < 0) {
		tap_ok(false, "a pipe");
		return;
	}
	tap_ok(write(fds[1], buf, sizeof(buf)) == sizeof(buf), "a pipe is full");
	fflush(stdout);
	child = fork();
	if (!child) {
		close(fds[0]);
		dup2(fds[1], STDOUT_FILENO);
		_exit(draw_follow(NULL, &style, narrow) ? 1 : 0);
	}
	close(fds[1]);
	usleep(1500000);
	kill(child, SIGINT);
	usleep(100000);
	while (read(fds[0], buf, sizeof(buf)) > 0)
		;
	close(fds[0]);
	waitpid(child, &status, 0);
	tap_ok(WIFEXITED(status) && !WEXITSTATUS(status),
	       "draw --follow ends well by Ctrl-C while it writes");
	hcp_set__free(followed);
}

/* Run in a child on a terminal of that name; what it writes there. */
static int on_terminal(const char *term, int (*run)(void), char *text, size_t size)
{
	int status = -1, fd = posix_openpt(O_RDWR | O_NOCTTY);
	size_t n = 0;
	ssize_t more;
	pid_t child;

	if (fd < 0 || grantpt(fd) || unlockpt(fd))
		return -1;
	fflush(stdout);
	child = fork();
	if (!child) {
		int slave = open(ptsname(fd), O_RDWR | O_NOCTTY);

		alarm(30);
		close(fd);
		dup2(slave, STDOUT_FILENO);
		close(slave);
		if (term)
			setenv("TERM", term, 1);
		else
			unsetenv("TERM");
		_exit(run());
	}
	/* It may be gone before this looks: then a read says EIO, when it has had all. */
	waitpid(child, &status, 0);
	while (n < size - 1 && (more = read(fd, text + n, size - 1 - n)) > 0)
		n += more;
	text[n] = 0;
	close(fd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int is_terminal(void)
{
	return out_terminal();
}

/* By a link that has hung up: it looks once and ends. */
static int follow_once(void)
{
	struct draw_style style = {};
	int fds[2];

	if (pipe(fds))
		return 1;
	close(fds[1]);
	followed_link = fds[0];
	return draw_follow(NULL, &style, narrow) ? 1 : 0;
}

static void test_terminal(void)
{
	char text[4096];

	followed = sample_set();
	tap_ok(on_terminal("xterm", is_terminal, text, sizeof(text)) == 1, "a terminal is one");
	tap_ok(on_terminal("dumb", is_terminal, text, sizeof(text)) == 0 &&
	       on_terminal("", is_terminal, text, sizeof(text)) == 0 &&
	       on_terminal(NULL, is_terminal, text, sizeof(text)) == 0,
	       "a dumb one, and one without a name, is none");
	tap_ok(on_terminal("xterm", follow_once, text, sizeof(text)) == 0 && strstr(text, "\033[H"),
	       "draw --follow moves the cursor on a terminal");
	tap_ok(on_terminal("dumb", follow_once, text, sizeof(text)) == 0 && !strchr(text, 033) &&
	       strstr(text, "8605 pages shared"), "and prints lines on a dumb one");
	hcp_set__free(followed);
}

static void test_nearest(void)
{
	static const char *const names[] = {
		"attach", "show", "max-gpa", "a-name-that-is-longer-than-any-word-of-ours"
	};
	static const struct { const char *word, *name; } words[] = {
		{ "shwo", "show" }, { "sho", "show" }, { "shows", "show" }, { "shot", "show" },
		{ "atach", "attach" }, { "tatahc", "attach" }, { "max-gap", "max-gpa" },
		{ "max-pga2", "max-gpa" }, { "", NULL }, { "s", NULL }, { "stop", NULL },
		{ "detached", NULL }, { "a-name-that-is-longer-than-any-word-of-our", NULL },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const char *got = nearest(words[i].word, names, 4), *want = words[i].name;

		tap_ok(got == want || (got && want && !strcmp(got, want)), "nearest to '%s' is %s",
		       words[i].word, want ? want : "nothing");
	}
}

static void test_stopped(void)
{
	struct holder child = { .pid = fork() }, later;
	int status;

	if (!child.pid) {
		for (;;)
			pause();
	}
	later = child;
	usleep(100000);
	tap_ok(!process_stopped(&child), "a process that sleeps is not stopped");
	kill(child.pid, SIGSTOP);
	waitpid(child.pid, &status, WUNTRACED);
	tap_ok(WIFSTOPPED(status) && process_stopped(&child) && child.threads == 1,
	       "one that got SIGSTOP is");
	tap_ok(process_stopped(&later) && child.switches == later.switches,
	       "and while it stays so, nothing is switched");
	kill(child.pid, SIGCONT);
	waitpid(child.pid, &status, WCONTINUED);
	kill(child.pid, SIGSTOP);
	waitpid(child.pid, &status, WUNTRACED);
	tap_ok(process_stopped(&later) && child.switches < later.switches,
	       "that one has run in between can be seen");
	kill(child.pid, SIGKILL);
	waitpid(child.pid, &status, 0);
	tap_ok(process_stopped(&later) && !later.threads, "and one that is gone runs no more");
	tap_ok(!thread_frozen(getpid(), getpid()), "what runs is not in a frozen cgroup");
}

/* A process of that command line: what of it says that its guest comes from elsewhere? */
static void check_awaits(const char *first, const char *second, const char *want)
{
	char got[32] = "";
	int fds[2], status;
	bool awaits;
	pid_t child;

	if (pipe(fds))
		abort();
	child = fork();
	if (!child) {
		dup2(fds[0], STDIN_FILENO);
		close(fds[1]);
		execl("/bin/sh", "sh", "-c", "kill -STOP $$; read x", "vmm", first, second, NULL);
		_exit(1);
	}
	close(fds[0]);
	waitpid(child, &status, WUNTRACED);
	awaits = proc_awaits_guest(child, got, sizeof(got));
	tap_ok(awaits == !!*want && !strcmp(got, want), "a VMM with %s %s: '%s'", first, second,
	       want);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	close(fds[1]);
}

static void test_awaits_guest(void)
{
	static const char *const words[] = {
		"-incoming", "--incoming", "-loadvm", "--loadvm", "--restore",
	};
	char arg[32];

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		check_awaits("-S", words[i], words[i]);
	check_awaits("--incoming=unix:/x", "-S", "--incoming");
	check_awaits("-append", "root=x -incoming", "");
	check_awaits("--incoming-port", "incoming", "");
	tap_ok(proc_awaits_guest(2147483646, arg, sizeof(arg)) && !*arg,
	       "one whose command line cannot be read may wait for a guest");
}

static void test_printable(void)
{
	char text[] = "a b~\n\033[2J\177\302\233";

	tap_ok(!strcmp(printable(text), "a b~??[2J???"), "what is not printable becomes ?: %s", text);
}

static void test_words(void)
{
	static const struct { const char *text; uint64_t bytes; } sizes[] = {
		{ "4096", 4096 }, { "0x1000", 4096 }, { "4k", 4096 }, { "512M", 512ULL << 20 },
		{ "64G", 64ULL << 30 }, { "64GiB", 64ULL << 30 }, { "1T", 1ULL << 40 },
		{ "", 0 }, { "G", 0 }, { "0", 0 }, { "-1G", 0 }, { "1.5G", 0 }, { "1GG", 0 },
		{ "1Gx", 0 }, { " 1G", 0 }, { "1P", 0 }, { "16777216T", 0 },
		{ "99999999999999999999", 0 },
	};
	static const struct { uint64_t bytes; const char *text; } shown[] = {
		{ 0, "0 B" }, { 4096, "4 KiB" }, { 1536, "1.5 KiB" }, { 64ULL << 30, "64 GiB" },
		{ 1ULL << 40, "1 TiB" },
	};
	static const char *const good[] = { "123", "a", "Vm_1-x" };
	static const char *const bad[] = { "", ".", "..", "a.b", "a/b", "a b", "\xc3\xa9", "a\n" };
	char name[HCP_NAME_LEN + 1], buf[32];
	int value;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t bytes = 0;
		bool ok = parse_size(sizes[i].text, &bytes);

		tap_ok(ok == !!sizes[i].bytes && bytes == sizes[i].bytes, "size '%s' is %s",
		       sizes[i].text, sizes[i].bytes ? "taken" : "refused");
	}
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		check_text(size_text(buf, shown[i].bytes), shown[i].text, "a size for people");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		tap_ok(valid_name(good[i]), "name '%s' is taken", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		tap_ok(!valid_name(bad[i]), "bad name %zu is refused", i);
	memset(name, 'a', sizeof(name));
	name[HCP_NAME_LEN] = 0;
	tap_ok(!valid_name(name), "a name of 64 is refused");
	name[HCP_NAME_LEN - 1] = 0;
	tap_ok(valid_name(name), "a name of 63 is taken");
	tap_ok(parse_int("0", &value) && !value && !parse_int("2147483648", &value) &&
	       !parse_int("1x", &value) && !parse_int("-1", &value) && !parse_int("", &value),
	       "numbers are taken whole or not at all");
}

/* Run the binary with words; stdout and stderr in one. */
static int run(char *out, size_t size, const char *words, const char *redirect)
{
	char line[1024];
	int status;
	size_t n;
	FILE *p;

	snprintf(line, sizeof(line), "'%s' %s %s", binary, redirect, words);
	p = popen(line, "r");
	if (!p)
		return -1;
	n = fread(out, 1, size - 1, p);
	out[n] = 0;
	status = pclose(p);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void check_run(const char *words, int status, const char *says)
{
	char out[8192];
	int got = run(out, sizeof(out), words, "2>&1");
	bool ok = got == status && strstr(out, says);

	tap_ok(ok, "hcpolicy %s: status %d, \"%s\"", words, status, says);
	if (!ok)
		printf("# status %d: %s\n", got, out);
}

/* By a policy that is there, and for more than it can cover, so that it never attaches. */
static void check_attach(int pid, const char *options, const char *says)
{
	char words[512];

	snprintf(words, sizeof(words), "attach %.*s/../bpf/bitmap.bpf.o --max-gpa 5000T --pid %d %s",
		 (int)(strrchr(binary, '/') - binary), binary, pid, options);
	check_run(words, 1, says);
}

static void test_usage(void)
{
	check_run("", 2, "see hcpolicy --help");
	check_run("nonsense", 2, "unknown command 'nonsense': see hcpolicy --help");
	check_run("atach bitmap", 2, "unknown command 'atach': did you mean attach?");
	check_run("--nonsense list", 2, "unknown option '--nonsense': see hcpolicy --help");
	check_run("attach bitmap --max-gap 1G", 2, "unknown option '--max-gap': did you mean --max-gpa?");
	check_run("attach bitmap --nmae=x", 2, "unknown option '--nmae': did you mean --name?");
	check_run("list --jsno", 2, "unknown option '--jsno': did you mean --json?");
	check_run("list -x", 2, "unknown option '-x': see hcpolicy --help");
	check_run("list --json=1", 2, "takes no argument");
	check_run("list --pid 1", 2, "list takes no --pid");
	check_run("list me", 2, "too many arguments");
	check_run("show", 2, "too few arguments; usage: hcpolicy show NAME");
	check_run("show ../x", 2, "cannot be a name");
	check_run("save vm", 2, "usage: hcpolicy save NAME FILE");
	check_run("restore ../x file", 2, "cannot be a name");
	check_run("draw vm --follow --svg x", 2, "do not go together");
	check_run("draw vm --svg", 2, "--svg needs an argument");
	check_run("ranges vm --force", 2, "ranges takes no --force");
	check_run("save --help", 0, "`hcpolicy help save` has the rest");
	check_run("save vm file --any-label", 2, "save takes no --any-label");
	check_run("restore vm file --running --with-its-guest", 2, "do not go together");
	check_run("save vm file --with-its-guest", 2, "save takes no --with-its-guest");
	check_run("restore vm file --with-its-guest=1", 2, "takes no argument");
	check_run("new", 2, "too few arguments; usage: hcpolicy new POLICY");
	check_run("new mine --from", 2, "--from needs an argument");
	check_run("attach bitmap --from quota", 2, "attach takes no --from");
	check_run("new --help", 0, "What is copied is in $HCPOLICY_SOURCES");
	check_run("attach bitmap", 2, "attach needs --pid");
	check_run("attach bitmap --pid", 2, "--pid needs an argument");
	check_run("attach bitmap --pid 0", 2, "a process id is meant");
	check_run("attach bitmap --pid 1x", 2, "a process id is meant");
	check_run("attach bitmap --pid 1 --vm-fd -1", 2, "number of a descriptor is meant");
	check_run("attach bitmap --pid 1 --max-gpa 1Q", 2, "a size is meant");
	check_run("attach bitmap --pid 1 --wait=soon", 2, "a number of seconds is meant, from 1 on");
	check_run("attach bitmap --pid 1 --wait 5", 2, "too many arguments; usage: hcpolicy attach POLICY --pid PID; "
		  "--wait takes its seconds behind a =: --wait=SECONDS");
	check_run("metrics a b", 2, "too many arguments; usage: hcpolicy metrics [FILE]");
	check_run("metrics -j", 2, "hcpolicy list -j and show -j have JSON");
	check_run("auto", 2, "auto needs --pid");
	check_run("auto --pid 1 -j", 2, "hcpolicy list -j has JSON");
	check_run("watch", 2, "too few arguments; usage: hcpolicy watch NAME");
	check_run("watch --all vm", 2, "too many arguments");
	check_run("attach bitmap --pid 1 --name a.b", 2, "--name 'a.b'");
	check_run("attach bitmap --pid 1 --param x", 2, "KEY=VALUE is meant");
	check_run("attach nosuch --pid 2147483646", 1, "no nosuch.bpf.o");
	check_attach(2147483646, "", "no process 2147483646");
	check_run("--help", 0, "Usage: hcpolicy COMMAND");
	check_run("help", 0, "Usage: hcpolicy COMMAND");
	check_run("help atach", 2, "unknown command 'atach': did you mean attach?");
	check_run("attach --help", 0, "Usage: hcpolicy attach POLICY --pid PID");
	check_run("-V", 0, "hcpolicy " HCP_VERSION);
	check_run("probe -j > /dev/full", 1, "write failed");
	check_run("--help > /dev/full", 1, "write failed");
	check_run("attach --help > /dev/full", 1, "write failed");
	check_run("--version > /dev/full", 1, "write failed");
	check_run("--version -j > /dev/full", 1, "write failed");
}

/* Whatever else this machine can do. */
static void test_probe(void)
{
	char dir[] = "/tmp/loader-unit.XXXXXX", path[64], pipe[64], out[8192], *line;
	FILE *file;

	tap_ok(mkdtemp(dir), "a folder for what are no policies");
	snprintf(path, sizeof(path), "%s/junk.bpf.o", dir);
	snprintf(pipe, sizeof(pipe), "%s/pipe.bpf.o", dir);
	file = fopen(path, "w");
	tap_ok(file && fputs("no BPF object", file) >= 0 && !fclose(file) && !mkfifo(pipe, 0600),
	       "a file and a pipe that have the name of one");
	setenv("HCPOLICY_PATH", dir, 1);
	run(out, sizeof(out), "probe", "2>&1");
	unsetenv("HCPOLICY_PATH");
	line = strstr(out, "policies   ");
	tap_ok(line && !strncmp(line - 4, "no ", 3) && strstr(line, "junk.bpf.o is not a BPF object") &&
	       strstr(line, "pipe.bpf.o is not a file"), "probe: what is no policy is named, and why");
	tap_ok(!unlink(path) && !unlink(pipe) && !rmdir(dir), "nothing is left of it");
}

static void test_json(void)
{
	/* Right and wrong lines, with the option in every place: one document each. */
	static const struct { const char *words; bool error; } lines[] = {
		{ "probe -j", false }, { "-p probe", false }, { "--json --version", false },
		{ "-j", true }, { "nonsense -j", true }, { "--nonsense list --pretty", true },
		{ "show -j", true }, { "attach bitmap --pid 2147483646 -j", true },
	};
	char out[8192];

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct json_object *json, *error;
		int status = run(out, sizeof(out), lines[i].words, "");
		bool ok;

		json = json_tokener_parse(out);
		ok = json_object_is_type(json, json_type_object) &&
		     json_object_object_get_ex(json, "error", &error) == lines[i].error &&
		     (!lines[i].error || status);
		tap_ok(ok, "hcpolicy %s: one JSON document, %s error", lines[i].words,
		       lines[i].error ? "an" : "no");
		if (!ok)
			printf("# status %d: %s\n", status, out);
		json_object_put(json);
	}
}

/* This process is the VMM: without a VM, with two, one of them twice. */
static void test_find_vm(void)
{
	static const char found[] = "the highest guest address is";
	char options[32], says[256];
	int kvm, a, b, again;

	snprintf(says, sizeof(says), "process %d (loader-unit) has no KVM VM open", getpid());
	check_attach(getpid(), "", says);

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	a = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
	b = a < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
	if (b < 0) {
		tap_unknown("a VM is found in its process", "no usable /dev/kvm");
		return;
	}
	/* The children must not have them: only this process is to be looked at. */
	fcntl(a, F_SETFD, FD_CLOEXEC);
	fcntl(b, F_SETFD, FD_CLOEXEC);
	again = fcntl(a, F_DUPFD_CLOEXEC, 0);
	snprintf(says, sizeof(says), "has 2 KVM VMs open: say which with --vm-fd: %d, %d", a, b);
	check_attach(getpid(), "", says);
	snprintf(options, sizeof(options), "--vm-fd %d", kvm);
	snprintf(says, sizeof(says), "descriptor %d is not a KVM VM; its VMs: %d, %d", kvm, a, b);
	check_attach(getpid(), options, says);
	snprintf(options, sizeof(options), "--vm-fd %d", again);
	check_attach(getpid(), options, found);
	close(b);
	check_attach(getpid(), "", found);
	close(a);
	close(again);
	close(kvm);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: loader-unit HCPOLICY\n");
		return 2;
	}
	binary = argv[1];
	unsetenv("HCPOLICY_PATH");
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_picture();
	test_cells(1);
	test_ranges();
	test_svg();
	test_diff();
	test_trace();
	test_files();
	test_follow();
	test_terminal();
	test_stopped();
	test_awaits_guest();
	test_printable();
	test_words();
	test_nearest();
	test_probe();
	test_usage();
	test_json();
	test_find_vm();
	return tap_end();
}
