// SPDX-License-Identifier: GPL-2.0
/*
 * The set of shared pages in userspace beside what one would take instead:
 *
 *	set		instructions, under icount; memory; and who is right
 *	set threads	do two threads hinder each other?  On a machine with two processors
 *	set bpf		the time of updates by BPF, over the library's; on any machine
 *
 * Tables: set (what updates and scans cost), lookup (what it costs to ask for one page),
 * right (random traces, replayed in a byte per page too: how many ended in another set),
 * threads, bpf.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <hcpolicy/tracker.h>

#include "bench.h"
#include "../selftests/vm.h"

#define rival_alloc(size)	malloc(size)
#define rival_free(p)		free(p)
#include "rivals.h"

#define GIB	(1ULL << 18)	/* in pages */

struct kind {
	const char *name;
	void *(*new)(uint64_t npages);
	void (*update)(void *set, uint64_t gfn, uint64_t npages, bool shared);
	bool (*test)(void *set, uint64_t gfn);
	/* How many pages are shared.  NULL: see native.c for what it costs. */
	uint64_t (*scan)(void *set);
	void (*free)(void *set);
	bool locked;			/* two threads need a lock */
};

static uint64_t rnd(void)
{
	static _Thread_local uint64_t x = 0x9e3779b97f4a7c15;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/* The library's. */

static void *lib_new(uint64_t npages)
{
	return hcp_set__new(npages);
}

static void lib_update(void *set, uint64_t gfn, uint64_t npages, bool shared)
{
	hcp_set__update(set, gfn, npages, shared);
}

static bool lib_test(void *set, uint64_t gfn)
{
	return hcp_set__test(set, gfn);
}

static uint64_t lib_scan(void *set)
{
	struct hcp_range r = {};
	uint64_t n = 0;

	while (hcp_set__next(set, &r))
		n += r.npages;
	return n;
}

static void lib_free(void *set)
{
	hcp_set__free(set);
}

/* Bitmaps: of today, and of 2021, whose ones are private. */

struct bits {
	uint64_t nwords;
	__u64 words[];
};

static void *bits_new(uint64_t npages)
{
	struct bits *b = calloc(1, sizeof(*b) + npages / 8);

	b->nwords = npages / 64;
	return b;
}

static void *bits21_new(uint64_t npages)
{
	struct bits *b = bits_new(npages);

	memset(b->words, 0xff, npages / 8);
	return b;
}

static void bits_update(void *set, uint64_t gfn, uint64_t npages, bool shared)
{
	rival_bits_update(((struct bits *)set)->words, gfn, npages, shared);
}

static void bits21_update(void *set, uint64_t gfn, uint64_t npages, bool shared)
{
	rival_bits21_update(((struct bits *)set)->words, gfn, npages, shared);
}

static bool bits_test(void *set, uint64_t gfn)
{
	return ((struct bits *)set)->words[gfn / 64] >> gfn % 64 & 1;
}

static bool bits21_test(void *set, uint64_t gfn)
{
	return !bits_test(set, gfn);
}

static uint64_t bits_scan(void *set)
{
	struct bits *b = set;
	uint64_t i, n = 0;

	for (i = 0; i < b->nwords; i++) {
		if (b->words[i])
			n += __builtin_popcountll(b->words[i]);
	}
	return n;
}

/* A hash of the shared pages, gfn + 1, half full at most. */

struct hash {
	uint64_t size, used, *keys;
};

static void *hash_new(uint64_t npages)
{
	struct hash *h = calloc(1, sizeof(*h));

	h->size = 1024;
	h->keys = calloc(h->size, sizeof(*h->keys));
	return h;
}

static uint64_t hash_home(const struct hash *h, uint64_t key)
{
	return key * 0x9e3779b97f4a7c15 >> 20 & (h->size - 1);
}

static uint64_t hash_find(const struct hash *h, uint64_t key)
{
	uint64_t i = hash_home(h, key);

	while (h->keys[i] && h->keys[i] != key)
		i = (i + 1) & (h->size - 1);
	return i;
}

static void hash_grow(struct hash *h)
{
	struct hash old = *h;
	uint64_t i;

	h->size *= 2;
	h->keys = calloc(h->size, sizeof(*h->keys));
	for (i = 0; i < old.size; i++) {
		if (old.keys[i])
			h->keys[hash_find(h, old.keys[i])] = old.keys[i];
	}
	free(old.keys);
}

/* Those after the hole that would not be found any more move into it. */
static void hash_remove(struct hash *h, uint64_t i)
{
	uint64_t j = i, mask = h->size - 1;

	for (;;) {
		j = (j + 1) & mask;
		if (!h->keys[j])
			break;
		if (((j - hash_home(h, h->keys[j])) & mask) < ((j - i) & mask))
			continue;
		h->keys[i] = h->keys[j];
		i = j;
	}
	h->keys[i] = 0;
	h->used--;
}

static void hash_update(void *set, uint64_t gfn, uint64_t npages, bool shared)
{
	struct hash *h = set;
	uint64_t i;

	for (; npages; npages--, gfn++) {
		i = hash_find(h, gfn + 1);
		if (h->keys[i] && !shared) {
			hash_remove(h, i);
		} else if (!h->keys[i] && shared) {
			h->keys[i] = gfn + 1;
			if (++h->used > h->size / 2)
				hash_grow(h);
		}
	}
}

static bool hash_test(void *set, uint64_t gfn)
{
	struct hash *h = set;

	return h->keys[hash_find(h, gfn + 1)];
}

static uint64_t hash_scan(void *set)
{
	struct hash *h = set;
	uint64_t i, n = 0;

	for (i = 0; i < h->size; i++)
		n += h->keys[i] != 0;
	return n;
}

static void hash_free(void *set)
{
	free(((struct hash *)set)->keys);
	free(set);
}

/* An array of ranges [start, end), sorted, none touching another. */

struct sorted {
	size_t n, room;
	struct { uint64_t start, end; } *r;
};

static void *sorted_new(uint64_t npages)
{
	return calloc(1, sizeof(struct sorted));
}

/* The first range that ends at gfn or after. */
static size_t sorted_find(const struct sorted *s, uint64_t gfn)
{
	size_t low = 0, high = s->n, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (s->r[middle].end < gfn)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The ranges [from, to) become room for n. */
static void sorted_splice(struct sorted *s, size_t from, size_t to, size_t n)
{
	if (s->n + n > s->room) {
		s->room = s->room * 2 + 16;
		s->r = realloc(s->r, s->room * sizeof(*s->r));
	}
	memmove(s->r + from + n, s->r + to, (s->n - to) * sizeof(*s->r));
	s->n += n - (to - from);
}

static void sorted_update(void *set, uint64_t gfn, uint64_t npages, bool shared)
{
	uint64_t start = gfn, end = gfn + npages, left, right;
	struct sorted *s = set;
	size_t from = sorted_find(s, start), to = from, n = 0;

	while (to < s->n && s->r[to].start <= end)
		to++;
	left = from < to ? s->r[from].start : start;
	right = from < to ? s->r[to - 1].end : end;
	if (shared) {
		sorted_splice(s, from, to, 1);
		s->r[from].start = left < start ? left : start;
		s->r[from].end = right > end ? right : end;
		return;
	}
	sorted_splice(s, from, to, (from < to && left < start) + (from < to && right > end));
	if (from < to && left < start) {
		s->r[from].start = left;
		s->r[from + n++].end = start;
	}
	if (from < to && right > end) {
		s->r[from + n].start = end;
		s->r[from + n].end = right;
	}
}

static bool sorted_test(void *set, uint64_t gfn)
{
	struct sorted *s = set;
	size_t i = sorted_find(s, gfn + 1);

	return i < s->n && s->r[i].start <= gfn;
}

static uint64_t sorted_scan(void *set)
{
	struct sorted *s = set;
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < s->n; i++)
		n += s->r[i].end - s->r[i].start;
	return n;
}

static void sorted_free(void *set)
{
	free(((struct sorted *)set)->r);
	free(set);
}

/* The lists of 2021: of KVM, and of QEMU. */

static void *list21_new(uint64_t npages)
{
	return calloc(1, sizeof(struct rival_range *));
}

static void list21_update(void *set, uint64_t gfn, uint64_t npages, bool shared)
{
	rival_list21_update(set, gfn, npages, shared);
}

static void qemu21_update(void *set, uint64_t gfn, uint64_t npages, bool shared)
{
	rival_qemu21_update(set, gfn, npages, shared);
}

static bool list21_test(void *set, uint64_t gfn)
{
	struct rival_range *r;

	for (r = *(struct rival_range **)set; r; r = r->next) {
		if (r->start <= gfn && gfn < r->end)
			return true;
	}
	return false;
}

static void list21_free(void *set)
{
	rival_list21_free(set);
	free(set);
}

static const struct kind kinds[] = {
	{ "the library's set", lib_new, lib_update, lib_test, lib_scan, lib_free, false },
	{ "a plain bitmap", bits_new, bits_update, bits_test, bits_scan, free, false },
	{ "a hash of pages", hash_new, hash_update, hash_test, hash_scan, hash_free, true },
	{ "a sorted array of ranges", sorted_new, sorted_update, sorted_test, sorted_scan,
	  sorted_free, true },
	{ "the bitmap of 2021", bits21_new, bits21_update, bits21_test, NULL, free, true },
	{ "the list of 2021", list21_new, list21_update, list21_test, NULL, list21_free, true },
	{ "QEMU's list of 2021", list21_new, qemu21_update, list21_test, NULL, list21_free, true },
};
#define NKINDS	(sizeof(kinds) / sizeof(*kinds))

/* What a VMM asks for each page that it sends: the tracker, over the library's set. */

static struct hcp_tracker *tracker;

static void *tracked_new(uint64_t npages)
{
	struct hcp_tracker_opts opts = { .sz = sizeof(opts) };
	struct hcp_set *set = hcp_set__new(npages);

	tracker = hcp_tracker__new(set, &opts);
	if (hcp_tracker__add_slot(tracker, 0, 0, npages))
		abort();
	return set;
}

static bool tracked_test(void *set, uint64_t gfn)
{
	return hcp_tracker__take(tracker, gfn);
}

static const struct kind tracked = {
	.name = "the tracker", .new = tracked_new, .update = lib_update, .test = tracked_test,
};

/* Memory that the process has in use, in KiB. */
static long resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long pages;

	if (!f || fscanf(f, "%*d %ld", &pages) != 1)
		abort();
	fclose(f);
	return pages * 4;
}

