// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The set as a stream: set-stream(5).  Each chunk that has a shared page gets one record.
 * So a stream is never much larger than the set, and one pass writes it.
 *
 * A restore decodes into a copy that is as large as the set, whatever the stream says.  It
 * copies that to the set when everything was checked.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include <hcpolicy/stream.h>
#include "opts.h"
#include "set-internal.h"

#define VERSION		2
#define MAX_RUNS	(HCP_CHUNK_WORDS * 8 / sizeof(struct run) - 1)
#define NO_CHUNK	UINT32_MAX

static const char magic[8] = "hcpset\r\n";

/* The stream's layout: little-endian, no padding. */
struct header {
	char magic[8];
	uint32_t version;
	uint32_t size;		/* of the header */
	uint64_t npages;
	uint64_t saved_at;
	char label[HCP_NAME_LEN];	/* padded with zeroes */
	uint32_t reserved;
	uint32_t crc;		/* of everything before it */
};

struct header_v1 {
	char magic[8];
	uint32_t version, size;
	uint64_t npages;
	uint32_t reserved, crc;
};

struct record {
	uint32_t chunk;
	uint32_t nruns;		/* 0: the chunk's words follow */
};

struct run {
	uint16_t first, last;
};

/* What a trailer says. */
struct summary {
	uint64_t missed, beyond, reach;
	uint32_t state, generation;
};

struct trailer {
	struct record end;	/* NO_CHUNK, and the number of records */
	uint64_t shared;
	uint64_t missed;
	uint64_t beyond;
	uint64_t reach;
	uint32_t state;
	uint32_t crc;		/* of everything before it but the header's own */
};

struct trailer_v1 {
	struct record end;
	uint64_t shared, missed;
	uint32_t state, crc;
};

_Static_assert(sizeof(struct header) == 104 && sizeof(struct trailer) == 48 &&
	       sizeof(struct header_v1) == 32 && sizeof(struct trailer_v1) == 32, "the format");

struct stream {
	const struct hcp_stream_opts *opts;
	hcp_write_fn write;
	hcp_read_fn read;
	void *ctx;
	uint32_t crc;
	uint32_t records;
	uint64_t shared;
	struct hcp_stream_info info;	/* restore: what the stream says about itself */
};

/* A chunk in work: words of the host, and the payload of its record. */
struct chunk {
	uint64_t words[HCP_CHUNK_WORDS];
	union {
		struct run runs[MAX_RUNS];
		uint64_t words[HCP_CHUNK_WORDS];
	} payload;
};

__attribute__((format(printf, 3, 4)))
static int fail(const struct stream *s, int err, const char *fmt, ...)
{
	char line[256];
	va_list args;

	if (opts_get(s->opts, log)) {
		va_start(args, fmt);
		vsnprintf(line, sizeof(line), fmt, args);
		va_end(args);
		s->opts->log(opts_get(s->opts, log_ctx), line);
	}
	errno = err;
	return -err;
}

static int begin(struct stream *s, const void *set, const void *callback,
		 const struct hcp_stream_opts *opts)
{
	int err = set && callback ? opts_check(opts, still_ctx) : -EINVAL;

	if (!err)
		err = opts_unused(opts, reserved);
	if (!err && opts_get(opts, info) && opts->info->sz < sizeof(opts->info->sz))
		err = -EINVAL;
	if (err)
		errno = -err;
	else
		s->opts = opts;
	return err;
}

/* Give the caller as much as the struct of its version has room for. */
static void tell_info(struct stream *s)
{
	struct hcp_stream_info *info = opts_get(s->opts, info);

	if (!info)
		return;
	s->info.sz = info->sz;
	memcpy(info, &s->info, info->sz < sizeof(s->info) ? info->sz : sizeof(s->info));
}

static bool forced(const struct stream *s)
{
	return opts_get(s->opts, force);
}

static uint32_t crc(uint32_t start, const void *buf, size_t len)
{
	return crc32(start, buf, len);
}

