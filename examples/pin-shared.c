// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * pin-shared NAME: keep a host-side map of exactly what a guest shares, as the owner of a device
 * needs that may reach shared memory only (VFIO, IOMMU).  Copy it: the work is in map() and
 * unmap(), which here only count.
 *
 *	hcpolicy attach notify --pid PID --name NAME
 *	cc pin-shared.c -o pin-shared $(pkg-config --cflags --libs hcpolicy)
 *
 * The rule: the set is the truth, and an event says where to look.  So whatever an event says, its
 * range is made as the set has it now; and all of it is when events were lost.  A change comes
 * into the set before its event is sent, so the last look at a range sees its last change.
 *
 * What this cannot do: the guest does not wait for it.  A page that was just hidden is mapped until
 * its event has been read, and one that was just shared is not.  Who needs the map to be right when
 * the guest goes on has to take the exits (exit-filter).
 *
 * SIGUSR1 compares the map with the set, and so does the end; the status is 0 if they are the same,
 * and 1 if not, or after an error.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#include <hcpolicy/events.h>

/* Pages [gfn, end), mapped by one call of map(). */
struct mapping {
	uint64_t gfn, end;
};

static struct mapping *maps;	/* sorted */
static size_t nmaps, room;
static uint64_t pinned;		/* pages */
static const struct hcp_set *set;

/*
 * In earnest: VFIO_IOMMU_MAP_DMA with .iova = gfn * 4096, .size, and .vaddr where this memory of
 * the guest is in our process.  That pins the pages.
 */
static void map(const struct mapping *m)
{
	pinned += m->end - m->gfn;
}

/* VFIO_IOMMU_UNMAP_DMA: always of a whole mapping, as VFIO cannot divide one. */
static void unmap(const struct mapping *m)
{
	pinned -= m->end - m->gfn;
}

