// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the dump writer, the core reader, the page-table walk, the
 * comparison and the guest loader.  A small synthetic guest is written by
 * hcg_dump_write() and read back; a fork guards what must not crash or hang.
 *
 *	unit GUEST_ELF		run the tests
 *	unit --sample FILE	write the synthetic guest's dump, for the command line's tests
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../record.h"
#include "../boot.h"
#include "../dump.h"
#include "../oracle/judge.h"
#include "../load.h"
#include "../mailbox.h"
#include "../../selftests/tap.h"

#define PAGE		4096ULL
#define RAM		(8ULL << 20)	/* the low block; page tables live in its last MiB */
#define RAM_PAGES	(RAM / PAGE)
#define TABLES		(7ULL << 20)
#define HIGH_GPA	(16ULL << 20)	/* a second block, after a hole */
#define HIGH		(1ULL << 20)
#define SET_PAGES	8192ULL
#define CBIT		39
#define C		(1ULL << CBIT)
#define DIRECT		0xffff888000000000ULL
#define DIRECT_LA57	0xff11000000000000ULL
#define IMAGE		0xffffffff81000000ULL
#define VMALLOC		0xffffc90000000000ULL
#define TIME_LIMIT	20		/* seconds, for what must not hang */

static char dir[] = "/tmp/hcg-unit.XXXXXX";
static char dump_path[64], other_path[64];

/* The synthetic guest. */
struct vm {
	unsigned char *mem, *high;
	uint64_t words[SET_PAGES / 64];
	uint64_t next;		/* table page to be taken next */
	uint64_t cr3;
	int levels;
	uint64_t cr0, cr4;
	uint32_t cbit;
};

static struct vm *vm_new(int levels)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	CHECK(vm);
	vm->mem = mmap(NULL, RAM + HIGH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(vm->mem != MAP_FAILED);
	vm->high = vm->mem + RAM;
	vm->next = TABLES + PAGE;
	vm->cr3 = TABLES;
	vm->levels = levels;
	vm->cr0 = 0x80000011;
	vm->cr4 = 0x20 | (levels == 5 ? 1 << 12 : 0);
	vm->cbit = CBIT;
	return vm;
}

static void vm_free(struct vm *vm)
{
	munmap(vm->mem, RAM + HIGH);
	free(vm);
}

/* Map va by an entry of the given level, adding what tables it takes. */
static void map(struct vm *vm, uint64_t va, uint64_t entry, int level)
{
	uint64_t gpa = vm->cr3, *e;
	int l;

	for (l = vm->levels; ; l--) {
		e = (uint64_t *)(vm->mem + gpa) + (va >> (12 + 9 * (l - 1)) & 511);
		if (l == level)
			break;
		if (!*e) {
			*e = vm->next | C | 7;
			vm->next += PAGE;
		}
		gpa = *e & 0xfffffff000 & ~C;
	}
	*e = entry | 3 | (level > 1 ? 0x80 : 0);
}

static void unmap(struct vm *vm, uint64_t va)
{
	uint64_t gpa = vm->cr3, *e;
	int l;

	for (l = vm->levels; ; l--) {
		e = (uint64_t *)(vm->mem + gpa) + (va >> (12 + 9 * (l - 1)) & 511);
		if (l == 1)
			break;
		gpa = *e & 0xfffffff000 & ~C;
	}
	*e = 0;
}

static void map_pages(struct vm *vm, uint64_t va, uint64_t gpa, uint64_t pages, uint64_t c)
{
	for (; pages; pages--, va += PAGE, gpa += PAGE)
		map(vm, va, gpa | c, 1);
}

static void set(struct vm *vm, uint64_t gfn, uint64_t pages)
{
	for (; pages; pages--, gfn++)
		vm->words[gfn / 64] |= 1ULL << gfn % 64;
}

/*
 * What most tests start from: all RAM in the direct map, gfn 256 to 287 shared
 * there; the image at gfn 512 to 767, of which gfn 600 is shared only there.
 */
static struct vm *vm_linux(int levels, uint64_t direct)
{
	struct vm *vm = vm_new(levels);