/* 1 % of 16 GiB is shared, one page each, in the lower 16 GiB of whatever there is. */
static void *filled(const struct kind *k, uint64_t npages)
{
	void *set = k->new(npages);
	size_t i;

	for (i = 0; i < 16 * GIB / 100; i++)
		k->update(set, i * 100 + 50, 1, true);
	return set;
}

static uint64_t flips(const struct kind *k, void *set, uint64_t npages, size_t n)
{
	uint64_t start, gfn, values[200];
	size_t i;

	for (i = 0; i < n; i++) {
		gfn = rnd() % (16 * GIB / npages) * npages;
		start = insns();
		k->update(set, gfn, npages, true);
		k->update(set, gfn, npages, false);
		values[i] = (insns() - start) / 2;
	}
	return median(values, n);
}

static uint64_t scan(const struct kind *k, void *set)
{
	uint64_t start, values[3];
	size_t i;

	for (i = 0; i < 3; i++) {
		start = insns();
		if (!k->scan(set))
			abort();
		values[i] = insns() - start;
	}
	return median(values, 3);
}

static void costs(const struct kind *k)
{
	long before = resident();
	void *set = filled(k, 16 * GIB);

	before = resident() - before;
	record("set", k->name, "flip of a page", flips(k, set, 1, 200));
	record("set", k->name, "of 64 MiB", flips(k, set, GIB / 16, 20));
	record("set", k->name, "scan of 16 GiB", scan(k, set));
	record("set", k->name, "KiB, 16 GiB", before);
}

