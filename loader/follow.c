// SPDX-License-Identifier: GPL-2.0
/*
 * draw --follow: shows once a second how much the guest converts, and its memory map.  A
 * terminal that can move its cursor shows them in one place; other output gets a line each
 * time; -j gives one array.  It ends with the VM or with Ctrl-C.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "diff.h"
#include "draw.h"
#include "loader.h"
#include "out.h"
#include "state.h"

/* Lines around the rows of a picture: title, rates, legend, sum, and the cursor's line. */
#define OTHER_LINES	5

struct view {
	struct hcpolicy *policy;
	struct draw_style style;
	bool terminal;
	struct set_diff diff;
	struct out_array array;
	struct timespec last;
	uint64_t requests;
	double seconds, request_rate, change_rate;
	bool had_count;		/* there was a count at the last look */
	bool counted;		/* and at this one, so there is a rate */
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = 1;
}

/* All requests that the kernel has answered.  The "bad" counters are already in DEFAULT. */
static bool count_requests(const struct hcpolicy *policy, uint64_t *requests)
{
	static const char *const outcomes[] = { "handled", "default", "retry", "refused" };
	struct json_object *counters, *value;
	const char *why;

	counters = counters_read(policy, &why);
	if (!counters)
		return false;
	*requests = 0;
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(*outcomes); i++) {
		if (json_object_object_get_ex(counters, outcomes[i], &value))
			*requests += json_object_get_uint64(value);
	}
	json_object_put(counters);
	return true;
}

/* If root has reset a counter in debugfs, there is no rate. */
static double rate(uint64_t now, uint64_t before, double seconds)
{
	return now >= before && seconds > 0 ? (now - before) / seconds : 0;
}

static void measure(struct view *v)
{
	uint64_t requests = 0, changed = set_diff_count(&v->diff);
	bool have = count_requests(v->policy, &requests);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	v->seconds = now.tv_sec - v->last.tv_sec + (now.tv_nsec - v->last.tv_nsec) / 1e9;
	v->counted = have && v->had_count;
	v->request_rate = rate(requests, v->requests, v->seconds);
	v->change_rate = rate(changed, 0, v->seconds);
	v->last = now;
	v->requests = requests;
	v->had_count = have;
}

static void put_rates(FILE *file, const struct view *v)
{
	if (v->counted)
		fprintf(file, "%.0f requests/s, ", v->request_rate);
	fprintf(file, "%.0f pages/s changed", v->change_rate);
}

static void show_json(struct view *v, const struct draw_grid *grid)
{
	struct json_object *obj = json_object_new_object();

	if (v->counted)
		json_object_object_add(obj, "requests_per_second",
				       json_object_new_double(v->request_rate));
	json_object_object_add(obj, "changed_pages_per_second",
			       json_object_new_double(v->change_rate));
	put_u64(obj, "shared_pages", grid->shared);
	put_u64(obj, "shared_ranges", grid->ranges);
	put_state(obj, v->policy);
	out_array_item(&v->array, obj);
}

static void show_terminal(const struct view *v, const struct draw_grid *grid)
{
	const struct hcp_info copy = info_copy(v->policy), *info = &copy;
	char state[256];

	/* Go home and clear the screen, because the picture can become smaller. */
	fputs("\033[H\033[J", stdout);
	state_text(state, sizeof(state), v->policy);
	printf("%s (policy %s, process %d), %s\n", info->name, info->policy, info->pid, state);
	put_rates(stdout, v);
	fputs("   (Ctrl-C ends)\n", stdout);
	draw_print(stdout, grid, &v->style);
}

static void show_line(const struct view *v, const struct draw_grid *grid)
{
	char clock[16];
	time_t now = time(NULL);

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&now));
	printf("%s  ", clock);
	put_rates(stdout, v);
	fputs(", ", stdout);
	draw_summary(stdout, grid);
	fputc('\n', stdout);
}

static int show(struct view *v, unsigned int width)
{
	unsigned int height = DRAW_HEIGHT;
	struct draw_grid grid;
	struct winsize size;
	int error;

	if (v->terminal && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row > OTHER_LINES &&
	    size.ws_row - OTHER_LINES < DRAW_HEIGHT)
		height = size.ws_row - OTHER_LINES;
	error = draw_read(&grid, hcpolicy__set(v->policy), width, height);
	if (error)
		return error;
	if (out_json)
		show_json(v, &grid);
	else if (v->terminal)
		show_terminal(v, &grid);
	else
		show_line(v, &grid);
	free(grid.cells);
	return fflush(stdout) || ferror(stdout) ? -EIO : 0;
}

int draw_follow(struct hcpolicy *policy, const struct draw_style *style,
		unsigned int (*width)(void))
{
	/* SA_RESTART: a write to a slow terminal goes on, and poll() ends nevertheless. */
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct pollfd link = { .fd = hcpolicy__link_fd(policy) };
	struct view v = { .policy = policy, .style = *style, .terminal = out_terminal() };
	int error;

	error = set_diff_begin(&v.diff, hcpolicy__set(policy));
	if (error) {
		err("draw: %s", strerror(-error));
		return error;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (out_json)
		out_array_begin(&v.array, stdout, out_pretty);
	measure(&v);
	while (!stop && !error) {
		/* A hang-up is the VM's end or a detach.  A signal ends the wait too. */
		poll(&link, 1, 1000);
		if (stop)
			break;
		measure(&v);
		error = show(&v, width());
		if (link.revents)
			break;
	}
	if (error)
		err("draw: %s", strerror(-error));
	if (out_json)
		out_array_end(&v.array);
	else if (link.revents)
		puts("the policy has ended, with its VM or by a detach");
	set_diff_end(&v.diff);
	return error;
}