static int put(struct stream *s, const void *buf, size_t len)
{
	int err = s->write(s->ctx, buf, len);

	s->crc = crc(s->crc, buf, len);
	if (!err)
		return 0;
	return fail(s, err < 0 ? -err : EIO, "writing the set: %s",
		    strerror(err < 0 ? -err : EIO));
}

static int refuse_incomplete(const struct stream *s, uint32_t state, uint64_t missed)
{
	char why[192];

	hcp_state_text(state, missed, why, sizeof(why));
	return fail(s, EUCLEAN, "the set is not complete (%s): a guest that is sent or restored with "
		    "it may break; start the VM again under a policy, or use force", why);
}

/* Is the set complete, or forced?  What is wrong with it goes into the stream. */
static int judge(const struct stream *s, const struct hcp_set *set, struct summary *sum)
{
	bool (*kept)(void *ctx) = opts_get(s->opts, kept);

	sum->state = hcp_set__state(set);
	sum->missed = hcp_set__missed(set);
	sum->beyond = hcp_set__beyond(set);
	sum->reach = hcp_set__reach(set);
	if (kept && !kept(opts_get(s->opts, kept_ctx)))
		sum->state |= HCP_DETACHED;
	/* The words could be partly from before a replacement and partly from after it. */
	if (set->rest->generation != sum->generation)
		sum->state |= HCP_CHANGING;
	if ((sum->state || sum->missed) && !forced(s))
		return refuse_incomplete(s, sum->state, sum->missed);
	if (opts_get(s->opts, running))
		sum->state |= HCP_RUNNING;
	return 0;
}

/* The number of runs in a chunk; 0: all private; more than MAX_RUNS: too many. */
static uint32_t encode_runs(struct chunk *c, uint64_t *shared)
{
	uint32_t nruns = 0, last = 0;

	for (uint32_t i = 0; i < HCP_CHUNK_WORDS; i++) {
		uint64_t bits = c->words[i];

		*shared += __builtin_popcountll(bits);
		while (bits) {
			uint32_t first = __builtin_ctzll(bits);
			uint64_t above = ~(bits >> first);
			uint32_t n = above ? __builtin_ctzll(above) : WORD_BITS;

			bits &= n == WORD_BITS ? 0 : ~(((1ULL << n) - 1) << first);
			first += i * WORD_BITS;
			if (nruns && first == last + 1)
				nruns--;
			else if (nruns < MAX_RUNS)
				c->payload.runs[nruns].first = htole16(first);
			last = first + n - 1;
			if (nruns < MAX_RUNS)
				c->payload.runs[nruns].last = htole16(last);
			nruns++;
		}
	}
	return nruns;
}

static int save_chunk(struct stream *s, struct chunk *c, uint32_t index)
{
	struct record record = { .chunk = htole32(index) };
	uint32_t nruns = encode_runs(c, &s->shared);
	size_t len = nruns * sizeof(struct run);
	int err;

	if (!nruns)
		return 0;
	if (nruns > MAX_RUNS) {
		for (uint32_t i = 0; i < HCP_CHUNK_WORDS; i++)
			c->payload.words[i] = htole64(c->words[i]);
		len = sizeof(c->payload.words);
	} else {
		record.nruns = htole32(nruns);
	}
	s->records++;
	err = put(s, &record, sizeof(record));
	return err ? err : put(s, &c->payload, len);
}

static int put_header(struct stream *s, const struct hcp_set *set)
{
	struct header header = {
		.version = htole32(VERSION),
		.size = htole32(sizeof(header)),
		.npages = htole64(set->npages),
	};
	struct timespec now;
	uint32_t sum;
	int err;

	clock_gettime(CLOCK_REALTIME, &now);
	header.saved_at = htole64(now.tv_sec * 1000000000ULL + now.tv_nsec);
	memcpy(header.magic, magic, sizeof(magic));
	memcpy(header.label, set->rest->label, strnlen(set->rest->label, HCP_NAME_LEN - 1));
	sum = crc(0, &header, offsetof(struct header, crc));
	header.crc = htole32(sum);
	err = put(s, &header, sizeof(header));
	s->crc = sum;
	return err;
}

