// SPDX-License-Identifier: GPL-2.0
/*
 * Counts what the kernel has allocated.  A slab cache knows its objects only
 * roughly, because each CPU keeps some slabs for itself; shrinking takes those
 * back (and empties KASAN's quarantine), and the count is exact.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "memory.h"
#include "tap.h"

/* What is used must not fall by more than that in a second: things still end. */
#define SETTLED_KB	256
#define SETTLE_S	10

/* Half of what it takes to lose one of size each time. */
#define LOST(n, size)	((long)((n) * (size) / 2))
#define PAGE_KB		4

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	CHECK_CMP(fd, >=, 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* What the kernel keeps only because there is room: dentries, inodes, pages of files. */
static void drop_caches(void)
{
	const char *dir = "/sys/kernel/slab";
	struct dirent *e;
	char path[300];
	DIR *d;

	write_file("/proc/sys/vm/drop_caches", "3");
	d = opendir(dir);
	CHECK(d);
	while ((e = readdir(d))) {
		/* Links are other names of the same caches. */
		if (e->d_name[0] == '.' || e->d_type == DT_LNK)
			continue;
		snprintf(path, sizeof(path), "%s/%s/shrink", dir, e->d_name);
		write_file(path, "1");
	}
	closedir(d);
}

static unsigned long count_ids(int (*next)(__u32, __u32 *))
{
	unsigned long n = 0;
	__u32 id = 0;

	while (!next(id, &id))
		n++;
	return n;
}

/* KVM has a folder for each VM in debugfs. */
static unsigned long count_vms(void)
{
	unsigned long n = 0;
	struct dirent *e;
	DIR *d = opendir("/sys/kernel/debug/kvm");

	if (!d)
		return 0;
	while ((e = readdir(d)))
		n += !!strchr(e->d_name, '-');
	closedir(d);
	return n;
}

/*
 * Of these the kernel keeps free ones, so they say nothing.  VmallocUsed is what
 * counts for vmap_area.  The debug kernel has two more: a pool of DEBUG_OBJECTS, and
 * kmemleak's own note of each object, which goes some time after the object.
 */
static bool is_pool(const char *cache)
{
	return !strcmp(cache, "vmap_area") || !strcmp(cache, "debug_objects_cache") ||
	       !strcmp(cache, "kmemleak_object");
}

static void read_slabs(struct memory *m)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	char line[512], *name;

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		CHECK_CMP(m->ncaches, <, MEMORY_CACHES);
		name = m->caches[m->ncaches].name;
		if (sscanf(line, "%31[^ #] %lu %*u %*u %lu", name,
			   &m->caches[m->ncaches].objects, &m->caches[m->ncaches].a_slab) == 3 &&
		    !is_pool(name))
			m->ncaches++;
	}
	fclose(f);
}

/* Free pages that a CPU keeps at hand: megabytes, and MemFree has them not. */
static unsigned long at_hand_kb(void)
{
	FILE *f = fopen("/proc/zoneinfo", "r");
	unsigned long pages, sum = 0;
	char line[512];

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " count: %lu", &pages) == 1)
			sum += pages;
	}
	fclose(f);
	return sum * PAGE_KB;
}

static void read_pages(struct memory *m)
{
	unsigned long kb, total = 0, available = 0;
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128], name[32];

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%31[^:]: %lu", name, &kb) != 2)
			continue;
		if (!strcmp(name, "MemTotal"))
			total = kb;
		else if (!strcmp(name, "MemFree"))
			available = kb;
		else if (!strcmp(name, "VmallocUsed"))
			m->vmalloc_kb = kb;
		else if (!strcmp(name, "Percpu"))
			m->percpu_kb = kb;
	}
	fclose(f);
	m->used_kb = total - available - at_hand_kb();
}

static void read_once(struct memory *m)
{
	drop_caches();
	*m = (struct memory){
		.progs = count_ids(bpf_prog_get_next_id),
		.maps = count_ids(bpf_map_get_next_id),
		.links = count_ids(bpf_link_get_next_id),
		.vms = count_vms(),
	};
	read_slabs(m);
	read_pages(m);
}

void memory_read(struct memory *m)
{
	unsigned long used;
	int i;

	read_once(m);
	for (i = 0; i < SETTLE_S; i++) {
		used = m->used_kb;
		sleep(1);
		read_once(m);
		if (m->used_kb + SETTLED_KB > used)
			return;
	}
}

static unsigned long cache_before(const struct memory *before, const char *name)
{
	size_t i;

	for (i = 0; i < before->ncaches; i++) {
		if (!strcmp(before->caches[i].name, name))
			return before->caches[i].objects;
	}
	return 0;
}

/*
 * The cache that has grown most, and by how many objects.  What a CPU took for
 * itself since the caches were shrunk counts as used: one slab each is allowed.
 */
static const char *most_grown(const struct memory *before, const struct memory *now, long *most)
{
	long more, ncpus = sysconf(_SC_NPROCESSORS_ONLN);
	const char *name = "no cache";
	size_t i;

	*most = 0;
	for (i = 0; i < now->ncaches; i++) {
		more = now->caches[i].objects - cache_before(before, now->caches[i].name) -
		       ncpus * now->caches[i].a_slab;
		if (more > *most) {
			*most = more;
			name = now->caches[i].name;
		}
	}
	return name;
}

void memory_check(const struct memory *before, size_t n)
{
	time_t end = tap_seconds() + TAP_WAIT_S;
	long objects, vmalloc_kb, percpu_kb, used_kb;
	struct memory now;
	const char *cache;
	bool same;

	for (;;) {
		read_once(&now);
		cache = most_grown(before, &now, &objects);
		vmalloc_kb = now.vmalloc_kb - before->vmalloc_kb;
		percpu_kb = now.percpu_kb - before->percpu_kb;
		used_kb = now.used_kb - before->used_kb;
		same = now.progs == before->progs && now.maps == before->maps &&
		       now.links == before->links && now.vms == before->vms &&
		       objects < LOST(n, 1) && vmalloc_kb < LOST(n, PAGE_KB) &&
		       percpu_kb < LOST(n, PAGE_KB) && used_kb < LOST(n, PAGE_KB);
		if (same || tap_seconds() > end)
			break;
		sleep(1);
	}
	tap_note("memory after %zu times: programs %+ld, maps %+ld, links %+ld, VMs %+ld; %s %+ld objects; vmalloc %+ld kB, per-CPU %+ld kB, all %+ld kB",
		 n, now.progs - before->progs, now.maps - before->maps,
		 now.links - before->links, now.vms - before->vms, cache, objects,
		 vmalloc_kb, percpu_kb, used_kb);
	if (!same)
		tap_fail(__FILE__, __LINE__, "something is lost in the kernel, each time or nearly");
}
