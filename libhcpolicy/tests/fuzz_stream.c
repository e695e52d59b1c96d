// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * libFuzzer on hcp_set__restore_mem(): a refused stream changes nothing, and what an
 * accepted one makes of the set is saved and comes back the same.  tests/fuzz runs it;
 * by hand: build/obj/libhcpolicy/tests/fuzz_stream CORPUS_FOLDER
 *
 * Each input is tried as it is and with its checksums put right, or nearly all of them
 * would end there.  SEEDS=FOLDER in the environment has the saver write some first.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <hcpolicy/stream.h>

#define CHUNKS	3
#define PAGES	(CHUNKS * (uint64_t)HCP_CHUNK_PAGES)
#define HEADER	104
#define HEADER_V1 32
#define ROOM	(HEADER + CHUNKS * (8 + 4096ULL) + 48)

#define REQUIRE(cond)	do {							\
	if (!(cond)) {								\
		fprintf(stderr, "fuzz_stream: not true: %s\n", #cond);		\
		abort();							\
	}									\
} while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_seed(const char *folder, const char *name, const struct hcp_set *set)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	REQUIRE(fd >= 0 && !hcp_set__save_fd(set, fd, NULL) && !close(fd));
}

/* Of version 1, which nobody writes any more; unsigned, as each input is signed too. */
static void make_seed_v1(const char *folder)
{
	static const uint8_t v1[] = {
		'h', 'c', 'p', 's', 'e', 't', '\r', '\n', 1, 0, 0, 0, HEADER_V1, 0, 0, 0,
		0, 0x80, 1, [HEADER_V1] = 0, 0, 0, 0, 1, 0, 0, 0, 5, 0, 7, 0,
		0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 3, [HEADER_V1 + 12 + 31] = 0,
	};
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/v1", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	REQUIRE(fd >= 0 && write(fd, v1, sizeof(v1)) == sizeof(v1) && !close(fd));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *folder = getenv("SEEDS");
	struct hcp_set *set;

	if (!folder)
		return 0;
	set = hcp_set__new(PAGES);
	REQUIRE(set);
	make_seed_v1(folder);
	make_seed(folder, "empty", set);
	REQUIRE(!hcp_set__set_label(set, "web1"));
	hcp_set__update(set, PAGES, 9, true);
	hcp_set__update(set, 5, 3, true);
	hcp_set__update(set, 100, 1, true);
	make_seed(folder, "runs", set);
	hcp_set__update(set, PAGES - HCP_CHUNK_PAGES, HCP_CHUNK_PAGES, true);
	make_seed(folder, "records", set);
	for (uint64_t i = 0; i < HCP_CHUNK_PAGES; i += 2)
		hcp_set__update(set, HCP_CHUNK_PAGES + i, 1, true);
	make_seed(folder, "bitmap", set);
	hcp_set__free(set);
	return 0;
}

static void put32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = value >> 8 * i;
}

static void sign(uint8_t *bytes, size_t size, size_t header)
{
	uint32_t sum = crc32(0, bytes, header - 4);

	put32(bytes + header - 4, sum);
	put32(bytes + size - 4, crc32(sum, bytes + header, size - header - 4));
}

/* Two pages that a refused stream must leave, of a set that is smaller than the seeds'. */
static void restore(const uint8_t *data, size_t size, bool force)
{
	struct hcp_stream_info info = { .sz = sizeof(info) };
	struct hcp_stream_opts opts = { .sz = sizeof(opts), .force = force, .info = &info };
	struct hcp_set *set = hcp_set__new(PAGES - HCP_CHUNK_PAGES);
	struct hcp_set *again = hcp_set__new(PAGES - HCP_CHUNK_PAGES);
	size_t len;
	void *buf;

	REQUIRE(set && again);
	REQUIRE(!hcp_set__set_label(set, "web1") && !hcp_set__set_label(again, "web1"));
	hcp_set__update(set, 77, 1, true);
	hcp_set__update(set, HCP_CHUNK_PAGES + 77, 1, true);
	if (hcp_set__restore_mem(set, data, size, &opts)) {
		REQUIRE(hcp_set__complete(set) && hcp_set__count(set) == 2);
		REQUIRE(hcp_set__test(set, 77) && hcp_set__test(set, HCP_CHUNK_PAGES + 77));
	} else {
		REQUIRE(force || hcp_set__complete(set));
		REQUIRE(!info.label[0] || !strcmp(info.label, "web1"));
		REQUIRE(!hcp_set__save_mem(set, &buf, &len, &opts));
		REQUIRE(len <= ROOM && !hcp_set__restore_mem(again, buf, len, &opts));
		free(buf);
		REQUIRE(!memcmp(hcp_set__words(set), hcp_set__words(again),
				hcp_set__npages(set) / 8));
		REQUIRE(hcp_set__missed(set) == hcp_set__missed(again));
		REQUIRE(hcp_set__beyond(set) == hcp_set__beyond(again));
		REQUIRE(hcp_set__reach(set) == hcp_set__reach(again));
		REQUIRE(hcp_set__state(set) == hcp_set__state(again));
	}
	hcp_set__free(set);
	hcp_set__free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t header = size > 8 && data[8] == 1 ? HEADER_V1 : HEADER;
	uint8_t *copy;

	restore(data, size, size & 1);
	if (size < header + 4)
		return 0;
	copy = malloc(size);
	REQUIRE(copy);
	memcpy(copy, data, size);
	sign(copy, size, header);
	restore(copy, size, !(size & 4));
	free(copy);
	return 0;
}
