// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The set as a stream: what comes back, and that nothing changes when it does not.
 * SEED=N in the environment repeats a run.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include <hcpolicy/stream.h>
#include "random.h"
#include "../../selftests/tap.h"

#define PAGES	(3ULL * HCP_CHUNK_PAGES)
#define HEADER	104
#define TRAILER	48

/* A stream in memory; whoever reads or writes beyond size gets the error. */
struct buffer {
	unsigned char bytes[1 << 16];
	size_t size, at;
	int error;
};

static struct buffer buf;
static struct hcp_set *set, *other;
static char said[256];

static int put(void *ctx, const void *bytes, size_t len)
{
	struct buffer *b = ctx;

	if (b->at + len > b->size)
		return b->error;
	memcpy(b->bytes + b->at, bytes, len);
	b->at += len;
	return 0;
}

static int get(void *ctx, void *bytes, size_t len)
{
	struct buffer *b = ctx;

	if (b->at + len > b->size)
		return b->error;
	memcpy(bytes, b->bytes + b->at, len);
	b->at += len;
	return 0;
}

static void say(void *ctx, const char *line)
{
	CHECK(ctx == &buf && !strchr(line, '\n'));
	snprintf(said, sizeof(said), "%s", line);
}

static struct hcp_stream_opts opts = { .sz = sizeof(opts), .log = say, .log_ctx = &buf };

static void save(void)
{
	buf.at = 0;
	buf.size = sizeof(buf.bytes);
	CHECK(!hcp_set__save(set, put, &buf, &opts));
	buf.size = buf.at;
	buf.error = -ENODATA;
}

static int restore(void)
{
	said[0] = '\0';
	buf.at = 0;
	return hcp_set__restore(other, get, &buf, &opts);
}

static bool same(void)
{
	return hcp_set__npages(set) == hcp_set__npages(other) &&
	       hcp_set__count(set) == hcp_set__count(other) &&
	       !memcmp(hcp_set__words(set), hcp_set__words(other), hcp_set__npages(set) / 8);
}

/* Two sets; the other one holds what a restore has to replace. */
static void begin(uint64_t npages)
{
	set = hcp_set__new(npages);
	other = hcp_set__new(npages);
	CHECK(set && other);
	opts.force = opts.running = opts.any_label = false;
	opts.info = NULL;
	hcp_set__update(other, 77, 1000, true);
}

static void end(void)
{
	hcp_set__free(set);
	hcp_set__free(other);
}

/* Refused, in words, and the other set is as begin() left it. */
static void check_refused(int error)
{
	struct hcp_range r = {};

	CHECK_ERR(restore(), error);
	CHECK(said[0]);
	CHECK(hcp_set__next(other, &r) && r.gfn == 77 && r.npages == 1000);
	CHECK(!hcp_set__next(other, &r) && hcp_set__complete(other));
}

static void put32(size_t at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		buf.bytes[at + i] = value >> 8 * i;
}

static uint32_t get32(size_t at)
{
	return buf.bytes[at] | buf.bytes[at + 1] << 8 | buf.bytes[at + 2] << 16 |
	       (uint32_t)buf.bytes[at + 3] << 24;
}

/* Make the checksums right again: who means harm can. */
static void sign(void)
{
	uint32_t sum = crc32(0, buf.bytes, HEADER - 4);

	put32(HEADER - 4, sum);
	put32(buf.size - 4, crc32(sum, buf.bytes + HEADER, buf.size - HEADER - 4));
}

TEST(what_is_saved_comes_back)
{
	uint64_t state = tap_seed();

	begin(PAGES);
	for (int i = 0; i < 300; i++) {
		/* Few and long, or more and shorter than a record of runs has room for. */
		uint64_t longest = i % 3 ? 3 : 9000;

		hcp_set__reset(set);
		for (int n = i % 3 ? 4000 : 30; n; n--) {
			uint64_t gfn = rnd(&state) % PAGES, room = PAGES - gfn;
			uint64_t len = 1 + rnd(&state) % longest;

			hcp_set__update(set, gfn, len < room ? len : room, rnd(&state) % 8);
		}
		if (i % 8 == 0)
			hcp_set__update(set, HCP_CHUNK_PAGES, HCP_CHUNK_PAGES, rnd(&state) & 1);

		save();
		CHECK(!restore() && buf.at == buf.size && !said[0]);
		CHECK(same() && hcp_set__complete(other));
	}
	end();
}