	map_pages(vm, direct, 0, RAM_PAGES, C);
	map_pages(vm, direct + HIGH_GPA, HIGH_GPA, HIGH / PAGE, C);
	map_pages(vm, direct + 256 * PAGE, 256 * PAGE, 32, 0);
	map_pages(vm, IMAGE, 512 * PAGE, 256, C);
	map_pages(vm, IMAGE + 88 * PAGE, 600 * PAGE, 1, 0);
	set(vm, 256, 32);
	set(vm, 600, 1);
	return vm;
}

static void vm_dump(const struct vm *vm, const char *path)
{
	struct hcg_dump_block blocks[2] = {
		{ HIGH_GPA, HIGH, vm->high }, { 0, RAM, vm->mem },
	};
	struct hcg_dump_vcpu vcpus[2] = {};
	struct hcg_dump d = { blocks, 2, vcpus, 2, vm->cbit, SET_PAGES, vm->words };
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), i, err;

	if (fd < 0)
		tap_fail(__FILE__, __LINE__, "%s", path);
	for (i = 0; i < 2; i++) {
		vcpus[i].sregs.cr0 = vm->cr0;
		vcpus[i].sregs.cr3 = vm->cr3 | C | i;	/* as Linux has it: C-bit, PCID */
		vcpus[i].sregs.cr4 = vm->cr4;
	}
	err = hcg_dump_write(fd, &d);
	if (err) {
		errno = -err;
		tap_fail(__FILE__, __LINE__, "hcg_dump_write");
	}
	close(fd);
}

struct outcome {
	int err;		/* of core_open or walk_core */
	char error[256];
	struct judge j;
	struct walk w;		/* numbers only */
};

static struct outcome judge_path(const char *path)
{
	struct outcome o = {};
	struct core c;

	o.err = core_open(&c, path);
	if (o.err) {
		memcpy(o.error, c.error, sizeof(o.error));
		return o;
	}
	o.err = walk_core(&c, &o.w);
	memcpy(o.error, o.w.error, sizeof(o.error));
	if (!o.err) {
		judge_set(&c, &o.w, &o.j);
		walk_free(&o.w);
	}
	core_close(&c);
	return o;
}

static struct outcome judge_vm(struct vm *vm)
{
	struct outcome o;

	vm_dump(vm, dump_path);
	o = judge_path(dump_path);
	if (o.err)
		printf("# %s\n", o.error);
	vm_free(vm);
	return o;
}

static bool clean(const struct outcome *o, uint64_t shared)
{
	return !o->err && !o->j.missing && !o->j.extra && o->j.direct + o->j.image_only == shared;
}

static void test_right(void)
{
	struct outcome o = judge_vm(vm_linux(4, DIRECT));

	tap_ok(clean(&o, 33) && o.j.direct == 32 && o.j.image_only == 1 && o.j.set_ram == 33 &&
	       o.j.ram == RAM_PAGES + HIGH / PAGE && o.j.mapped == o.j.ram && !o.j.set_other &&
	       o.w.direct_base == DIRECT, "a right set: counts by direct map and kernel image");

	o = judge_vm(vm_linux(4, DIRECT + (7ULL << 30)));
	tap_ok(clean(&o, 33) && o.w.direct_base == DIRECT + (7ULL << 30), "a direct map moved by KASLR");

	/* Aliases below and above it, and a larger linear mapping at no multiple of 1 GiB. */
	struct vm *vm = vm_linux(4, DIRECT);

	map_pages(vm, DIRECT - (4ULL << 30), 0, 3, C);
	map_pages(vm, DIRECT + (4ULL << 40), 0, 3, C);
	map_pages(vm, VMALLOC + 0x5000, 0, RAM_PAGES, C);
	map_pages(vm, VMALLOC + 0x5000 + HIGH_GPA, HIGH_GPA, HIGH / PAGE, C);
	unmap(vm, DIRECT + 1200 * PAGE);
	o = judge_vm(vm);
	tap_ok(clean(&o, 33) && o.w.direct_base == DIRECT, "a direct map among other linear mappings");

	o = judge_vm(vm_linux(5, DIRECT_LA57 + (3ULL << 30)));
	tap_ok(clean(&o, 33) && o.w.direct_base == DIRECT_LA57 + (3ULL << 30), "5-level page tables");
}

