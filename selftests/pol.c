// SPDX-License-Identifier: GPL-2.0
/*
 * Test policies with plain libbpf.  The rule: an errno that a test is to see is
 * passed on as the kernel gave it.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pol.h"
#include "tap.h"
#include "vm.h"

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return level == LIBBPF_WARN && getenv("V") ? vfprintf(stderr, fmt, ap) : 0;
}

static void *map_memory(struct pol *p, const char *name, size_t size)
{
	int fd = bpf_object__find_map_fd_by_name(p->obj, name);
	void *mem;

	if (fd < 0)
		return NULL;
	mem = mmap(NULL, (size + PAGE - 1) & -PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(mem != MAP_FAILED);
	return mem;
}

void pol_open(struct pol *p, const char *file, int vm_fd, uint32_t flags)
{
	char path[64];
	struct pol_ops *ops;
	struct bpf_map *map;
	size_t size;

	libbpf_set_print(quiet);
	*p = (struct pol){};
	snprintf(path, sizeof(path), "selftests/%s.bpf.o", file);
	p->obj = bpf_object__open_file(build_path(path), NULL);
	if (!p->obj)
		tap_fail(__FILE__, __LINE__, "cannot open %s", path);

	bpf_object__for_each_map(map, p->obj) {
		if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS)
			p->ops = map;
	}
	CHECK(p->ops);
	ops = bpf_map__initial_value(p->ops, &size);
	CHECK(ops && size == sizeof(*ops));
	ops->vm_fd = vm_fd;
	ops->flags = flags;
}

static int load(struct pol *p)
{
	int err = bpf_object__load(p->obj);

	if (err)
		return err;
	p->state = map_memory(p, ".bss", sizeof(*p->state));
	p->info = map_memory(p, HCP_MAP_INFO, sizeof(*p->info));
	return 0;
}

int pol_try_load(struct pol *p, const char *file, int vm_fd, uint32_t flags)
{
	pol_open(p, file, vm_fd, flags);
	return load(p);
}

static struct pol *open_obey(int vm_fd)
{
	struct pol *p = malloc(sizeof(*p));

	CHECK(p);
	pol_open(p, "obey", vm_fd, 0);
	return p;
}

static void load_keeper(struct pol *p)
{
	CHECK_EQ(load(p), 0);
	p->state->answer = KVM_HCPOLICY_HANDLED;
	p->state->book = 1;
}

struct pol *pol_keeper(int vm_fd, uint64_t max_gpa)
{
	uint64_t npages = max_gpa / PAGE;
	struct pol *p = open_obey(vm_fd);
	struct bpf_map *map = bpf_object__find_map_by_name(p->obj, HCP_MAP_SHARED);

	CHECK_EQ(bpf_map__set_max_entries(map, npages / HCP_CHUNK_PAGES), 0);
	load_keeper(p);
	p->info->version = HCP_INFO_VERSION;
	p->info->npages = npages;
	p->set = hcp_set__new_over(map_memory(p, HCP_MAP_SHARED, npages / 8),
				   (struct hcp_info *)p->info);
	CHECK(p->set);
	return p;
}

static void reuse(struct pol *p, const char *map, int fd)
{
	CHECK_EQ(bpf_map__reuse_fd(bpf_object__find_map_by_name(p->obj, map), fd), 0);
}

struct pol *pol_over(int shared_fd, int info_fd)
{
	struct pol *p = open_obey(-1);

	reuse(p, HCP_MAP_SHARED, shared_fd);
	reuse(p, HCP_MAP_INFO, info_fd);
	load_keeper(p);
	return p;
}

int pol_try_attach(struct pol *p)
{
	p->link = bpf_map__attach_struct_ops(p->ops);
	return p->link ? 0 : -errno;
}

struct pol *pol_load(const char *file, int vm_fd, uint32_t flags)
{
	struct pol *p = malloc(sizeof(*p));
	int err;

	CHECK(p);
	err = pol_try_load(p, file, vm_fd, flags);
	if (err)
		tap_fail(__FILE__, __LINE__, "%s does not load: %s", file, strerror(-err));
	return p;
}

struct pol *pol_handler(int vm_fd)
{
	struct pol *p = pol_load("obey", vm_fd, 0);

	p->state->answer = KVM_HCPOLICY_HANDLED;
	return p;
}

struct pol *pol_obey(int vm_fd, uint32_t flags, int answer)
{
	struct pol *p = pol_load("obey", vm_fd, flags);

	p->state->answer = answer;
	CHECK_EQ(pol_try_attach(p), 0);
	return p;
}

int pol_try_replace(struct pol *p, struct pol *next)
{
	return bpf_link__update_map(p->link, next->ops);
}

void pol_replace(struct pol *p, struct pol *next)
{
	CHECK_EQ(pol_try_replace(p, next), 0);
	next->link = p->link;
	p->link = NULL;
}

void pol_detach(struct pol *p)
{
	CHECK_EQ(bpf_link_detach(bpf_link__fd(p->link)), 0);
}

void pol_close_link(struct pol *p)
{
	CHECK_EQ(bpf_link__destroy(p->link), 0);
	p->link = NULL;
}

void pol_free(struct pol *p)
{
	if (p->link)
		pol_close_link(p);
	if (p->state)
		munmap((void *)p->state, (sizeof(*p->state) + PAGE - 1) & -PAGE);
	if (p->info)
		munmap((void *)p->info, PAGE);
	bpf_object__close(p->obj);
	free(p);
}

bool pol_hung_up(struct pol *p, int ms)
{
	struct pollfd pfd = { .fd = bpf_link__fd(p->link) };

	return poll(&pfd, 1, ms) == 1 && (pfd.revents & POLLHUP);
}
