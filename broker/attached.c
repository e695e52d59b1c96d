// SPDX-License-Identifier: GPL-2.0
/* What is attached, for whom: attached.h. */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <hcpolicy/policy.h>
#include "../loader/text.h"
#include "attached.h"

/* A map lives until the processors are done with it, which takes seconds where they are busy. */
#define ENDING_NS	10000000000

static struct attached {
	struct attachment at;
	uid_t uid;
	int link;		/* -1: it has ended */
	uint64_t ended;		/* at this time */
} *attached;
static size_t n;

void attached_add(const struct attachment *attachment, uid_t uid, int link)
{
	attached = realloc(attached, (n + 1) * sizeof(*attached));
	if (!attached)
		abort();
	attached[n++] = (struct attached){ .at = *attachment, .uid = uid, .link = link };
}

__u32 attached_map_id(int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return bpf_map_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

static __u32 link_id(int fd)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	return bpf_link_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* In the folder of a name. */
__attribute__((format(printf, 3, 4)))
static const char *path_in(char path[256], const char *name, const char *fmt, ...)
{
	const char *bpffs = secure_getenv("HCPOLICY_BPFFS") ?: HCPOLICY_DEFAULT_BPFFS;
	size_t len = snprintf(path, 256, "%s/hcpolicy/%s/", bpffs, name);
	va_list args;

	va_start(args, fmt);
	if (len < 256)
		vsnprintf(path + len, 256 - len, fmt, args);
	va_end(args);
	return path;
}

/*
 * The note is an empty folder.  Its name has the link's id, as the name of the attachment may be another
 * policy's by now.  (hcp_info also says whose it is, but its user can write there.)
 */
#define NOTE	"user-%u-link-%u"

int attached_note(const char *name, uid_t uid, int link)
{
	char path[256];

	return mkdir(path_in(path, name, NOTE, uid, link_id(link)), 0700) ? errno : 0;
}

static bool read_note(const char *name, __u32 id, uid_t *uid)
{
	char path[256];
	DIR *dir = opendir(path_in(path, name, "."));
	unsigned int user, link;
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		found = sscanf(entry->d_name, NOTE, &user, &link) == 2 && link == id;
		if (found)
			*uid = user;
	}
	if (dir)
		closedir(dir);
	return found;
}

static __u32 pinned_map(const char *name, const char *pin)
{
	char path[256];
	int fd = bpf_obj_get(path_in(path, name, "%s", pin));
	__u32 id = fd < 0 ? 0 : attached_map_id(fd);

	if (fd >= 0)
		close(fd);
	return id;
}

static int find(const char *name, void *ctx)
{
	struct attachment at = {};
	char path[256], pin[32];
	uid_t uid;
	int link;

	link = bpf_obj_get(path_in(path, name, "link"));
	if (link < 0) {
		fprintf(stderr, "hcpolicyd: %s: %s: so it counts for nobody\n", path, strerror(errno));
		return 0;
	}
	if (!read_note(name, link_id(link), &uid)) {
		/* Not of a broker. */
		close(link);
		return 0;
	}
	strcpy(at.name, name);
	at.maps[HCP_BROKER_SHARED - 1] = pinned_map(name, HCP_MAP_SHARED);
	at.maps[HCP_BROKER_INFO - 1] = pinned_map(name, HCP_MAP_INFO);
	at.maps[HCP_BROKER_COUNTERS - 1] = pinned_map(name, "maps/data_counters");
	for (int i = 0; i < HCP_EVENT_RINGS; i++) {
		snprintf(pin, sizeof(pin), "maps/" HCP_MAP_EVENTS "%d", i);
		at.maps[HCP_BROKER_EVENTS - 1 + i] = pinned_map(name, pin);
	}
	attached_add(&at, uid, link);
	return 0;
}

static void on_log(void *ctx, const char *line)
{
	fprintf(stderr, "hcpolicyd: %s\n", line);
}

bool attached_find(void)
{
	struct hcpolicy_opts opts = { .sz = sizeof(opts), .log = on_log };

	if (!hcpolicy__each_pinned(find, NULL, &opts))
		return true;
	fputs("hcpolicyd: what is attached cannot be counted, so nothing more is attached\n", stderr);
	return false;
}

/* Does anybody keep one of its maps? */
static bool is_kept(const struct attachment *at)
{
	int fd;

	for (int i = 0; i < HCP_BROKER_FDS - 1; i++) {
		if (!at->maps[i])
			continue;
		fd = bpf_map_get_fd_by_id(at->maps[i]);
		if (fd >= 0)
			close(fd);
		if (fd >= 0 || errno != ENOENT)
			return true;
	}
	return false;
}

unsigned int attached_of(uid_t uid, unsigned int *ending)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	unsigned int count = 0;

	*ending = 0;
	for (size_t i = n; i-- > 0;) {
		if (attached[i].uid != uid)
			continue;
		if (attached[i].link < 0 && !is_kept(&attached[i].at)) {
			attached[i] = attached[--n];
			continue;
		}
		count++;
		*ending += attached[i].link < 0 && now - attached[i].ended < ENDING_NS;
	}
	return count;
}

size_t attached_count(void)
{
	return n;
}

/* poll(2) leaves out -1. */
void attached_poll(struct pollfd *fds)
{
	for (size_t i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = attached[i].link };
}

bool attached_ended(char *name)
{
	for (size_t i = 0; i < n; i++) {
		struct pollfd pfd = { .fd = attached[i].link };

		if (pfd.fd < 0 || poll(&pfd, 1, 0) <= 0)
			continue;
		close(attached[i].link);
		attached[i].link = -1;
		attached[i].ended = clock_ns(CLOCK_MONOTONIC);
		strcpy(name, attached[i].at.name);
		return true;
	}
	return false;
}