static void test_wrong(void)
{
	struct vm *vm = vm_linux(4, DIRECT);
	struct outcome o;

	vm->words[270 / 64] ^= 1ULL << 270 % 64;
	o = judge_vm(vm);
	tap_ok(!o.err && o.j.missing == 1 && !o.j.extra && o.j.nshown == 1 && o.j.shown[0].missing &&
	       o.j.shown[0].gfn == 270 && o.j.shown[0].va == DIRECT + 270 * PAGE,
	       "a missing page, proved by the direct map");

	vm = vm_linux(4, DIRECT);
	vm->words[600 / 64] ^= 1ULL << 600 % 64;
	o = judge_vm(vm);
	tap_ok(!o.err && o.j.missing == 1 && o.j.shown[0].gfn == 600 &&
	       o.j.shown[0].va == IMAGE + 88 * PAGE, "a missing page, proved by the kernel image");

	vm = vm_linux(4, DIRECT);
	set(vm, HIGH_GPA / PAGE + 5, 1);
	o = judge_vm(vm);
	tap_ok(!o.err && !o.j.missing && o.j.extra == 1 && !o.j.shown[0].missing &&
	       o.j.shown[0].gfn == HIGH_GPA / PAGE + 5 &&
	       o.j.shown[0].va == DIRECT + HIGH_GPA + 5 * PAGE, "an extra page, above a hole");

	vm = vm_linux(4, DIRECT);
	memset(vm->words, 0xff, sizeof(vm->words));
	o = judge_vm(vm);
	tap_ok(!o.err && o.j.extra == o.j.ram - 33 && o.j.nshown == JUDGE_SHOWN && !o.j.missing &&
	       o.j.set_other == SET_PAGES - o.j.ram, "everything shared: all extra, the holes apart");
}

static void test_sizes(void)
{
	struct vm *vm = vm_new(4);
	struct outcome o;

	map(vm, DIRECT, 0 | C, 2);
	map(vm, DIRECT + (2 << 20), 2 << 20, 2);
	map_pages(vm, DIRECT + (4 << 20), 4 << 20, 1024, C);
	set(vm, 512, 512);
	o = judge_vm(vm);
	tap_ok(clean(&o, 512) && o.j.mapped == RAM_PAGES, "2 MiB pages");

	vm = vm_new(4);
	map(vm, DIRECT, C, 3);
	o = judge_vm(vm);
	tap_ok(clean(&o, 0) && o.j.mapped == o.j.ram, "a 1 GiB page with C-bit over RAM and holes");

	vm = vm_new(4);
	map(vm, DIRECT, 1 << 12, 3);	/* PAT: not a part of the address */
	set(vm, 0, RAM_PAGES);
	o = judge_vm(vm);
	tap_ok(!o.err && o.j.missing == HIGH / PAGE && !o.j.extra && o.j.direct == o.j.ram,
	       "a 1 GiB page without C-bit and with PAT");
}

static void test_others(void)
{
	struct vm *vm = vm_linux(4, DIRECT);
	struct outcome o;

	map_pages(vm, VMALLOC + 0x5000, 1000 * PAGE, 3, 0);
	map_pages(vm, VMALLOC + 0x9000, 256 * PAGE, 4, 0);
	o = judge_vm(vm);
	tap_ok(clean(&o, 33) && o.j.disputed == 3 && o.j.disputed_first.gfn == 1000 &&
	       o.j.disputed_first.va == VMALLOC + 0x5000, "shared by vmalloc only: counted, not judged");

	vm = vm_linux(4, DIRECT);
	map_pages(vm, 0x400000, 1000 * PAGE, 3, 0);
	o = judge_vm(vm);
	tap_ok(clean(&o, 33) && !o.j.disputed, "the user half is not looked at");

	vm = vm_linux(4, DIRECT);
	for (int i = 1300; i < 1310; i++)
		map(vm, DIRECT + i * PAGE, 0, 1);
	o = judge_vm(vm);
	tap_ok(!o.err && o.j.missing == 1 && o.j.mapped == o.j.ram - 10 && o.j.shown[0].gfn == 0,
	       "gfn 0 shared by ten aliases within the direct map is missing once");

	vm = vm_linux(4, DIRECT);
	set(vm, 2500, 4);	/* in the hole */
	o = judge_vm(vm);
	tap_ok(clean(&o, 33) && o.j.set_other == 4, "shared in the set where there is no RAM");
}

