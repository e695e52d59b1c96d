// SPDX-License-Identifier: GPL-2.0
/*
 * watch --all: watch-all.h.  Nothing tells that an attachment was made, so they are looked for once
 * a second.  Each begins with all that is shared, so nothing is missing from what comes later.
 *
 * The id of the link is what identifies an attachment: one may get its name a moment after it was
 * made, and a name is used again.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include "every.h"
#include "fate.h"
#include "loader.h"
#include "state.h"
#include "watch-all.h"
#include "watched.h"

#define SCAN_NS		1000000000ULL
#define ENDED_MS	20	/* how often the fate of a VM is asked for */

struct one {
	struct watched w;		/* policy NULL: it was replaced, or could not be opened */
	const char *why;		/* to print all that is shared */
	uint32_t ops_id;		/* tells that one without events was replaced */
	uint64_t ended;			/* when that was noticed; 0: it has not */
	bool failed;			/* could not be opened, and said so */
	bool seen;			/* by this scan */
};

struct all {
	struct one **list;
	size_t n;
	struct pollfd *fds;		/* two of each: its events, and its link */
	struct json_object *warned;	/* by names: what each was last warned of */
	bool failed;
};

static struct one *find(const struct all *all, const char *name, uint32_t id)
{
	for (size_t i = 0; i < all->n; i++) {
		struct one *one = all->list[i];

		/* What has ended may have given its name to another one already. */
		if ((id && one->w.id == id) || (name && !one->ended && !strcmp(one->w.name, name)))
			return one;
	}
	return NULL;
}

static struct one *add(struct all *all)
{
	struct one *one = calloc(1, sizeof(*one));

	all->list = realloc(all->list, (all->n + 1) * sizeof(*all->list));
	all->fds = realloc(all->fds, (all->n + 1) * 2 * sizeof(*all->fds));
	if (!one || !all->list || !all->fds)
		abort();
	one->w.several = true;
	one->why = "it begins";
	all->list[all->n++] = one;
	return one;
}

static void drop(struct all *all, size_t i)
{
	watched_end(&all->list[i]->w);
	free(all->list[i]);
	all->list[i] = all->list[--all->n];
}

static void say_error(struct one *one)
{
	struct json_object *item;

	if (!out_json)
		return;		/* standard error has it */
	item = json_object_new_object();
	if (*one->w.name)
		put_str(item, "name", one->w.name);
	json_object_object_add(item, "error", err_take());
	watched_put(&one->w, item);
}

/*
 * What the scan warns of is about the attachment that it has just opened, and not about the one whose
 * line is next.  Each scan opens what is not watched, and may warn of it again; that is told once.
 */
static void say_warnings(struct all *all, const struct attachment *a)
{
	const char *key = a->name ?: "";
	struct json_object *warnings = warn_take(), *item;

	if (!warnings && a->policy)
		json_object_object_del(all->warned, key);
	if (!warnings)
		return;
	if (json_object_equal(json_object_object_get(all->warned, key), warnings)) {
		json_object_put(warnings);
		return;
	}
	json_object_object_add(all->warned, key, json_object_get(warnings));
	item = json_object_new_object();
	if (a->name)
		put_str(item, "name", a->name);
	if (a->id)
		put_u64(item, "link_id", a->id);
	json_object_object_add(item, "warnings", warnings);
	out_value(item);
}

static void say_attached(struct one *one, bool sends_events)
{
	const struct hcp_info copy = info_copy(one->w.policy), *info = &copy;
	struct json_object *item;

	if (!out_json) {
		watched_line(&one->w);
		printf("policy '%s' of process %d%s\n", info->policy, info->pid,
		       sends_events ? "" : ", which sends no events");
		return;
	}
	item = watched_item(&one->w);
	put_str(item, "policy", info->policy);
	put_str(item, "label", info->label);
	put_u64(item, "pid", info->pid);
	put_bool(item, "sends_events", sends_events);
	watched_put(&one->w, item);
}

static void begin(struct one *one)
{
	const struct hcp_info copy = info_copy(one->w.policy), *info = &copy;
	bool sends_events = hcpolicy__map_fd(one->w.policy, HCP_MAP_EVENTS "0") >= 0;

	one->ops_id = info->ops_id;
	say_attached(one, sends_events);
	if (!sends_events || watched_begin(&one->w, one->why))
		return;
	err("link id %u (policy '%s'): its events: %s", one->w.id, info->policy, strerror(errno));
	say_error(one);
}