TEST(a_stream_is_never_much_larger_than_the_set)
{
	const size_t room = HEADER + TRAILER + 3 * 8;

	begin(PAGES);
	save();
	CHECK(buf.size == HEADER + TRAILER);
	CHECK(!restore() && same());

	hcp_set__update(set, 0, PAGES, true);
	save();
	CHECK(buf.size == room + 3 * 4);
	CHECK(!restore() && same());

	/* As many runs as a record has room for, one more, and every other page. */
	hcp_set__reset(set);
	for (uint64_t i = 0; i < 1023; i++)
		hcp_set__update(set, HCP_CHUNK_PAGES + 2 * i, 1, true);
	save();
	CHECK(buf.size == HEADER + TRAILER + 8 + 4092);
	CHECK(!restore() && same());
	hcp_set__update(set, HCP_CHUNK_PAGES + 2 * 1023, 1, true);
	save();
	CHECK(buf.size == HEADER + TRAILER + 8 + 4096);
	CHECK(!restore() && same());
	for (uint64_t i = 0; i < PAGES; i += 2)
		hcp_set__update(set, i, 1, true);
	save();
	CHECK(buf.size == room + 3 * 4096);
	CHECK(!restore() && same());
	end();
}

/* The example of set-stream(5); when it was saved stands in the place of the save's time. */
static const unsigned char example[] = {
	0x68, 0x63, 0x70, 0x73, 0x65, 0x74, 0x0d, 0x0a,
	0x02, 0x00, 0x00, 0x00, 0x68, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x1f, 0xcf, 0x69, 0x0c, 0xec, 0x18,
	0x77, 0x65, 0x62, 0x31, 0x00, 0x00, 0x00, 0x00,
	[HEADER - 8] = 0x00, 0x00, 0x00, 0x00, 0x4e, 0x6e, 0x10, 0xa6,
	0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00,
	0x05, 0x00, 0x07, 0x00, 0x00, 0x01, 0x00, 0x01,
	0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
	0x00, 0x00, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff,
	0x02, 0x00, 0x00, 0x00, 0x04, 0x80, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0xe4, 0x68, 0x1a, 0x4c,
};

TEST(the_format_is_the_documented_one)
{
	begin(2 * HCP_CHUNK_PAGES);
	CHECK(!hcp_set__set_label(set, "web1"));
	hcp_set__update(set, 0x5, 3, true);
	hcp_set__update(set, 0x100, 1, true);
	hcp_set__update(set, HCP_CHUNK_PAGES, HCP_CHUNK_PAGES, true);
	hcp_set__update(set, 2 * HCP_CHUNK_PAGES, 0x60000, true);
	save();
	memcpy(buf.bytes + 24, example + 24, 8);
	sign();
	CHECK(buf.size == sizeof(example) && !memcmp(buf.bytes, example, sizeof(example)));
	end();
}

/* What version 1 of this library wrote of a set that shares 5 to 7, 0x100 and all of chunk 1. */
TEST(a_stream_of_version_1_is_read)
{
	static unsigned char v1[] = {
		0x68, 0x63, 0x70, 0x73, 0x65, 0x74, 0x0d, 0x0a,
		0x01, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x61, 0x5c, 0x2b, 0x64,
		0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00,
		0x05, 0x00, 0x07, 0x00, 0x00, 0x01, 0x00, 0x01,
		0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
		0x00, 0x00, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff,
		0x02, 0x00, 0x00, 0x00, 0x04, 0x80, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0xd6, 0x16, 0x38, 0x99,
	};
	struct hcp_stream_info info = { .sz = sizeof(info) };
	uint32_t sum;

	begin(2 * HCP_CHUNK_PAGES);
	opts.info = &info;
	hcp_set__update(set, 0x5, 3, true);
	hcp_set__update(set, 0x100, 1, true);
	hcp_set__update(set, HCP_CHUNK_PAGES, HCP_CHUNK_PAGES, true);
	memcpy(buf.bytes, v1, sizeof(v1));
	buf.size = sizeof(v1);
	buf.error = -ENODATA;
	/* Whatever its set is called: nobody knows whose it is. */
	CHECK(!hcp_set__set_label(other, "web1"));
	CHECK(!restore() && buf.at == buf.size && same() && hcp_set__complete(other));
	CHECK(info.version == 1 && info.npages == 2 * HCP_CHUNK_PAGES && !info.label[0]);
	CHECK(info.reach == info.npages && !info.saved_at && info.shared == hcp_set__count(set));
	CHECK(hcp_set__reach(other) == 2 * HCP_CHUNK_PAGES);

	/* Its missed pages may be beyond the set or inside: it did not tell them apart. */
	put32(sizeof(v1) - 16, 1);
	sum = crc32(0, v1, 28);
	put32(sizeof(v1) - 4, crc32(sum, buf.bytes + 32, sizeof(v1) - 36));
	hcp_set__reset(other);
	hcp_set__update(other, 77, 1000, true);
	check_refused(EUCLEAN);
	end();
}