static void test_unmapped(void)
{
	struct vm *vm = vm_linux(4, DIRECT);
	struct outcome o;

	unmap(vm, DIRECT + 1200 * PAGE);
	unmap(vm, DIRECT + 1201 * PAGE);
	set(vm, 1201, 1);
	o = judge_vm(vm);
	tap_ok(clean(&o, 33) && o.j.mapped == o.j.ram - 2 && o.j.unmapped_set == 1,
	       "pages that nothing maps are not judged, and counted");
}

static void test_refused(void)
{
	struct vm *vm = vm_linux(4, DIRECT);
	struct outcome o;

	vm->cbit = 0;
	o = judge_vm(vm);
	tap_ok(o.err == -EINVAL && strstr(o.error, "C-bit"), "no C-bit: refused");

	vm = vm_linux(4, DIRECT);
	vm->cr0 = 0x11;
	o = judge_vm(vm);
	tap_ok(o.err == -EINVAL && strstr(o.error, "paging"), "paging off: refused");

	vm = vm_new(4);
	map_pages(vm, 0x400000, 0, 100, C);
	o = judge_vm(vm);
	tap_ok(o.err == -ENOENT && strstr(o.error, "direct map"), "no direct map: refused");

	vm = vm_linux(4, DIRECT);
	vm->cr3 = 1ULL << 38;
	o = judge_vm(vm);
	tap_ok(o.err == -ENOENT, "CR3 outside RAM: refused");
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Run fn(arg) in a child: it must end by itself, in time. */
static bool survives(void (*fn)(void *), void *arg)
{
	double start = now();
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		alarm(TIME_LIMIT);
		fn(arg);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) < 0)
		tap_fail(__FILE__, __LINE__, "waitpid");
	if (status)
		printf("# wait status 0x%x after %.1f s\n", status, now() - start);
	return !status;
}

static void judge_quietly(void *vm)
{
	vm_dump(vm, dump_path);
	judge_path(dump_path);
}

static uint64_t random_state;

static uint64_t random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	return random_state ^= random_state << 17;
}

static void test_hostile(void)
{
	uint64_t *w, i, kind;
	struct vm *vm;
	bool good;

	vm = vm_new(4);
	w = (uint64_t *)(vm->mem + vm->cr3);
	for (i = 0; i < 512; i++)
		w[i] = vm->cr3 | C | 3;
	tap_ok(survives(judge_quietly, vm), "a table that refers to itself 512 times");
	vm_free(vm);

	vm = vm_new(5);
	w = (uint64_t *)(vm->mem + vm->cr3);
	for (i = 0; i < 512; i++)
		w[i] = vm->cr3 | C | 0x83;
	tap_ok(survives(judge_quietly, vm), "the same with 5 levels and huge pages");
	vm_free(vm);

	/* 2,000 tables, each of 512 huge pages over all of RAM. */
	vm = vm_new(5);
	w = (uint64_t *)vm->mem;
	for (i = 0; i < TABLES / 8; i++)
		w[i] = 3 | 0x80;
	for (i = 0; i < 512; i++)
		((uint64_t *)(vm->mem + vm->cr3))[i] = (TABLES + (1 + i % 4) * PAGE) | 3;
	for (i = 0; i < 4 * 512; i++)
		((uint64_t *)(vm->mem + TABLES + PAGE))[i] = i % (TABLES / PAGE) << 12 | 3;
	tap_ok(survives(judge_quietly, vm), "a million huge pages over the same RAM");
	vm_free(vm);

	/* Every word of RAM an entry: to tables, to huge pages in RAM, in holes. */
	for (kind = 0, good = true; kind < 6 && good; kind++) {
		vm = vm_new(kind & 1 ? 5 : 4);
		random_state = 88172645463325252 + kind;
		for (i = 0, w = (uint64_t *)vm->mem; i < (RAM + HIGH) / 8; i++)
			w[i] = kind < 2 ? (random64() % RAM_PAGES) << 12 | (random64() & 0x83) :
			       kind < 4 ? (random64() & 0x1ffffff000) | 0x83 :
					  (random64() % RAM_PAGES) << 12 | 3;
		good = survives(judge_quietly, vm);
		vm_free(vm);
	}
	tap_ok(good, "RAM full of random page-table entries");

	vm = vm_linux(4, DIRECT);
	w = (uint64_t *)(vm->mem + vm->cr3);
	w[400] = (1ULL << 38) | 3;
	w[401] = (20ULL << 20) | 3;
	struct outcome o = judge_vm(vm);
	tap_ok(clean(&o, 33) && o.w.outside >= 2, "tables outside RAM are skipped and counted");
}