static bool known(void *ctx, const char *name, uint32_t id)
{
	struct one *one = find(ctx, name, id);

	if (one)
		one->seen = true;
	return one && (one->w.policy || one->failed);
}

static void found(void *ctx, struct attachment *a)
{
	struct all *all = ctx;
	struct one *one = find(all, a->name, a->id);

	say_warnings(all, a);
	if (!a->name && !a->id) {
		all->failed = true;
		return;
	}
	/* Of what has ended, or keeps no set that this version can read, there is nothing to tell. */
	if (a->gone || (a->policy && !(hcpolicy__attached(a->policy) && hcpolicy__set(a->policy))))
		return;
	one = one ?: add(all);
	one->seen = true;
	if (a->name)
		strcpy(one->w.name, a->name);
	if (!a->policy) {
		one->failed = true;
		say_error(one);
	} else if (!one->w.policy) {
		one->w.id = a->id;
		watched_take(&one->w, a->policy);
		a->policy = NULL;
		begin(one);
	}
}

static void scan(struct all *all)
{
	for (size_t i = 0; i < all->n; i++)
		all->list[i]->seen = false;
	pins_mark_foreign();
	say_warnings(all, &(struct attachment) {});
	every_attachment(&(struct every) {
		.unnamed = true, .known = known, .fn = found, .ctx = all,
	});
	for (size_t i = all->n; i--; ) {
		struct one *one = all->list[i];

		if (one->w.policy || (one->failed && one->seen))
			continue;
		if (!one->failed)
			watched_say_ended(&one->w, true);
		drop(all, i);
	}
}

/* What one of them has to tell.  False: it has ended. */
static bool look(struct one *one, bool ended)
{
	int err = 0;

	if (one->w.events)
		err = hcpolicy__events_consume(one->w.events);
	else if (hcpolicy__info(one->w.policy)->ops_id != one->ops_id)
		err = -ESTALE;
	if (ended)
		return false;
	/* The scan opens it again. */
	if (err == -ESTALE) {
		one->why = "the policy was replaced";
		watched_end(&one->w);
	}
	return true;
}

/* One that has ended is dropped when that was told.  False: its VM's fate is not known yet. */
static bool say_ended(struct all *all, size_t i)
{
	struct one *one = all->list[i];

	if (!watched_say_ended(&one->w, clock_ns(CLOCK_MONOTONIC) >= one->ended + FATE_NS))
		return false;
	drop(all, i);
	return true;
}

/* An end that was noticed is told, also after an interrupt. */
static void drop_all(struct all *all)
{
	while (all->n) {
		if (!all->list[all->n - 1]->ended)
			drop(all, all->n - 1);
		else if (!say_ended(all, all->n - 1))
			poll(NULL, 0, ENDED_MS);
	}
}

/* Several descriptors each, and there may be thousands. */
static void more_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void wait_for_events(struct all *all, int ms)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct one *one = all->list[i];
		const struct watched *w = &one->w;

		/* poll() leaves out what is negative. */
		all->fds[2 * i] = (struct pollfd) {
			.fd = w->events && !one->ended ? hcpolicy__events_fd(w->events) : -1, .events = POLLIN,
		};
		all->fds[2 * i + 1] = (struct pollfd) {
			.fd = w->policy && !one->ended ? hcpolicy__link_fd(w->policy) : -1,
		};
		if (one->ended && ms > ENDED_MS)
			ms = ENDED_MS;
	}
	poll(all->fds, 2 * all->n, ms);
}

bool watch_all(const volatile sig_atomic_t *stop)
{
	uint64_t now, next = 0;
	struct all all = { .warned = json_object_new_object() };
	bool every;

	out_pretty = false;	/* a document a line */
	more_descriptors();
	while (!*stop && !all.failed) {
		now = clock_ns(CLOCK_MONOTONIC);
		/* A last event that is lost wakes nobody, so now and then all are looked at. */
		every = now >= next;
		if (every) {
			scan(&all);
			next = now + SCAN_NS;
		}
		if (fflush(stdout) || ferror(stdout))
			break;
		wait_for_events(&all, (next - now) / 1000000);
		for (size_t i = all.n; i--; ) {
			struct one *one = all.list[i];
			bool ended = all.fds[2 * i + 1].revents;

			if (one->ended)
				say_ended(&all, i);
			else if (one->w.policy && (every || ended || all.fds[2 * i].revents) && !look(one, ended))
				one->ended = clock_ns(CLOCK_MONOTONIC);
		}
	}
	drop_all(&all);
	free(all.list);
	free(all.fds);
	json_object_put(all.warned);
	return !all.failed;
}