TEST(a_stream_says_what_it_is_of)
{
	struct hcp_stream_info info = { .sz = sizeof(info) };
	struct timespec now;

	begin(PAGES);
	opts.info = &info;
	hcp_set__update(set, PAGES - 1, 3, true);
	CHECK(!hcp_set__set_label(set, "web1"));
	CHECK(!hcp_set__set_label(other, "web1"));
	save();
	CHECK(!restore() && same());
	clock_gettime(CLOCK_REALTIME, &now);
	CHECK(info.sz == sizeof(info) && info.version == 2 && !strcmp(info.label, "web1"));
	CHECK(info.npages == PAGES && info.reach == PAGES && info.shared == 1);
	CHECK(!info.missed && info.beyond == 2 && !info.state);
	CHECK(info.saved_at / 1000000000 <= (uint64_t)now.tv_sec);
	CHECK(info.saved_at / 1000000000 + 60 > (uint64_t)now.tv_sec);

	/* Also of one that is refused, as far as it was read. */
	hcp_set__reset(other);
	hcp_set__update(other, 77, 1000, true);
	buf.size = HEADER;
	memset(&info, 0xff, sizeof(info));
	info.sz = sizeof(info);
	check_refused(ENODATA);
	CHECK(!strcmp(info.label, "web1") && info.npages == PAGES && !info.reach);
	/* A struct of an earlier version gets what it has room for. */
	memset(&info, 0xff, sizeof(info));
	info.sz = offsetof(struct hcp_stream_info, reach);
	check_refused(ENODATA);
	CHECK(info.npages == PAGES && info.reach == UINT64_MAX);
	info.sz = sizeof(info.sz) - 1;
	CHECK_ERR(restore(), EINVAL);
	end();
}

TEST(another_label_is_refused_unless_asked_for)
{
	static const struct {
		const char *stream, *set;
		bool refused;
	} pairs[] = {
		{ "", "", false }, { "", "web1", false }, { "web1", "web1", false },
		{ "web1", "", true }, { "web1", "web2", true }, { "web1", "web11", true },
		{ "web11", "web1", true },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		begin(PAGES);
		hcp_set__update(set, 3, 5, true);
		CHECK(!hcp_set__set_label(set, pairs[i].stream));
		CHECK(!hcp_set__set_label(other, pairs[i].set));
		save();
		if (pairs[i].refused) {
			check_refused(EMEDIUMTYPE);
			CHECK(strstr(said, pairs[i].stream) && strstr(said, pairs[i].set));
			opts.force = true;	/* is about something else */
			check_refused(EMEDIUMTYPE);
			opts.force = false;
			opts.any_label = true;
		}
		CHECK(!restore() && same() && hcp_set__complete(other));
		CHECK(!strcmp(hcp_set__label(other), pairs[i].set));
		end();
	}
}

/* It goes to terminals. */
TEST(a_hostile_label_is_refused)
{
	begin(PAGES);
	CHECK(!hcp_set__set_label(set, "web1"));
	save();
	buf.bytes[34] = '\033';
	sign();
	check_refused(EBADMSG);
	buf.bytes[34] = 'b';
	buf.bytes[40] = 'x';	/* behind its end */
	sign();
	check_refused(EBADMSG);
	memset(buf.bytes + 32, 'x', HCP_NAME_LEN);
	sign();
	check_refused(EBADMSG);
	CHECK(strstr(said, "label"));
	end();
}

TEST(requests_beyond_a_set_limit_what_is_known_after_a_restore)
{
	begin(HCP_CHUNK_PAGES);
	hcp_set__free(other);
	other = hcp_set__new(PAGES);
	save();
	/* It had none: it knows of all there is. */
	CHECK(!restore() && hcp_set__complete(other) && hcp_set__reach(other) == PAGES);

	hcp_set__update(set, HCP_CHUNK_PAGES, 1, true);
	save();
	CHECK(!restore() && hcp_set__complete(other) && hcp_set__beyond(other) == 1);
	CHECK(hcp_set__reach(other) == HCP_CHUNK_PAGES);

	/* Saved again, and restored into one that is larger still. */
	hcp_set__free(set);
	set = other;
	other = hcp_set__new(2 * PAGES);
	hcp_set__update(set, PAGES - 1, 1, true);
	save();
	CHECK(!restore() && hcp_set__complete(other) && hcp_set__test(other, PAGES - 1));
	CHECK(hcp_set__beyond(other) == 1 && hcp_set__reach(other) == HCP_CHUNK_PAGES);
	/* A guest that begins anew is known whole. */
	hcp_set__reset(other);
	CHECK(hcp_set__reach(other) == 2 * PAGES);

	put32(buf.size - 16, PAGES + 1);	/* it cannot reach beyond itself */
	sign();
	hcp_set__update(other, 77, 1000, true);
	check_refused(EBADMSG);
	end();
}