static size_t read_file(const char *path, unsigned char **data)
{
	struct stat st;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || fstat(fd, &st))
		tap_fail(__FILE__, __LINE__, "%s", path);
	*data = malloc(st.st_size + 1);
	if (!*data || read(fd, *data, st.st_size) != st.st_size)
		tap_fail(__FILE__, __LINE__, "%s", path);
	close(fd);
	return st.st_size;
}

static void write_file(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		tap_fail(__FILE__, __LINE__, "%s", path);
	close(fd);
}

static void open_flipped(void *arg)
{
	unsigned char *data, keep;
	size_t size = read_file(dump_path, &data), at;
	struct core c;
	int i, fd;

	write_file(other_path, data, size);
	fd = open(other_path, O_WRONLY);
	random_state = 2463534242;
	for (i = 0; i < 3000; i++) {
		at = random64() % 2200;
		keep = data[at];
		data[at] = random64();
		if (pwrite(fd, data + at, 1, at) != 1)
			_exit(2);
		if (!core_open(&c, other_path))
			core_close(&c);
		if (i % 2) {	/* faults pile up two by two */
			data[at] = keep;
			if (pwrite(fd, data + at, 1, at) != 1)
				_exit(2);
		} else if (i % 64 == 0) {
			free(data);
			read_file(dump_path, &data);
			if (pwrite(fd, data, 2200, 0) != 2200)
				_exit(2);
		}
	}
}

static void test_bad_cores(void)
{
	struct vm *vm = vm_linux(4, DIRECT);
	unsigned char *data;
	struct outcome o;
	Elf64_Phdr *ph;
	size_t size, i;
	bool good = true;

	vm_dump(vm, dump_path);
	vm_free(vm);
	size = read_file(dump_path, &data);
	ph = (Elf64_Phdr *)(data + sizeof(Elf64_Ehdr));

	for (i = 0; i < size && good; i += i < 3000 ? 13 : 99991) {
		write_file(other_path, data, i);
		o = judge_path(other_path);
		good = o.err == -ENOEXEC && o.error[0];
	}
	tap_ok(good, "a truncated core is refused, wherever it ends");

	tap_ok(survives(open_flipped, NULL), "cores with damaged headers and notes");

	for (i = 0; i < size; i++)
		data[i] = random64();
	write_file(other_path, data, size);
	o = judge_path(other_path);
	tap_ok(o.err == -ENOEXEC && strstr(o.error, "not an ELF core"), "garbage is refused");
	free(data);

	size = read_file(dump_path, &data);
	ph = (Elf64_Phdr *)(data + sizeof(Elf64_Ehdr));
	ph[1].p_paddr = RAM - PAGE;
	write_file(other_path, data, size);
	o = judge_path(other_path);
	tap_ok(o.err == -ENOEXEC && strstr(o.error, "two blocks"), "overlapping blocks of RAM are refused");

	ph[1].p_paddr = HIGH_GPA + 1;
	write_file(other_path, data, size);
	o = judge_path(other_path);
	tap_ok(o.err == -ENOEXEC && strstr(o.error, "whole pages"), "an unaligned block of RAM is refused");
	free(data);

	o = judge_path("/nonexistent/core");
	tap_ok(o.err == -ENOENT, "a file that is not there");
	o = judge_path("/dev/null");
	tap_ok(o.err == -ENOEXEC, "a file that is none");
}