static void costs_of_1tib(const struct kind *k)
{
	long before = resident();
	void *set = filled(k, 1024 * GIB);

	record("set", k->name, "scan of 1 TiB", scan(k, set));
	record("set", k->name, "KiB, 1 TiB", resident() - before);
}

/*
 * One page in a hundred is shared, by itself: so many ranges.  Of 1,000 random pages the median is
 * a private one, for which a list is walked to its end.
 */
static void lookups(const struct kind *k)
{
	static const struct { const char *col; uint64_t ranges; } sizes[] = {
		{ "10", 10 }, { "100", 100 }, { "1,000", 1000 }, { "10,000", 10000 },
	};
	uint64_t start, gfn, values[1000];
	bool shared;
	size_t s, i;
	void *set;

	for (s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		set = k->new(16 * GIB);
		for (i = 0; i < sizes[s].ranges; i++)
			k->update(set, i * 100 + 50, 1, true);
		for (i = 0; i < 1000; i++) {
			gfn = rnd() % (sizes[s].ranges * 100);
			start = insns();
			shared = k->test(set, gfn);
			values[i] = insns() - start;
			if (shared != (gfn % 100 == 50))
				abort();
		}
		record("lookup", k->name, sizes[s].col, median(values, 1000));
	}
}

/* So many of 2,000 traces of 40 requests of up to max pages end in another set. */
static unsigned int wrong(const struct kind *k, uint64_t max)
{
	unsigned int trace, i, bad = 0;
	uint64_t gfn, n;
	bool shared;

	for (trace = 0; trace < 2000; trace++) {
		static bool truth[256];
		void *set = k->new(32768);

		memset(truth, 0, sizeof(truth));
		for (i = 0; i < 40; i++) {
			n = 1 + rnd() % max;
			gfn = 1 + rnd() % (sizeof(truth) / (max > 1 ? 1 : 8) - n - 1);
			shared = rnd() & 1;
			k->update(set, gfn, n, shared);
			memset(truth + gfn, shared, n);
		}
		for (i = 0; i < sizeof(truth) && k->test(set, i) == truth[i]; i++)
			;
		bad += i < sizeof(truth);
		k->free(set);
	}
	return bad;
}