TEST(a_set_of_a_guest_that_may_run_says_so)
{
	begin(PAGES);
	hcp_set__update(set, 3, 5, true);
	opts.running = true;
	save();
	opts.running = false;
	CHECK(hcp_set__complete(set));
	check_refused(EUCLEAN);
	CHECK(strstr(said, "may have been running"));
	opts.force = true;
	CHECK(!restore() && same() && hcp_set__state(other) == HCP_RUNNING);

	/* It stays so, whatever is forced, until a stream of a stopped one comes. */
	hcp_set__free(set);
	set = other;
	other = hcp_set__new(PAGES);
	save();
	CHECK(!restore() && hcp_set__state(other) == HCP_RUNNING);
	hcp_set__reset(set);
	opts.force = false;
	save();
	CHECK(!restore() && hcp_set__complete(other));

	/* An incomplete one needs its own word. */
	hcp_set__lost(set, 0, 1);
	opts.running = true;
	buf.at = 0, buf.size = sizeof(buf.bytes);
	CHECK_ERR(hcp_set__save(set, put, &buf, &opts), EUCLEAN);
	end();
}

TEST(a_restore_ends_the_wait_for_it)
{
	begin(PAGES);
	hcp_set__update(set, 3, 5, true);
	save();
	hcp_set__await_restore(other);
	buf.size--;
	CHECK(restore() && hcp_set__state(other) == HCP_AWAITS_RESTORE);
	buf.size++;
	CHECK(!restore() && same() && hcp_set__complete(other));
	/* A set that awaits one is not complete itself. */
	hcp_set__await_restore(set);
	buf.at = 0, buf.size = sizeof(buf.bytes);
	CHECK_ERR(hcp_set__save(set, put, &buf, &opts), EUCLEAN);
	opts.force = true;
	save();
	CHECK(!restore() && hcp_set__state(other) == HCP_LATE);
	end();
}

static bool stood_still;

/* All is in place by then, and it is not called complete. */
static bool still(void *ctx)
{
	CHECK(ctx == &buf && same() && hcp_set__state(other) & HCP_CHANGING);
	return stood_still;
}

TEST(a_restore_is_complete_only_if_the_VM_stood_still)
{
	begin(PAGES);
	hcp_set__update(set, 3, 5, true);
	save();
	opts.still = still;
	opts.still_ctx = &buf;
	hcp_set__await_restore(other);
	stood_still = false;
	CHECK_ERR(restore(), EBUSY);
	CHECK(said[0] && hcp_set__state(other) == HCP_LATE);
	stood_still = true;
	CHECK(!restore() && same() && hcp_set__complete(other));
	opts.still = NULL;
	opts.still_ctx = NULL;
	end();
}

static int reset_meanwhile(void *ctx, const void *bytes, size_t len)
{
	static bool once;

	if (!once)
		hcp_set__reset(set);
	once = true;
	return put(ctx, bytes, len);
}

/* Half of the one that was there, and half of the next: it would look like any other. */
TEST(a_set_that_is_replaced_during_the_save_is_noticed)
{
	begin(PAGES);
	hcp_set__update(set, 3, 5, true);
	buf.at = 0, buf.size = sizeof(buf.bytes);
	CHECK_ERR(hcp_set__save(set, reset_meanwhile, &buf, &opts), EUCLEAN);
	buf.size = buf.at, buf.error = -ENODATA;
	check_refused(ENODATA);
	save();
	end();
}

TEST(no_set_is_EINVAL)
{
	CHECK_ERR(hcp_set__save(NULL, put, &buf, NULL), EINVAL);
	CHECK_ERR(hcp_set__restore(NULL, get, &buf, NULL), EINVAL);
	begin(PAGES);
	CHECK_ERR(hcp_set__save(set, NULL, &buf, NULL), EINVAL);
	CHECK_ERR(hcp_set__restore(set, NULL, &buf, NULL), EINVAL);
	end();
}

/* A small set with a record of each kind. */
static void begin_small(void)
{
	begin(PAGES);
	hcp_set__update(set, 3, 5, true);
	hcp_set__update(set, 100, 1, true);
	for (uint64_t i = 0; i < HCP_CHUNK_PAGES; i += 3)
		hcp_set__update(set, HCP_CHUNK_PAGES + i, 1, true);
	hcp_set__update(set, PAGES - 9, 9, true);
	save();
	CHECK(buf.size == HEADER + TRAILER + 8 + 2 * 4 + 8 + 4096 + 8 + 4);
}