static void test_writer(void)
{
	struct vm *vm = vm_linux(4, DIRECT);
	struct hcg_dump_block b = { 0, PAGE + 1, vm->mem };
	struct hcg_dump d = { .blocks = &b, .nblocks = 1, .words = vm->words };
	struct stat st;
	struct core c;
	uint64_t i;
	bool good;

	memset(vm->mem + 300 * PAGE, 0x5a, 3 * PAGE);
	memset(vm->high + HIGH - 1, 1, 1);
	vm_dump(vm, dump_path);
	good = !core_open(&c, dump_path);
	for (i = 0; good && i < RAM_PAGES; i++)
		good = !memcmp(core_page(&c, i), vm->mem + i * PAGE, PAGE);
	for (i = 0; good && i < HIGH / PAGE; i++)
		good = !memcmp(core_page(&c, HIGH_GPA / PAGE + i), vm->high + i * PAGE, PAGE);
	good = good && !core_page(&c, RAM_PAGES) && c.nvcpus == 2 && c.vcpus[1].cr3 == (TABLES | C | 1) &&
	       c.npages == SET_PAGES && c.cbit == CBIT &&
	       !memcmp(c.words, vm->words, sizeof(vm->words));
	tap_ok(good, "what is written is what is read: RAM, registers, set");
	core_close(&c);

	stat(dump_path, &st);
	tap_ok(st.st_size > (off_t)(RAM + HIGH) && st.st_blocks * 512ULL < RAM / 8,
	       "pages of zeros take no space");
	tap_ok(hcg_dump_write(-1, &d) == -EINVAL, "a block that is not made of pages is refused");
	vm_free(vm);
}

/* The loader. */
static unsigned char *guest_mem;
#define GUEST_MEM	(16ULL << 20)

static int load(const char *path, uint64_t size, struct hcguest *g)
{
	return hcguest_load(path, guest_mem, size, "exit 0", g);
}

static void load_flipped(void *elf)
{
	unsigned char *data, keep;
	size_t size = read_file(elf, &data), at, head = 64 + 2 * 56;
	struct hcguest g;
	Elf64_Phdr *note = (Elf64_Phdr *)(data + 64 + 56);
	uint64_t note_at = note->p_offset, note_size = note->p_filesz;
	int i, fd;

	write_file(other_path, data, size);
	fd = open(other_path, O_WRONLY);
	random_state = 362436069;
	for (i = 0; i < 5000; i++) {
		at = random64() % (head + note_size);
		if (at >= head)
			at = note_at + at - head;
		keep = data[at];
		data[at] = random64();
		if (pwrite(fd, data + at, 1, at) != 1)
			_exit(2);
		load(other_path, GUEST_MEM, &g);
		data[at] = keep;
		if (pwrite(fd, data + at, 1, at) != 1)
			_exit(2);
	}
}