static void right(const struct kind *k)
{
	record("right", k->name, "single pages, wrong of 2,000", wrong(k, 1));
	record("right", k->name, "ranges, wrong of 2,000", wrong(k, 30));
}

/* In a process of its own: memory that one has freed is not to be another's. */
static void apart(void (*measure)(const struct kind *k), const struct kind *k)
{
	int status;

	if (!fork()) {
		measure(k);
		exit(0);
	}
	if (wait(&status) < 0 || status)
		exit(1);
}

/* Two threads. */

static volatile bool stop;

struct job {
	const struct kind *k;
	void *set;
	pthread_mutex_t *lock;
	uint64_t first;		/* each thread has pages of its own */
	uint64_t done;
	pthread_t thread;
};

static void *work(void *arg)
{
	struct job *job = arg;
	uint64_t gfn = 0, done;		/* both jobs are in one line of the cache */

	for (done = 0; !stop; done++) {
		if (done % 2 == 0)		/* then hide it again */
			gfn = job->first + rnd() % (8 * GIB);
		if (job->k->locked)
			pthread_mutex_lock(job->lock);
		job->k->update(job->set, gfn, 1, done % 2 == 0);
		if (job->k->locked)
			pthread_mutex_unlock(job->lock);
	}
	job->done = done;
	return NULL;
}

/* Updates of the first n in a tenth of a second. */
static double updates(struct job *jobs, int n)
{
	double done = 0;
	int i;

	stop = false;
	for (i = 0; i < n; i++)
		pthread_create(&jobs[i].thread, NULL, work, &jobs[i]);
	usleep(100000);
	stop = true;
	for (i = 0; i < n; i++) {
		pthread_join(jobs[i].thread, NULL);
		done += jobs[i].done;
	}
	return done;
}

