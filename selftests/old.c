// SPDX-License-Identifier: GPL-2.0
/* What hcpolicy 0.1 does to attach, without today's library. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "old.h"
#include "tap.h"

struct old_info *old_info(struct pol *p)
{
	return (struct old_info *)p->info;
}

static uint64_t start_time(void)
{
	FILE *file = fopen("/proc/self/stat", "re");
	char text[1024], *at;
	int field;

	CHECK(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	at = strrchr(text, ')');
	for (field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	CHECK(at);
	return strtoull(at + 1, NULL, 10);
}

static void pin(struct pol *p, const char *name)
{
	const struct { const char *file; int fd; } pins[] = {
		{ "hcp_shared", bpf_object__find_map_fd_by_name(p->obj, "hcp_shared") },
		{ "hcp_info", bpf_object__find_map_fd_by_name(p->obj, "hcp_info") },
		{ "link", bpf_link__fd(p->link) },
	};
	char path[256];
	size_t i;

	CHECK(!mkdir(OLD_PINS, 0700) || errno == EEXIST);
	snprintf(path, sizeof(path), OLD_PINS "/%s", name);
	CHECK_EQ(mkdir(path, 0700), 0);
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), OLD_PINS "/%s/%s", name, pins[i].file);
		CHECK_EQ(bpf_obj_pin(pins[i].fd, path), 0);
	}
}

struct pol *old_attach(struct vm *vm, const char *name)
{
	struct pol *p = pol_load("old", vm->fd, KVM_HCPOLICY_BEFORE_RUN);
	struct old_info *info = old_info(p);

	*info = (struct old_info) {
		.version = 1, .state = OLD_UNATTACHED, .npages = OLD_NPAGES, .pid = getpid(),
		.vm_fd = vm->fd, .start_time = start_time(), .attached_at = 1700000000000000000,
		.policy = "old",
	};
	snprintf(info->name, sizeof(info->name), "%s", name ?: "unpinned");
	CHECK_EQ(pol_try_attach(p), 0);
	info->state = 0;
	if (name)
		pin(p, name);
	return p;
}