/* The first mapping that ends after gfn. */
static size_t find(uint64_t gfn)
{
	size_t low = 0, high = nmaps, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (maps[mid].end > gfn)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static void add(size_t i, uint64_t gfn, uint64_t end)
{
	if (nmaps == room) {
		room = room ? 2 * room : 64;
		maps = realloc(maps, room * sizeof(*maps));
		if (!maps)
			abort();
	}
	memmove(&maps[i + 1], &maps[i], (nmaps++ - i) * sizeof(*maps));
	maps[i] = (struct mapping) { gfn, end };
	map(&maps[i]);
}

static void take_away(size_t i)
{
	unmap(&maps[i]);
	memmove(&maps[i], &maps[i + 1], (--nmaps - i) * sizeof(*maps));
}

/* Map what is not mapped of [gfn, end).  What is stays as it is: a device may be using it. */
static void pin(uint64_t gfn, uint64_t end)
{
	size_t i = find(gfn);
	uint64_t stop;

	while (gfn < end) {
		stop = i < nmaps && maps[i].gfn < end ? maps[i].gfn : end;
		if (gfn < stop)
			add(i++, gfn, stop);
		if (stop == end)
			return;
		gfn = maps[i++].end;
	}
}

/* Of a mapping that reaches beyond [gfn, end), the rest is mapped anew. */
static void unpin(uint64_t gfn, uint64_t end)
{
	size_t i = find(gfn);

	while (i < nmaps && maps[i].gfn < end) {
		struct mapping m = maps[i];

		take_away(i);
		if (m.gfn < gfn)
			add(i++, m.gfn, gfn);
		if (m.end > end)
			add(i++, end, m.end);
	}
}

/* Make [gfn, end) as the set has it now.  hcp_set__next() merges neighbours. */
static void look(uint64_t gfn, uint64_t end)
{
	struct hcp_range r = { .gfn = gfn };

	while (gfn < end && hcp_set__next(set, &r) && r.gfn < end) {
		uint64_t stop = r.gfn + r.npages < end ? r.gfn + r.npages : end;

		unpin(gfn, r.gfn);
		pin(r.gfn, stop);
		gfn = stop;
	}
	if (gfn < end)
		unpin(gfn, end);
}

static void look_at_all(const char *why)
{
	look(0, hcp_set__npages(set));
	printf("%s: %" PRIu64 " bytes in %zu mappings\n", why, pinned << HCP_PAGE_SHIFT, nmaps);
}

static void on_event(void *ctx, const struct hcp_event *event)
{
	uint64_t end = hcp_set__npages(set);

	if (!event)
		look_at_all("events were lost");
	else if (event->gfn < end)
		look(event->gfn, event->npages < end - event->gfn ? event->gfn + event->npages : end);
}

/* Are exactly the shared pages mapped?  *gfn: the first one that is not as it should be. */
static bool is_right(uint64_t *gfn)
{
	struct hcp_range r = {};
	uint64_t at = 0;
	size_t i = 0;

	while (hcp_set__next(set, &r)) {
		if (i < nmaps && maps[i].gfn < r.gfn)
			break;
		for (at = r.gfn; at < r.gfn + r.npages; at = maps[i++].end) {
			if (i == nmaps || maps[i].gfn != at || maps[i].end > r.gfn + r.npages) {
				*gfn = at;
				return false;
			}
		}
	}
	*gfn = i < nmaps ? maps[i].gfn : 0;
	return i == nmaps;
}

/* While the guest runs, a request may be in the set and its event not yet read: look again then. */
static bool compare(struct hcpolicy_events *events)
{
	uint64_t gfn = 0;
	bool right = false;
	int i;

	for (i = 0; i < 100 && !right; i++) {
		hcpolicy__events_consume(events);
		right = is_right(&gfn);
		if (!right)
			nanosleep(&(struct timespec) { .tv_nsec = 10000000 }, NULL);
	}
	printf("pinned %" PRIu64 " bytes in %zu mappings, ", pinned << HCP_PAGE_SHIFT, nmaps);
	if (right)
		printf("exactly what is shared\n");
	else
		printf("not what is shared at 0x%" PRIx64 "\n", gfn << HCP_PAGE_SHIFT);
	return right;
}

/* Until the policy ends, or SIGTERM or SIGINT comes.  A replacement goes on with the same set. */
static bool follow(struct hcpolicy *policy, struct hcpolicy_events *events, int signals, bool *replaced)
{
	struct pollfd fds[] = {
		{ .fd = hcpolicy__events_fd(events), .events = POLLIN },
		{ .fd = hcpolicy__link_fd(policy) },
		{ .fd = signals, .events = POLLIN },
	};
	struct signalfd_siginfo signal = {};
	int err;

	for (;;) {
		fflush(stdout);
		/* Once a second in any case: see hcpolicy__events_consume(). */
		poll(fds, 3, 1000);
		err = hcpolicy__events_consume(events);
		*replaced = err == -ESTALE;
		if (err < 0 && !*replaced)
			fprintf(stderr, "pin-shared: its events: %s\n", strerror(-err));
		if (err < 0)
			return *replaced;
		if (fds[2].revents && read(signals, &signal, sizeof(signal)) == sizeof(signal)) {
			if (signal.ssi_signo != SIGUSR1)
				return compare(events);
			compare(events);
		}
		if (fds[1].revents)
			return compare(events);
	}
}

static void print_error(void *ctx, const char *line)
{
	fprintf(stderr, "pin-shared: %s\n", line);
}

int main(int argc, char **argv)
{
	struct hcpolicy_opts opts = { .sz = sizeof(opts), .log = print_error };
	bool right, replaced = false;
	int signals;
	sigset_t mask;

	if (argc != 2) {
		fprintf(stderr, "usage: pin-shared NAME\n");
		return 2;
	}
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signals = signalfd(-1, &mask, SFD_CLOEXEC);

	do {
		struct hcpolicy *policy = hcpolicy__open_pinned(argv[1], &opts);
		struct hcpolicy_events *events = hcpolicy__events_new(policy, on_event, NULL);

		if (!events) {
			hcpolicy__close(policy);
			return 1;
		}
		set = hcpolicy__set(policy);
		look_at_all(replaced ? "replaced" : "begins");
		right = follow(policy, events, signals, &replaced);
		hcpolicy__events_free(events);
		hcpolicy__close(policy);
	} while (replaced);
	return !right;
}