/* Two threads either way, so that a busy machine gives both as much; and whether it gives two more than one. */
static void threads(const struct kind *k)
{
	/* Each in a line of its own. */
	static pthread_mutex_t one __attribute__((aligned(128))) = PTHREAD_MUTEX_INITIALIZER;
	static pthread_mutex_t other __attribute__((aligned(128))) = PTHREAD_MUTEX_INITIALIZER;
	void *sets[] = { filled(k, 16 * GIB), filled(k, 16 * GIB) };
	struct job jobs[] = {
		{ .k = k, .set = sets[0], .lock = &one },
		{ .k = k, .set = sets[1], .lock = &other, .first = 8 * GIB },
	};
	double apart = updates(jobs, 2);

	record("threads", k->name, "a set each, two threads over one",
	       2 * apart / (updates(&jobs[0], 1) + updates(&jobs[1], 1)));
	jobs[1].set = sets[0];
	jobs[1].lock = &one;
	record("threads", k->name, "a set for both, over a set each", updates(jobs, 2) / apart);
	k->free(sets[0]);
	k->free(sets[1]);
}

/* The set in a policy's map, which BPF writes and the library scans (book.bpf.c). */

#define BPF_ROW	"a policy's map, written by BPF"

struct in_bpf {
	struct bpf_object *object;
	struct bpf_map *map;
	int prog_fd;
	size_t size;
	struct hcp_info info;
	struct hcp_set *set;
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "set: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Ranges of so many pages are shared and hidden; 0: no booking. */
static void bpf_flips(const struct in_bpf *b, uint64_t npages, uint64_t mask, uint64_t n)
{
	uint64_t job[] = { npages, mask, n };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = job, .ctx_size_in = sizeof(job));

	must(!bpf_prog_test_run_opts(b->prog_fd, &opts), "this kernel does not run the program");
}

static void bpf_new(struct in_bpf *b, uint64_t npages)
{
	const char *file = build_path("bench/book.bpf.o");
	/* The request's type is as in the file itself: there need be no hook in this kernel. */
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = file);
	uint64_t *words;

	b->info.version = HCP_INFO_VERSION;
	b->info.npages = b->info.reach = npages;
	b->size = npages / 8;
	b->object = bpf_object__open_file(file, &opts);
	must(b->object, "book.bpf.o");
	b->map = bpf_object__find_map_by_name(b->object, "hcp_shared");
	must(!bpf_map__set_max_entries(b->map, npages / HCP_CHUNK_PAGES) &&
	     !bpf_object__load(b->object), "this kernel does not take the program");
	b->prog_fd = bpf_program__fd(bpf_object__find_program_by_name(b->object, "flips"));
	words = mmap(NULL, b->size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(b->map), 0);
	must(words != MAP_FAILED, "mmap of the map");
	b->set = hcp_set__new_over(words, &b->info);
	must(b->set, "no set");
	/* It must do all that is measured: of so many flips the last page stays shared. */
	bpf_flips(b, 1, GIB - 1, 10001);
	must(hcp_set__count(b->set) == 1 && hcp_set__test(b->set, 5000 * 0x9e3779b1 & (GIB - 1)),
	     "the program has not booked");
}

static void bpf_free(struct in_bpf *b)
{
	munmap((void *)hcp_set__words(b->set), b->size);
	hcp_set__free(b->set);
	bpf_object__close(b->object);
}

/* The same, by the library. */
static void lib_flips(const struct in_bpf *b, uint64_t npages, uint64_t mask, uint64_t n)
{
	uint64_t i, gfn;

	for (i = 0; i < n; i++) {
		gfn = (i / 2 * 0x9e3779b1 & mask) * npages;
		asm volatile("" : : "r"(gfn) : "memory");
		if (npages)
			hcp_set__update(b->set, gfn, npages, i % 2 == 0);
	}
}

