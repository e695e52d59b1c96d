// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The set as a stream: docs/set-stream.md.  One record a chunk of the set that is
 * not all private, so a stream is never much larger than the set, whatever the guest
 * made of it, and one pass writes it.
 *
 * A restore decodes into words of its own, as many as the set has and no more
 * whatever the stream says, and copies them when everything was checked.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <hcpolicy/stream.h>
#include "opts.h"
#include "set-internal.h"

#define VERSION		1
#define MAX_RUNS	(HCP_CHUNK_WORDS * 8 / sizeof(struct run) - 1)
#define NO_CHUNK	UINT32_MAX

static const char magic[8] = "hcpset\r\n";

/* As they stand in the stream: little-endian, no padding. */
struct header {
	char magic[8];
	uint32_t version;
	uint32_t size;		/* of the header */
	uint64_t npages;
	uint32_t reserved;
	uint32_t crc;		/* of what stands before it */
};

struct record {
	uint32_t chunk;
	uint32_t nruns;		/* 0: the chunk's words follow */
};

struct run {
	uint16_t first, last;
};

struct trailer {
	struct record end;	/* NO_CHUNK, and how many records there were */
	uint64_t shared;
	uint64_t missed;
	uint32_t state;
	uint32_t crc;		/* of everything before it but the header's own */
};

_Static_assert(sizeof(struct header) == 32 && sizeof(struct trailer) == 32, "the format");

struct stream {
	const struct hcp_stream_opts *opts;
	hcp_write_fn write;
	hcp_read_fn read;
	void *ctx;
	uint32_t crc;
	uint32_t records;
	uint64_t shared;
};

/* A chunk on its way: words of the host, and its payload. */
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

static int begin(struct stream *s, const struct hcp_stream_opts *opts)
{
	int err = opts_check(opts, late);

	if (err)
		errno = -err;
	else
		s->opts = opts;
	return err;
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
	return fail(s, EUCLEAN, "the set is not complete (%s%s%s%" PRIu64 " pages missed): "
		    "a guest that is sent or restored by it may break; start the VM anew "
		    "under a policy, or force",
		    state & HCP_LATE ? "kept from too late on, " : "",
		    state & HCP_DETACHED ? "not kept to the end, " : "",
		    state & HCP_UNATTACHED ? "kept by nobody, " : "", missed);
}

/* Can the set be trusted now, or must it not?  What is wrong with it goes into the stream. */
static int judge(const struct stream *s, const struct hcp_set *set, uint32_t *state,
		 uint64_t *missed)
{
	bool (*kept)(void *ctx) = opts_get(s->opts, kept);

	*state = hcp_set__state(set);
	*missed = hcp_set__missed(set);
	if (kept && !kept(opts_get(s->opts, kept_ctx)))
		*state |= HCP_DETACHED;
	return (*state || *missed) && !forced(s) ? refuse_incomplete(s, *state, *missed) : 0;
}

/* The runs of a chunk; 0: it is all private; more than MAX_RUNS: too many. */
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
			if (nruns && first == last + 1) {
				nruns--;
			} else if (nruns < MAX_RUNS) {
				c->payload.runs[nruns].first = htole16(first);
			}
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