static int put_trailer(struct stream *s, const struct summary *sum)
{
	struct trailer trailer = {
		.end.chunk = htole32(NO_CHUNK),
		.end.nruns = htole32(s->records),
		.shared = htole64(s->shared),
		.missed = htole64(sum->missed),
		.beyond = htole64(sum->beyond),
		.reach = htole64(sum->reach),
		.state = htole32(sum->state),
	};

	trailer.crc = htole32(crc(s->crc, &trailer, offsetof(struct trailer, crc)));
	return put(s, &trailer, sizeof(trailer));
}

int hcp_set__save(const struct hcp_set *set, hcp_write_fn write, void *ctx,
		  const struct hcp_stream_opts *opts)
{
	struct stream s = { .write = write, .ctx = ctx };
	uint64_t word, nwords;
	struct summary sum;
	struct chunk c;
	int err;

	err = begin(&s, set, write, opts);
	if (err)
		return err;
	sum.generation = __atomic_load_n(&set->rest->generation, __ATOMIC_SEQ_CST);
	err = judge(&s, set, &sum);
	if (!err)
		err = put_header(&s, set);
	if (err)
		return err;

	nwords = set->npages / WORD_BITS;
	for (word = 0; word < nwords; word += HCP_CHUNK_WORDS) {
		memset(c.words, 0, sizeof(c.words));
		for (uint32_t i = 0; i < HCP_CHUNK_WORDS && word + i < nwords; i++)
			c.words[i] = load_word(set, word + i);
		err = save_chunk(&s, &c, word / HCP_CHUNK_WORDS);
		if (err)
			return err;
	}

	/* After the words, because requests may be missed while they are read. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	err = judge(&s, set, &sum);
	return err ? err : put_trailer(&s, &sum);
}

static int get_bytes(struct stream *s, void *buf, size_t len)
{
	int err = s->read(s->ctx, buf, len);

	if (err == -ENODATA)
		return fail(s, ENODATA, "the stream of a set ends early: it was cut, or never "
			    "finished; save the set again");
	if (err)
		return fail(s, err < 0 ? -err : EIO, "reading the stream of a set: %s",
			    strerror(err < 0 ? -err : EIO));
	return 0;
}

/* Read, and add to the last checksum. */
static int get(struct stream *s, void *buf, size_t len)
{
	int err = get_bytes(s, buf, len);

	if (!err)
		s->crc = crc(s->crc, buf, len);
	return err;
}

static int damaged(const struct stream *s, const char *what)
{
	return fail(s, EBADMSG, "the stream of a set is damaged: %s; save the set again", what);
}

/* The label goes to terminals: it must be a valid label, with zeroes after its end. */
static bool take_label(struct stream *s, const char label[HCP_NAME_LEN])
{
	size_t len = strnlen(label, HCP_NAME_LEN);

	for (size_t i = len; i < HCP_NAME_LEN; i++) {
		if (label[i])
			return false;
	}
	if (!hcp_label_valid(label))
		return false;
	memcpy(s->info.label, label, HCP_NAME_LEN);
	return true;
}

/* Read what follows the first 16 bytes, which are in bytes already. */
static int restore_header_rest(struct stream *s, void *bytes, size_t size)
{
	const size_t first = offsetof(struct header, npages);
	uint32_t sum;
	int err;

	err = get_bytes(s, (char *)bytes + first, size - first);
	if (err)
		return err;
	memcpy(&sum, (char *)bytes + size - sizeof(sum), sizeof(sum));
	s->crc = crc(0, bytes, size - sizeof(sum));
	return s->crc == le32toh(sum) ? 0 : damaged(s, "the checksum of its header");
}

static int restore_header(struct stream *s)
{
	union {
		struct header v2;
		struct header_v1 v1;
	} h;
	uint64_t npages;
	bool v1;
	int err;

	err = get_bytes(s, &h, offsetof(struct header, npages));
	if (err)
		return err;
	if (memcmp(h.v2.magic, magic, sizeof(magic)))
		return fail(s, EBADMSG, "not the stream of a set: it begins with something else");
	s->info.version = le32toh(h.v2.version);
	if (!s->info.version || s->info.version > VERSION)
		return fail(s, EPROTONOSUPPORT, "the stream of a set has version %u and this "
			    "library knows 1 to %u: save it with the version that restores it",
			    s->info.version, VERSION);
	v1 = s->info.version == 1;
	if (le32toh(h.v2.size) != (v1 ? sizeof(h.v1) : sizeof(h.v2)))
		return damaged(s, "the size of its header");
	err = restore_header_rest(s, &h, v1 ? sizeof(h.v1) : sizeof(h.v2));
	if (err)
		return err;

	npages = le64toh(h.v2.npages);
	if (!npages || npages > MAX_PAGES || npages % WORD_BITS ||
	    (v1 ? h.v1.reserved : h.v2.reserved))
		return damaged(s, "what its header says");
	if (!v1 && !take_label(s, h.v2.label))
		return damaged(s, "its label");
	s->info.npages = npages;
	s->info.saved_at = v1 ? 0 : le64toh(h.v2.saved_at);
	return 0;
}

static int check_label(const struct stream *s, const struct hcp_set *set)
{
	const char *ours = set->rest->label, *theirs = s->info.label;

	if (!theirs[0] || opts_get(s->opts, any_label) || !strncmp(ours, theirs, HCP_NAME_LEN))
		return 0;
	if (ours[0])
		return fail(s, EMEDIUMTYPE, "the stream is of the guest '%s', and this set is of '%.*s': "
			    "restore the one that was saved of it", theirs, HCP_NAME_LEN - 1, ours);
	return fail(s, EMEDIUMTYPE, "the stream is of the guest '%s', and this set has no label: if it "
		    "is of the same guest, attach with that label", theirs);
}

/* Read a record's payload and decode it into words. */
static int decode(struct stream *s, struct chunk *c, uint32_t nruns)
{
	int64_t last = -2;
	int err;

	if (nruns > MAX_RUNS)
		return damaged(s, "a record with too many runs");
	if (!nruns) {
		err = get(s, c->payload.words, sizeof(c->payload.words));
		for (uint32_t i = 0; !err && i < HCP_CHUNK_WORDS; i++)
			c->words[i] = le64toh(c->payload.words[i]);
		return err;
	}

	err = get(s, c->payload.runs, nruns * sizeof(struct run));
	if (err)
		return err;
	memset(c->words, 0, sizeof(c->words));
	for (uint32_t i = 0; i < nruns; i++) {
		uint32_t first = le16toh(c->payload.runs[i].first);
		uint32_t end = le16toh(c->payload.runs[i].last);

		if (first <= last + 1 || first > end || end >= HCP_CHUNK_PAGES)
			return damaged(s, "runs not sorted, not merged or beyond their chunk");
		for (uint32_t page = first; page <= end; page++)
			c->words[page / WORD_BITS] |= 1ULL << page % WORD_BITS;
		last = end;
	}
	return 0;
}

/* Read all records into words.  *outside: the number of shared pages beyond the set. */
static int restore_records(struct stream *s, const struct hcp_set *set, uint64_t *words,
			   struct record *end, uint64_t *outside)
{
	const uint64_t npages = s->info.npages;
	const uint64_t nchunks = (npages + HCP_CHUNK_PAGES - 1) / HCP_CHUNK_PAGES;
	int64_t previous = -1;
	struct chunk c;
	int err;

	for (;;) {
		struct record record;
		uint64_t word;

		err = get(s, &record, sizeof(record));
		if (err)
			return err;
		*end = record;
		record.chunk = le32toh(record.chunk);
		if (record.chunk == NO_CHUNK)
			return 0;
		if (record.chunk <= previous)
			return damaged(s, "records that are not sorted");
		if (record.chunk >= nchunks)
			return damaged(s, "a record beyond the size that its header says");
		previous = record.chunk;
		err = decode(s, &c, le32toh(record.nruns));
		if (err)
			return err;

		s->records++;
		word = (uint64_t)record.chunk * HCP_CHUNK_WORDS;
		for (uint32_t i = 0; i < HCP_CHUNK_WORDS; i++, word++) {
			if (!c.words[i])
				continue;
			s->shared += __builtin_popcountll(c.words[i]);
			if (word >= npages / WORD_BITS)
				return damaged(s, "pages beyond the size that its header says");
			if (word < set->npages / WORD_BITS)
				words[word] = c.words[i];
			else
				*outside += __builtin_popcountll(c.words[i]);
		}
	}
}

/* Read what follows the end record. */
static int restore_trailer(struct stream *s, const struct record *end)
{
	union {
		struct trailer v2;
		struct trailer_v1 v1;
	} t;
	const size_t first = offsetof(struct trailer, shared);
	bool v1 = s->info.version == 1;
	size_t size = v1 ? sizeof(t.v1) : sizeof(t.v2);
	uint32_t sum;
	int err;

	err = get_bytes(s, (char *)&t + first, size - first);
	if (err)
		return err;
	memcpy(&sum, (char *)&t + size - sizeof(sum), sizeof(sum));
	s->crc = crc(s->crc, (char *)&t + first, size - first - sizeof(sum));
	if (s->crc != le32toh(sum))
		return damaged(s, "its checksum");
	s->info.shared = le64toh(t.v2.shared);
	if (le32toh(end->nruns) != s->records || s->info.shared != s->shared)
		return damaged(s, "its counts");
	s->info.missed = le64toh(t.v2.missed);
	s->info.beyond = v1 ? 0 : le64toh(t.v2.beyond);
	s->info.reach = v1 ? s->info.npages : le64toh(t.v2.reach);
	s->info.state = le32toh(v1 ? t.v1.state : t.v2.state);
	return s->info.reach > s->info.npages ? damaged(s, "its reach") : 0;
}

static int restore_all(struct stream *s, const struct hcp_set *set, uint64_t *words)
{
	struct record end = {};
	uint64_t outside = 0;
	int err;

	err = restore_header(s);
	if (!err)
		err = check_label(s, set);
	if (!err)
		err = restore_records(s, set, words, &end, &outside);
	if (!err)
		err = restore_trailer(s, &end);
	if (err)
		return err;

	if (outside)
		return fail(s, ERANGE, "the stream of a set has %" PRIu64 " shared pages beyond "
			    "this set's %" PRIu64 " MiB; it was saved from one of %" PRIu64 " MiB: "
			    "make this one as large",
			    outside, set->npages >> 8, s->info.npages >> 8);
	if ((s->info.missed || s->info.state) && !forced(s))
		return refuse_incomplete(s, s->info.state, s->info.missed);
	return 0;
}

/* Without requests beyond the saved set, a larger set is known to its end. */
static uint64_t reach_of(const struct stream *s, const struct hcp_set *set)
{
	if (!s->info.beyond && s->info.reach == s->info.npages)
		return set->npages;
	return s->info.reach < set->npages ? s->info.reach : set->npages;
}

static int replace(const struct stream *s, struct hcp_set *set, const uint64_t *words)
{
	bool (*still)(void *ctx) = opts_get(s->opts, still), ok;
	uint32_t add = s->info.state & HCP_RUNNING;

	/*
	 * States about this set's policy stay.  If the saved set was not complete, then
	 * for this set earlier requests are unknown.
	 */
	if (opts_get(s->opts, late) || s->info.state & ~HCP_RUNNING)
		add |= HCP_LATE;

	begin_change(set);
	for (uint64_t i = 0; i < set->npages / WORD_BITS; i++) {
		/* To store the same value would only cost memory. */
		if (load_word(set, i) == words[i])
			continue;
		touch(set, i, i);
		__atomic_store_n(&set->words[i], words[i], __ATOMIC_RELAXED);
	}
	__atomic_store_n(&set->info->missed, s->info.missed, __ATOMIC_RELAXED);
	__atomic_store_n(&set->info->beyond, s->info.beyond, __ATOMIC_RELAXED);
	__atomic_store_n(&set->info->reach, reach_of(s, set), __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	ok = !still || still(opts_get(s->opts, still_ctx));
	end_change(set, HCP_DETACHED | HCP_UNATTACHED, add | (ok ? 0 : HCP_LATE));
	return ok ? 0 : fail(s, EBUSY, "the guest may have asked for pages while its set was replaced: "
			     "the set is not complete, restore it again");
}

/* A stream in memory, to be read or written. */
struct memory {
	char *bytes;
	size_t len, at;
};

/* memory: where read() reads from, if nothing may follow the stream there; or NULL. */
static int restore(struct hcp_set *set, hcp_read_fn read, void *ctx,
		   const struct hcp_stream_opts *opts, const struct memory *memory)
{
	struct stream s = { .read = read, .ctx = ctx };
	uint64_t *words;
	int err;

	err = begin(&s, set, read, opts);
	if (err)
		return err;
	if (is_old(set))
		return fail(&s, EROFS, "hcpolicy 0.1 has attached the policy of this set, so it can only be "
			    "read: replace the policy, then restore the set");
	words = mmap(NULL, set->npages / 8, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (words == MAP_FAILED)
		return fail(&s, ENOMEM, "no memory to restore a set of %" PRIu64 " MiB",
			    set->npages >> 8);

	err = restore_all(&s, set, words);
	tell_info(&s);
	if (!err && memory && memory->at < memory->len)
		err = fail(&s, EBADMSG, "%zu bytes follow the stream of a set", memory->len - memory->at);
	if (!err)
		err = replace(&s, set, words);
	munmap(words, set->npages / 8);
	if (err)
		errno = -err;
	return err;
}

int hcp_set__restore(struct hcp_set *set, hcp_read_fn read, void *ctx,
		     const struct hcp_stream_opts *opts)
{
	return restore(set, read, ctx, opts, NULL);
}

static int write_fd(void *ctx, const void *buf, size_t len)
{
	const char *at = buf;

	while (len) {
		ssize_t n = write(*(int *)ctx, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		at += n;
		len -= n;
	}
	return 0;
}

static int read_fd(void *ctx, void *buf, size_t len)
{
	char *at = buf;

	while (len) {
		ssize_t n = read(*(int *)ctx, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		at += n;
		len -= n;
	}
	return 0;
}

int hcp_set__save_fd(const struct hcp_set *set, int fd, const struct hcp_stream_opts *opts)
{
	return hcp_set__save(set, write_fd, &fd, opts);
}

int hcp_set__restore_fd(struct hcp_set *set, int fd, const struct hcp_stream_opts *opts)
{
	return hcp_set__restore(set, read_fd, &fd, opts);
}

/* Grows by half, so that the bytes of a large set are not moved often. */
static int write_memory(void *ctx, const void *buf, size_t len)
{
	struct memory *m = ctx;

	if (len > m->len - m->at) {
		size_t size = m->at + len + m->len / 2;
		char *bytes = realloc(m->bytes, size);

		if (!bytes)
			return -ENOMEM;
		m->bytes = bytes;
		m->len = size;
	}
	memcpy(m->bytes + m->at, buf, len);
	m->at += len;
	return 0;
}

static int read_memory(void *ctx, void *buf, size_t len)
{
	struct memory *m = ctx;

	if (len > m->len - m->at)
		return -ENODATA;
	memcpy(buf, m->bytes + m->at, len);
	m->at += len;
	return 0;
}

int hcp_set__save_mem(const struct hcp_set *set, void **buf, size_t *len,
		      const struct hcp_stream_opts *opts)
{
	struct memory m = {};
	int err;

	err = hcp_set__save(set, buf && len ? write_memory : NULL, &m, opts);
	if (err) {
		free(m.bytes);
		m = (struct memory) {};
	}
	if (buf)
		*buf = m.bytes;
	if (len)
		*len = m.at;
	return err;
}

int hcp_set__restore_mem(struct hcp_set *set, const void *buf, size_t len,
			 const struct hcp_stream_opts *opts)
{
	struct memory m = { .bytes = (char *)buf, .len = len };

	return restore(set, buf ? read_memory : NULL, &m, opts, &m);
}
