// SPDX-License-Identifier: GPL-2.0
/* What is attached, for whom: attached.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <hcpolicy/policy.h>
#include "attached.h"

static struct attached {
	char name[HCP_NAME_LEN];
	uid_t uid;
	int link;
} *attached;
static size_t n;

void attached_add(const char *name, uid_t uid, int link)
{
	attached = realloc(attached, (n + 1) * sizeof(*attached));
	if (!attached)
		abort();
	attached[n] = (struct attached){ .uid = uid, .link = link };
	snprintf(attached[n++].name, HCP_NAME_LEN, "%s", name);
}

/* As whom does it run?  A process that cannot be seen counts as root's. */
static uid_t user_of(pid_t pid)
{
	unsigned int uid = 0;
	char path[32], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file) && sscanf(line, "Uid: %*u %u", &uid) != 1)
		;
	if (file)
		fclose(file);
	return uid;
}

static int find(const char *name, void *ctx)
{
	struct hcpolicy_opts opts = { .sz = sizeof(opts) };
	struct hcpolicy *policy = hcpolicy__open_pinned(name, &opts);

	if (policy && hcpolicy__info(policy) && hcpolicy__link_fd(policy) >= 0)
		attached_add(name, user_of(hcpolicy__info(policy)->pid),
			     fcntl(hcpolicy__link_fd(policy), F_DUPFD_CLOEXEC, 3));
	hcpolicy__close(policy);
	return 0;
}

static void on_log(void *ctx, const char *line)
{
	fprintf(stderr, "hcpolicyd: %s\n", line);
}

void attached_find(void)
{
	struct hcpolicy_opts opts = { .sz = sizeof(opts), .log = on_log };

	hcpolicy__each_pinned(find, NULL, &opts);
}

unsigned int attached_of(uid_t uid)
{
	unsigned int count = 0;

	for (size_t i = 0; i < n; i++)
		count += attached[i].uid == uid;
	return count;
}

size_t attached_count(void)
{
	return n;
}

void attached_poll(struct pollfd *fds)
{
	for (size_t i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = attached[i].link };
}

bool attached_ended(char *name)
{
	for (size_t i = 0; i < n; i++) {
		struct pollfd pfd = { .fd = attached[i].link };

		if (poll(&pfd, 1, 0) <= 0)
			continue;
		close(attached[i].link);
		strcpy(name, attached[i].name);
		attached[i] = attached[--n];
		return true;
	}
	return false;
}