/* What is short may be undisturbed by others on the machine, if it is done often. */
static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

typedef void (*flips_fn)(const struct in_bpf *b, uint64_t npages, uint64_t mask, uint64_t n);

/* One update: the least of some batches, less what they cost without. */
static double update_cost(const struct in_bpf *b, flips_fn fn, uint64_t (*now)(void),
			  uint64_t npages, uint64_t n, int times)
{
	uint64_t least[2] = { -1, -1 }, took, mask = 16 * GIB / npages - 1;
	int i, book;

	for (i = 0; i < times; i++) {
		for (book = 0; book < 2; book++) {
			took = now();
			fn(b, book ? npages : 0, mask, n);
			took = now() - took;
			if (took < least[book])
				least[book] = took;
		}
	}
	return ((double)least[1] - least[0]) / n;
}

/* What the kernel says that the map takes. */
static long map_kib(const struct in_bpf *b)
{
	char path[64], line[128];
	long bytes = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", bpf_map__fd(b->map));
	f = fopen(path, "r");
	must(f, path);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "memlock: %ld", &bytes);
	fclose(f);
	return bytes / 1024;
}

static void bpf_fill(struct in_bpf *b)
{
	size_t i;

	for (i = 0; i < 16 * GIB / 100; i++)
		hcp_set__update(b->set, i * 100 + 50, 1, true);
}

static const struct kind scan_only = { .scan = lib_scan };

static void bpf_costs(const struct kind *k)
{
	struct in_bpf b = {};

	bpf_new(&b, 16 * GIB);
	record("set", BPF_ROW, "flip of a page",
	       (long)(update_cost(&b, bpf_flips, insns, 1, 200, 50) + 0.5));
	record("set", BPF_ROW, "of 64 MiB",
	       (long)(update_cost(&b, bpf_flips, insns, GIB / 16, 200, 50) + 0.5));
	bpf_fill(&b);
	record("set", BPF_ROW, "scan of 16 GiB", scan(k, b.set));
	record("set", BPF_ROW, "KiB, 16 GiB", map_kib(&b));
	bpf_free(&b);
	bpf_new(&b, 1024 * GIB);
	bpf_fill(&b);
	record("set", BPF_ROW, "scan of 1 TiB", scan(k, b.set));
	record("set", BPF_ROW, "KiB, 1 TiB", map_kib(&b));
	bpf_free(&b);
}

/* Ratios of one moment each; there are several, so that the noise can be told. */
static void bpf_over_lib(void)
{
	static const struct { const char *col; uint64_t npages, n; } sizes[] = {
		{ "flip of a page", 1, 10000 }, { "of 2 MiB", 512, 10000 },
		{ "of 64 MiB", GIB / 16, 1000 },
	};
	struct in_bpf b = {};
	double bpf, lib;
	size_t s, i;

	bpf_new(&b, 16 * GIB);
	for (s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		for (i = 0; i < 7; i++) {
			bpf = update_cost(&b, bpf_flips, now_ns, sizes[s].npages, sizes[s].n, 200);
			lib = update_cost(&b, lib_flips, now_ns, sizes[s].npages, sizes[s].n, 200);
			record("bpf", "by BPF, over the library's", sizes[s].col, bpf / lib);
		}
	}
	bpf_free(&b);
}

int main(int argc, char **argv)
{
	const struct kind *k;
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && !strcmp(argv[1], "bpf")) {
		bpf_over_lib();
		return 0;
	}
	for (k = kinds; k < kinds + NKINDS; k++) {
		for (i = 0; argc > 1 && k->scan && i < 9; i++)
			threads(k);
		if (argc > 1)
			continue;
		if (k->scan) {
			apart(costs, k);
			apart(costs_of_1tib, k);
		}
		apart(lookups, k);
		apart(right, k);
	}
	if (argc == 1) {
		apart(lookups, &tracked);
		apart(bpf_costs, &scan_only);
	}
	return 0;
}