static void test_loader(const char *elf)
{
	struct hvm_start_info *si;
	unsigned char *data;
	struct hcguest g;
	Elf64_Phdr *ph;
	size_t size, i;
	bool good = true;

	/* An inaccessible page after the memory catches what is written beyond it. */
	guest_mem = mmap(NULL, GUEST_MEM + PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (guest_mem == MAP_FAILED || mprotect(guest_mem + GUEST_MEM, PAGE, PROT_NONE))
		tap_fail(__FILE__, __LINE__, "memory");

	good = !load(elf, GUEST_MEM, &g);
	si = (struct hvm_start_info *)(guest_mem + g.start_info);
	tap_ok(good && g.pvh_entry >= 0x100000 && g.vcpu_entry > g.pvh_entry && si->magic == HVM_START_MAGIC &&
	       !strcmp((char *)guest_mem + si->cmdline_paddr, "exit 0"), "the guest is loaded, with its command line");

	size = read_file(elf, &data);
	ph = (Elf64_Phdr *)(data + 64);
	tap_ok(!memcmp(guest_mem + ph->p_paddr, data + ph->p_offset, ph->p_filesz),
	       "its image is in memory");

	tap_ok(load(elf, 3 << 20, &g) == -ENOMEM && strstr(g.error, "4 MiB"), "too little memory is refused");
	tap_ok(load("/nonexistent/elf", GUEST_MEM, &g) == -ENOENT, "a guest that is not there");
	tap_ok(load("/bin/sh", GUEST_MEM, &g) == -ENOEXEC && g.error[0], "another program is refused");

	for (i = 0, good = true; i < ph->p_offset + ph->p_filesz && good; i += 97) {
		write_file(other_path, data, i);
		good = load(other_path, GUEST_MEM, &g) == -ENOEXEC && g.error[0];
	}
	tap_ok(good, "a truncated guest is refused, wherever it ends");

	ph->p_paddr = 0x9000;
	write_file(other_path, data, size);
	tap_ok(load(other_path, GUEST_MEM, &g) == -ENOEXEC && strstr(g.error, "1 MiB"),
	       "a segment where the loader puts its own is refused");
	ph->p_paddr = GUEST_MEM - PAGE;
	write_file(other_path, data, size);
	tap_ok(load(other_path, GUEST_MEM, &g) == -ENOMEM, "a segment beyond the memory is refused");
	ph->p_paddr = UINT64_MAX - PAGE + 1;
	write_file(other_path, data, size);
	tap_ok(load(other_path, GUEST_MEM, &g) == -ENOMEM, "a segment that wraps is refused");
	ph->p_paddr = 0x100000;
	ph->p_memsz = ph->p_filesz - 1;
	write_file(other_path, data, size);
	tap_ok(load(other_path, GUEST_MEM, &g) == -ENOEXEC && g.error[0],
	       "a segment that is longer in the file than in memory is refused");
	ph->p_memsz = ph->p_filesz;
	ph[1].p_type = PT_NULL;
	write_file(other_path, data, size);
	tap_ok(load(other_path, GUEST_MEM, &g) == -ENOEXEC && strstr(g.error, "PVH"), "no PVH note: refused");
	free(data);

	tap_ok(survives(load_flipped, (void *)elf), "guests with damaged headers and notes");
}

static void encrypt(uint64_t *page, uint64_t gfn, uint64_t key)
{
	unsigned int i;

	for (i = 0; i < HCG_PAGE_WORDS; i++)
		page[i] = hcg_page_content(gfn, 1, i) ^ hcg_keystream(key, gfn * PAGE + i * 8);
}

static void test_crypt(void)
{
	static uint64_t plain[HCG_PAGE_WORDS], a[HCG_PAGE_WORDS], b[HCG_PAGE_WORDS];
	unsigned int i, same = 0;

	encrypt(plain, 0x500, 0);
	encrypt(a, 0x500, 0x1234);
	encrypt(b, 0x500, 0x99);
	for (i = 0; i < HCG_PAGE_WORDS; i++)
		same += a[i] == plain[i] || b[i] == plain[i] || a[i] == b[i] ||
			(i && plain[i] == plain[i - 1]) ||
			plain[i] == hcg_page_content(0x501, 1, i) ||
			plain[i] == hcg_page_content(0x500, 2, i);
	tap_ok(!same && plain[3] == hcg_page_content(0x500, 1, 3),
	       "each word differs by key, place and version; key 0 is plain");
	hcg_rekey(a, 0x500 * PAGE, 0x1234, 0x99);
	tap_ok(!memcmp(a, b, sizeof(a)), "a page is re-keyed without a look at its contents");
	hcg_rekey(a, 0x500 * PAGE, 0x99, 0);
	tap_ok(!memcmp(a, plain, sizeof(a)), "and decrypted by key 0");
	tap_ok(hcg_page_index(HCG_FREE_GPA / PAGE) == 0 &&
	       hcg_page_index(HCG_FREE_GPA / PAGE - 1) >= HCG_TABLE_PAGES &&
	       HCG_KEY_GPA >= HCG_MAILBOX_GPA(HCG_MAX_VCPUS) && HCG_KEY_GPA < 0xa0000 &&
	       HCG_BATCH_GPA(HCG_MAX_VCPUS) <= HCG_FREE_GPA, "key, mailboxes, book and batches do not overlap");
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--sample")) {
		vm_dump(vm_linux(4, DIRECT), argv[2]);
		return 0;
	}
	if (argc != 2) {
		fprintf(stderr, "usage: unit GUEST_ELF | unit --sample FILE\n");
		return 2;
	}
	CHECK(mkdtemp(dir));
	snprintf(dump_path, sizeof(dump_path), "%s/core", dir);
	snprintf(other_path, sizeof(other_path), "%s/other", dir);

	test_crypt();
	test_right();
	test_wrong();
	test_sizes();
	test_others();
	test_unmapped();
	test_refused();
	test_hostile();
	test_bad_cores();
	test_writer();
	test_loader(argv[1]);

	unlink(dump_path);
	unlink(other_path);
	rmdir(dir);
	return tap_end();
}