/* A writer need not choose the smallest: bitmaps for no page, and for one run. */
TEST(bitmaps_are_valid_where_they_need_not_be)
{
	const size_t second = HEADER + 8 + 4096, end_record = second + 8 + 4096;

	begin(PAGES);
	save();
	memmove(buf.bytes + end_record, buf.bytes + HEADER, TRAILER);
	memset(buf.bytes + HEADER, 0, end_record - HEADER);
	buf.size = end_record + TRAILER;
	put32(second, 1);
	put32(second + 8, 7 << 3);
	put32(end_record + 4, 2);
	put32(end_record + 8, 3);
	sign();

	hcp_set__update(set, HCP_CHUNK_PAGES + 3, 3, true);
	CHECK(!restore() && buf.at == buf.size && same() && hcp_set__complete(other));
	end();
}

TEST(cut_at_any_byte_it_is_refused)
{
	size_t whole;

	begin_small();
	whole = buf.size;
	for (buf.size = 0; buf.size < whole; buf.size++) {
		check_refused(ENODATA);
		CHECK(strstr(said, "ends early"));
	}
	CHECK(!restore() && same());
	end();
}

TEST(with_any_bit_flipped_it_is_refused)
{
	begin_small();
	for (size_t bit = 0; bit < buf.size * 8; bit++) {
		struct hcp_range r = {};

		buf.bytes[bit / 8] ^= 1 << bit % 8;
		opts.force = bit & 1;
		CHECK(restore() < 0 && said[0]);
		buf.bytes[bit / 8] ^= 1 << bit % 8;
		/* What check_refused() looks at, whatever the error. */
		CHECK(hcp_set__next(other, &r) && r.gfn == 77 && r.npages == 1000);
		CHECK(!hcp_set__next(other, &r) && hcp_set__complete(other));
	}
	CHECK(!restore() && same());
	end();
}

TEST(what_is_no_stream_is_told_from_a_newer_one)
{
	begin_small();
	buf.bytes[0] ^= 1;
	check_refused(EBADMSG);
	CHECK(strstr(said, "not the stream"));
	buf.bytes[0] ^= 1;
	put32(8, 3);
	check_refused(EPROTONOSUPPORT);
	/* Whatever a later version makes of the rest. */
	put32(12, 4096);
	buf.size = 16;
	check_refused(EPROTONOSUPPORT);
	CHECK(strstr(said, "version 3"));
	put32(8, 0);
	check_refused(EPROTONOSUPPORT);
	end();
}

/* A change of 32 bits, signed, is refused for what it is; then it is undone. */
static void check_bad(size_t at, uint32_t value)
{
	bool counts = at > buf.size - TRAILER;
	uint32_t old = get32(at);

	put32(at, value);
	sign();
	check_refused(EBADMSG);
	CHECK(!strstr(said, "checksum") && !strstr(said, "counts") == !counts);
	put32(at, old);
	sign();
}

TEST(a_well_signed_lie_is_refused)
{
	const size_t first = HEADER, runs = HEADER + 8, second = runs + 8;
	size_t third, end_record;

	begin_small();
	third = buf.size - TRAILER - 12;
	end_record = buf.size - TRAILER;
	sign();

	check_bad(12, 32);			/* the header's size */
	check_bad(16, 0);			/* npages: none */
	check_bad(16, PAGES - 1);		/* not whole words */
	check_bad(20, 1 << 8);			/* 2^40 and more */
	check_bad(16, PAGES - 64);		/* pages beyond it */
	check_bad(16, 2 * HCP_CHUNK_PAGES);	/* a chunk beyond it */
	CHECK(strstr(said, "a record beyond"));
	check_bad(96, 1);			/* reserved */

	check_bad(first, 1);			/* chunks: twice, not sorted, beyond */
	check_bad(third, 1);
	check_bad(third, 0);
	check_bad(third, 3);
	check_bad(third, UINT32_MAX - 1);
	check_bad(first + 4, 1024);		/* more runs than there may be */
	check_bad(first + 4, UINT32_MAX);
	check_bad(second + 4, 1024);

	check_bad(runs, 7 | 3 << 16);	/* a run: backwards, over or at the next */
	check_bad(runs, 3 | 100 << 16);
	check_bad(runs, 3 | 99 << 16);
	check_bad(runs + 4, 7 | 7 << 16);
	check_bad(runs + 4, 0);
	check_bad(runs + 4, 100 | 0x8000U << 16);	/* beyond the chunk */

	check_bad(end_record + 4, 2);		/* how many records, how many pages */
	check_bad(end_record + 4, 4);
	check_bad(end_record + 8, get32(end_record + 8) + 1);
	check_bad(end_record + 12, 1);
	CHECK(!restore() && same());

	/* Without pages that would be beyond it. */
	hcp_set__reset(set);
	hcp_set__reset(other);
	hcp_set__update(other, 77, 1000, true);
	save();
	check_bad(16, 0);
	check_bad(16, PAGES - 1);
	end();
}