int hcp_set__save(const struct hcp_set *set, hcp_write_fn write, void *ctx,
		  const struct hcp_stream_opts *opts)
{
	struct header header = {
		.version = htole32(VERSION),
		.size = htole32(sizeof(header)),
		.npages = htole64(set->npages),
	};
	struct trailer trailer = { .end.chunk = htole32(NO_CHUNK) };
	struct stream s = { .write = write, .ctx = ctx };
	uint64_t word, nwords = set->npages / WORD_BITS, missed;
	uint32_t state, sum;
	struct chunk c;
	int err;

	err = begin(&s, opts);
	if (err)
		return err;
	err = judge(&s, set, &state, &missed);
	if (err)
		return err;

	memcpy(header.magic, magic, sizeof(magic));
	sum = crc(0, &header, offsetof(struct header, crc));
	header.crc = htole32(sum);
	err = put(&s, &header, sizeof(header));
	if (err)
		return err;
	s.crc = sum;

	for (word = 0; word < nwords; word += HCP_CHUNK_WORDS) {
		memset(c.words, 0, sizeof(c.words));
		for (uint32_t i = 0; i < HCP_CHUNK_WORDS && word + i < nwords; i++)
			c.words[i] = load_word(set, word + i);
		err = save_chunk(&s, &c, word / HCP_CHUNK_WORDS);
		if (err)
			return err;
	}

	/* After the words: what was lost while they were read is known here. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	err = judge(&s, set, &state, &missed);
	if (err)
		return err;
	trailer.end.nruns = htole32(s.records);
	trailer.shared = htole64(s.shared);
	trailer.missed = htole64(missed);
	trailer.state = htole32(state);
	trailer.crc = htole32(crc(s.crc, &trailer, offsetof(struct trailer, crc)));
	return put(&s, &trailer, sizeof(trailer));
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

/* The same, of what the last checksum covers. */
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

static int restore_header(struct stream *s, uint64_t *npages)
{
	struct header h;
	int err = get_bytes(s, &h, offsetof(struct header, npages));

	if (err)
		return err;
	if (memcmp(h.magic, magic, sizeof(magic)))
		return fail(s, EBADMSG, "not the stream of a set: it begins with something else");
	if (le32toh(h.version) != VERSION)
		return fail(s, EPROTONOSUPPORT, "the stream of a set has version %u and this "
			    "library knows %u: save it with the version that restores it",
			    le32toh(h.version), VERSION);
	if (le32toh(h.size) != sizeof(h))
		return damaged(s, "the size of its header");
	err = get_bytes(s, &h.npages, sizeof(h) - offsetof(struct header, npages));
	if (err)
		return err;

	s->crc = crc(0, &h, offsetof(struct header, crc));
	if (s->crc != le32toh(h.crc))
		return damaged(s, "the checksum of its header");
	*npages = le64toh(h.npages);
	if (!*npages || *npages > MAX_PAGES || *npages % WORD_BITS || h.reserved)
		return damaged(s, "what its header says");
	return 0;
}

/* Read a record's payload and make it words. */
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

/* Everything up to the end record, into words; *beyond: pages that the set has no room for. */
static int restore_records(struct stream *s, const struct hcp_set *set, uint64_t npages,
			   uint64_t *words, struct trailer *trailer, uint64_t *beyond)
{
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
		trailer->end = record;
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
				*beyond += __builtin_popcountll(c.words[i]);
		}
	}
}

static int restore_all(struct stream *s, const struct hcp_set *set, uint64_t *words,
		       uint64_t *missed, uint32_t *state)
{
	uint64_t npages = 0, beyond = 0;
	struct trailer t;
	int err;

	err = restore_header(s, &npages);
	if (!err)
		err = restore_records(s, set, npages, words, &t, &beyond);
	if (!err)
		err = get_bytes(s, &t.shared, sizeof(t) - offsetof(struct trailer, shared));
	if (err)
		return err;

	s->crc = crc(s->crc, &t.shared, offsetof(struct trailer, crc) -
		     offsetof(struct trailer, shared));
	if (s->crc != le32toh(t.crc))
		return damaged(s, "its checksum");
	if (le32toh(t.end.nruns) != s->records || le64toh(t.shared) != s->shared)
		return damaged(s, "its counts");
	*missed = le64toh(t.missed);
	*state = le32toh(t.state);
	if (beyond)
		return fail(s, ERANGE, "the stream of a set has %" PRIu64 " shared pages beyond "
			    "this set's %" PRIu64 " MiB; it was saved from one of %" PRIu64 " MiB: "
			    "make this one as large",
			    beyond, set->npages >> 8, npages >> 8);
	if ((*missed || *state) && !forced(s))
		return refuse_incomplete(s, *state, *missed);
	return 0;
}

static void replace(struct hcp_set *set, const uint64_t *words, uint64_t missed, bool late)
{
	/* Before the words: at no moment is it called complete with some of them wrong. */
	__atomic_fetch_or(&set->info->state, HCP_LATE, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (uint64_t i = 0; i < set->npages / WORD_BITS; i++) {
		/* A store of what is there already would only cost memory. */
		if (load_word(set, i) != words[i])
			__atomic_store_n(&set->words[i], words[i], __ATOMIC_RELAXED);
	}

	/*
	 * What this set is kept by is its own business.  Whatever was unknown before
	 * the save is, from here, an earlier request that is unknown.
	 */
	__atomic_store_n(&set->info->missed, missed, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!late)
		__atomic_fetch_and(&set->info->state, ~HCP_LATE, __ATOMIC_RELAXED);
}

int hcp_set__restore(struct hcp_set *set, hcp_read_fn read, void *ctx,
		     const struct hcp_stream_opts *opts)
{
	struct stream s = { .read = read, .ctx = ctx };
	uint64_t *words, missed = 0;
	uint32_t state = 0;
	int err;

	err = begin(&s, opts);
	if (err)
		return err;
	words = mmap(NULL, set->npages / 8, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (words == MAP_FAILED)
		return fail(&s, ENOMEM, "no memory to restore a set of %" PRIu64 " MiB",
			    set->npages >> 8);

	err = restore_all(&s, set, words, &missed, &state);
	if (!err)
		replace(set, words, missed, state || opts_get(opts, late));
	munmap(words, set->npages / 8);
	if (err)
		errno = -err;
	return err;
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
