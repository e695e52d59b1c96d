// SPDX-License-Identifier: GPL-2.0
/* Points at which a migration stands still until it is told to go on. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "points.h"

static char stops[128];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static unsigned int goes;

bool points_option(const char *word, struct migrate_opts *opts)
{
	if (strncmp(word, "stops=", 6) || strlen(word + 6) >= sizeof(stops))
		return false;
	strcpy(stops, word + 6);
	goes = 0;
	/* Only rounds= may end it. */
	opts->downtime_ms = 0;
	return true;
}

/* Only for this migration, not for one before it. */
static char *find(const struct migration *m, const char *text)
{
	return m->opts.downtime_ms ? NULL : strstr(stops, text);
}

bool points_leave(const struct migration *m)
{
	return find(m, "leave");
}

void point_of_page(struct migration *m, uint64_t gfn)
{
	const char *page = find(m, "page=");

	if (page && strtoull(page + 5, NULL, 0) / PAGE_SIZE == gfn)
		point(m, "status", m->round);
}

/* The test may be slow, and the target must not give us up meanwhile. */
static void ping(struct migration *m)
{
	if (!conn_put(&m->conn, FRAME_PING, NULL, 0, NULL, 0))
		conn_flush(&m->conn);
}

static void wait_for_go(struct migration *m)
{
	struct timespec end;

	pthread_mutex_lock(&lock);
	while (!goes) {
		clock_gettime(CLOCK_MONOTONIC, &end);
		end.tv_sec++;
		if (pthread_cond_clockwait(&cond, &lock, CLOCK_MONOTONIC, &end) && !goes) {
			pthread_mutex_unlock(&lock);
			ping(m);
			pthread_mutex_lock(&lock);
		}
	}
	goes--;
	pthread_mutex_unlock(&lock);
}

void point(struct migration *m, const char *name, unsigned int round)
{
	char want[64], *at;

	snprintf(want, sizeof(want), "%s:*", name);
	if (!find(m, want)) {
		snprintf(want, sizeof(want), "%s:%u", name, round);
		at = find(m, want);
		if (!at || (at != stops && at[-1] != ','))
			return;
		/* Once each. */
		at[0] = '-';
	}
	fprintf(m->out, "at %s\n", want);
	fflush(m->out);
	wait_for_go(m);
}

void points_go(void)
{
	pthread_mutex_lock(&lock);
	goes++;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
}