TEST(a_stream_cannot_make_it_take_memory)
{
	struct rlimit old, limit;
	unsigned long pages;
	FILE *statm = fopen("/proc/self/statm", "r");

	CHECK(statm && fscanf(statm, "%lu", &pages) == 1);
	fclose(statm);
	begin_small();
	put32(16, 0);
	put32(20, 1 << 8);	/* 2^40 pages, which is allowed: 128 GiB of words */
	sign();
	CHECK(!getrlimit(RLIMIT_AS, &old));
	limit = old;
	limit.rlim_cur = pages * 4096 + (1 << 20);
	CHECK(!setrlimit(RLIMIT_AS, &limit));
	CHECK(restore() == 0);
	CHECK(!setrlimit(RLIMIT_AS, &old) && same());
	end();
}

TEST(sets_of_other_sizes)
{
	begin(PAGES);
	hcp_set__free(other);
	other = hcp_set__new(HCP_CHUNK_PAGES);
	hcp_set__update(other, 77, 1000, true);
	hcp_set__update(set, HCP_CHUNK_PAGES - 1, 1, true);
	save();
	CHECK(!restore() && hcp_set__count(other) == 1 && hcp_set__complete(other));
	CHECK(hcp_set__test(other, HCP_CHUNK_PAGES - 1));

	/* Back into the larger one, of which the rest is private then. */
	hcp_set__reset(other);
	hcp_set__update(other, 77, 1000, true);
	hcp_set__update(set, PAGES - 1, 1, true);
	save();
	check_refused(ERANGE);
	CHECK(strstr(said, "384 MiB") && buf.at == buf.size);
	buf.bytes[HEADER + 9] ^= 1;
	check_refused(EBADMSG);

	buf.at = 0, buf.size = sizeof(buf.bytes);
	CHECK(!hcp_set__save(other, put, &buf, NULL));
	buf.size = buf.at, buf.at = 0;
	CHECK(!hcp_set__restore(set, get, &buf, NULL) && hcp_set__count(set) == 1000);
	end();
}

TEST(an_incomplete_set_needs_force)
{
	static uint64_t words[2][HCP_CHUNK_WORDS];
	struct hcp_info info[2] = {
		{ .version = HCP_INFO_VERSION, .npages = HCP_CHUNK_PAGES, .reach = HCP_CHUNK_PAGES },
		{ .version = HCP_INFO_VERSION, .npages = HCP_CHUNK_PAGES, .reach = HCP_CHUNK_PAGES },
	};

	opts.force = false;
	set = hcp_set__new_over(words[0], &info[0]);
	other = hcp_set__new_over(words[1], &info[1]);
	CHECK(set && other);
	hcp_set__update(other, 77, 1000, true);

	for (int i = 0; i < 4; i++) {
		info[0].missed = i == 3 ? 12345678901 : 0;
		info[0].state = i < 3 ? 1 << i : 0;
		opts.force = false;
		said[0] = buf.at = 0, buf.size = sizeof(buf.bytes);
		CHECK_ERR(hcp_set__save(set, put, &buf, &opts), EUCLEAN);
		CHECK(said[0] && !buf.at);
		opts.force = true;
		save();
		opts.force = false;
		check_refused(EUCLEAN);

		/* Forced, it is what it was: not complete, for requests before now. */
		opts.force = true;
		info[1].state = HCP_DETACHED;
		CHECK(!restore());
		CHECK(info[1].missed == info[0].missed);
		CHECK(info[1].state == (HCP_DETACHED | (i < 3 ? HCP_LATE : 0)));
		info[1].state &= ~HCP_DETACHED;
		CHECK(!hcp_set__complete(other));
		hcp_set__reset(other);
		CHECK(hcp_set__complete(other));
		hcp_set__update(other, 77, 1000, true);
	}

	/* A whole set makes whole what had missed requests before, and no more. */
	opts.force = false;
	info[0].missed = 0;
	save();
	info[1].missed = 1;
	info[1].state = HCP_LATE | HCP_UNATTACHED;
	CHECK(!restore() && !info[1].missed && info[1].state == HCP_UNATTACHED);
	end();
}

/* Whose guest may have gone on: what it has asked for since then is unknown. */
TEST(a_set_of_another_moment_is_late)
{
	begin(PAGES);
	hcp_set__update(set, 3, 5, true);
	save();
	opts.late = true;
	CHECK(!restore() && same());
	CHECK(hcp_set__state(other) == HCP_LATE && !hcp_set__missed(other));

	/* Only who vouches for it gets a complete one. */
	opts.late = false;
	CHECK(!restore() && same() && hcp_set__complete(other));

	/* Nothing changes on an error, and force does not vouch for anything. */
	hcp_set__reset(other);
	hcp_set__update(other, 77, 1000, true);
	opts.late = true;
	buf.size--;
	check_refused(ENODATA);
	buf.size++;
	opts.force = true;
	CHECK(!restore() && hcp_set__state(other) == HCP_LATE);
	opts.late = opts.force = false;
	end();
}

static int lose_a_request(void *ctx, const void *bytes, size_t len)
{
	hcp_set__lost(set, 0, 1);
	return put(ctx, bytes, len);
}

TEST(a_request_lost_during_the_save_is_noticed)
{
	begin(PAGES);
	buf.at = 0, buf.size = sizeof(buf.bytes);
	CHECK_ERR(hcp_set__save(set, lose_a_request, &buf, &opts), EUCLEAN);
	buf.size = buf.at, buf.error = -ENODATA;
	check_refused(ENODATA);
	end();
}

/* ctx: how many times more it is. */
static bool is_kept(void *ctx)
{
	return *(int *)ctx > 0 && (*(int *)ctx)--;
}

TEST(a_set_that_is_not_kept_any_more_needs_force)
{
	int left, times;

	begin(PAGES);
	hcp_set__update(set, 3, 5, true);
	opts.kept = is_kept;
	opts.kept_ctx = &left;
	/* It may end before the words are read, and while they are. */
	for (times = 0; times < 2; times++) {
		left = times;
		opts.force = false;
		buf.at = 0, buf.size = sizeof(buf.bytes);
		CHECK_ERR(hcp_set__save(set, put, &buf, &opts), EUCLEAN);
		CHECK(strstr(said, "detached"));
		left = times;
		opts.force = true;
		save();
		opts.force = false;
		check_refused(EUCLEAN);
		opts.force = true;
		CHECK(!restore() && same() && hcp_set__state(other) == HCP_LATE);
		hcp_set__reset(other);
		hcp_set__update(other, 77, 1000, true);
	}
	left = 2;
	opts.force = false;
	save();
	CHECK(!restore() && hcp_set__complete(other));
	opts.kept = NULL;
	opts.kept_ctx = NULL;
	end();
}

TEST(errors_of_the_callbacks_come_through)
{
	size_t whole;

	begin_small();
	whole = buf.size;
	buf.error = -ENOSPC;
	for (buf.size = 0; buf.size < whole; buf.size++) {
		said[0] = buf.at = 0;
		CHECK_ERR(hcp_set__save(set, put, &buf, &opts), ENOSPC);
		CHECK(said[0]);
	}
	buf.error = -EPIPE;
	for (buf.size = 0; buf.size < whole; buf.size++)
		check_refused(EPIPE);
	/* Neither 0 nor a negative errno. */
	buf.error = 7;
	buf.size = whole - 1;
	check_refused(EIO);
	buf.at = 0;
	CHECK_ERR(hcp_set__save(set, put, &buf, &opts), EIO);
	end();
}

TEST(nothing_is_read_beyond_the_end)
{
	begin_small();
	memset(buf.bytes + buf.size, 0xff, 100);
	buf.size += 100;
	CHECK(!restore() && same() && buf.at == buf.size - 100);
	end();
}

TEST(descriptors_are_left_at_the_end)
{
	int fd[2];
	char c;

	begin(PAGES);
	hcp_set__update(set, 3, 5, true);
	CHECK(!pipe(fd));
	for (int i = 0; i < 2; i++) {
		CHECK(!hcp_set__save_fd(set, fd[1], NULL));
		CHECK(write(fd[1], "x", 1) == 1);
		CHECK(!hcp_set__restore_fd(other, fd[0], &opts) && same());
		CHECK(read(fd[0], &c, 1) == 1 && c == 'x');
	}
	CHECK(write(fd[1], "hcpset", 6) == 6);
	close(fd[1]);
	CHECK_ERR(hcp_set__restore_fd(other, fd[0], &opts), ENODATA);
	close(fd[0]);
	CHECK(same());
	CHECK_ERR(hcp_set__save_fd(set, -1, &opts), EBADF);
	CHECK_ERR(hcp_set__restore_fd(other, -1, &opts), EBADF);
	end();
}

TEST(memory_holds_one_stream)
{
	unsigned char *copy;
	int left = 1;
	size_t len;
	void *mem;

	begin_small();
	CHECK(!hcp_set__save_mem(set, &mem, &len, &opts));
	/* But for the time and the checksums it is the one that was saved. */
	CHECK(len == buf.size && !memcmp((char *)mem + HEADER, buf.bytes + HEADER, len - HEADER - 4));

	/* Neither a byte more, nor a byte less. */
	copy = malloc(len + 1);
	CHECK(copy);
	memcpy(copy, mem, len);
	copy[len] = 0;
	said[0] = '\0';
	CHECK_ERR(hcp_set__restore_mem(other, copy, len + 1, &opts), EBADMSG);
	CHECK(strstr(said, "1 bytes follow") && hcp_set__count(other) == 1000);
	for (size_t cut = 0; cut < len; cut++)
		CHECK_ERR(hcp_set__restore_mem(other, copy, cut, &opts), ENODATA);
	CHECK(hcp_set__count(other) == 1000 && hcp_set__complete(other));
	free(copy);
	CHECK(!hcp_set__restore_mem(other, mem, len, &opts) && same());
	free(mem);

	/* Not kept any more once it is written. */
	opts.kept = is_kept;
	opts.kept_ctx = &left;
	mem = &buf, len = 1;
	CHECK_ERR(hcp_set__save_mem(set, &mem, &len, &opts), EUCLEAN);
	CHECK(!left && !mem && !len);
	opts.kept = NULL;
	opts.kept_ctx = NULL;
	hcp_set__lost(set, 0, 1);
	CHECK_ERR(hcp_set__save_mem(set, &mem, &len, &opts), EUCLEAN);
	CHECK(!mem && !len);
	CHECK_ERR(hcp_set__save_mem(NULL, &mem, &len, &opts), EINVAL);
	CHECK_ERR(hcp_set__save_mem(set, NULL, &len, &opts), EINVAL);
	CHECK_ERR(hcp_set__save_mem(set, &mem, NULL, &opts), EINVAL);
	CHECK_ERR(hcp_set__restore_mem(NULL, &buf, 1, &opts), EINVAL);
	CHECK_ERR(hcp_set__restore_mem(other, NULL, 0, &opts), EINVAL);
	end();
}

/* No byte that an initialiser leaves as it was. */
_Static_assert(sizeof(struct hcp_stream_opts) == offsetof(struct hcp_stream_opts, still_ctx) +
	       sizeof(((struct hcp_stream_opts *)0)->still_ctx), "padding");

TEST(options_of_another_version)
{
	struct {
		struct hcp_stream_opts opts;
		uint64_t more;
	} o = { { .sz = sizeof(o), .log = say, .log_ctx = &buf, .force = true }, 0 };
	uint8_t *last = &o.opts.reserved[sizeof(o.opts.reserved) - 1];

	begin_small();
	hcp_set__lost(set, 0, 1);
	buf.at = 0, buf.size = sizeof(buf.bytes);
	CHECK(!hcp_set__save(set, put, &buf, &o.opts));
	buf.size = buf.at, buf.at = 0;
	CHECK(!hcp_set__restore(other, get, &buf, &o.opts));
	o.more = 1;
	CHECK_ERR(hcp_set__save(set, put, &buf, &o.opts), E2BIG);
	CHECK_ERR(hcp_set__restore(other, get, &buf, &o.opts), E2BIG);
	/* Where a later version may have an option. */
	o.opts.sz = sizeof(o.opts);
	*last = 1;
	CHECK_ERR(hcp_set__save(set, put, &buf, &o.opts), E2BIG);
	CHECK_ERR(hcp_set__restore(other, get, &buf, &o.opts), E2BIG);

	/* What an earlier one does not have is 0, whatever lies there. */
	*last = 0;
	o.opts.sz = offsetof(struct hcp_stream_opts, force);
	said[0] = buf.at = 0;
	CHECK_ERR(hcp_set__save(set, put, &buf, &o.opts), EUCLEAN);
	CHECK_ERR(hcp_set__restore(other, get, &buf, &o.opts), EUCLEAN);
	CHECK(said[0]);
	o.opts.sz = sizeof(o.opts.sz);
	said[0] = buf.at = 0;
	CHECK_ERR(hcp_set__restore(other, get, &buf, &o.opts), EUCLEAN);
	CHECK(!said[0]);
	for (size_t sz = 0; sz < sizeof(o.opts.sz); sz++) {
		o.opts.sz = sz;
		CHECK_ERR(hcp_set__save(set, put, &buf, &o.opts), EINVAL);
		CHECK_ERR(hcp_set__restore(other, get, &buf, &o.opts), EINVAL);
	}
	end();
}

TAP_MAIN
