// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Policies by name: <bpffs>/hcpolicy/NAME/ holds the link and both maps.
 *
 * The rule: a name is there whole or not at all.  Pins are made in a directory
 * of their own that gets the name at once.  And whoever removes a name has made
 * sure that what it stands for is his.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "internal.h"

#define BPFFS	"/sys/fs/bpf"
#define PINS	BPFFS "/hcpolicy"
#define DIR_SIZE	(sizeof(PINS) + HCP_NAME_LEN)
#define PATH_SIZE	(DIR_SIZE + BPF_OBJ_NAME_LEN)

static const char *const files[] = { HCP_MAP_SHARED, HCP_MAP_INFO, "link" };

/* A dot would be legible and no path, but bpffs keeps names with dots to itself. */
bool name_valid(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				  "0123456789_-");

	return len && len < HCP_NAME_LEN && !name[len];
}

static int check_bpffs(const struct hcpolicy *policy)
{
	struct statfs fs;

	if (!statfs(BPFFS, &fs) && (__u32)fs.f_type == BPF_FS_MAGIC)
		return 0;
	return fail(policy, ENOENT, "there is no BPF file system: mount -t bpf bpf " BPFFS);
}

static void name_dir(char dir[DIR_SIZE], const char *name)
{
	snprintf(dir, DIR_SIZE, PINS "/%s", name);
}

static void pin_path(char path[PATH_SIZE], const char *dir, const char *file)
{
	snprintf(path, PATH_SIZE, "%s/%s", dir, file);
}

static void remove_pins(const char *dir)
{
	char path[PATH_SIZE];
	size_t i;

	for (i = 0; i < 3; i++) {
		pin_path(path, dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

static __u32 link_id(int fd)
{
	struct bpf_link_info link = {};
	__u32 len = sizeof(link);

	return bpf_link_get_info_by_fd(fd, &link, &len) ? 0 : link.id;
}

int hcpolicy__pin(struct hcpolicy *policy)
{
	const int fds[] = { policy->shared_fd, policy->info_fd, policy->link_fd };
	char dir[DIR_SIZE], path[PATH_SIZE], name[DIR_SIZE];
	int err;
	size_t i;

	if (policy->link_fd < 0)
		return fail(policy, ENOENT, "only an attached policy can be pinned");
	if (!name_valid(policy->name))
		return fail(policy, EINVAL, "it has no name to be pinned by");
	err = check_bpffs(policy);
	if (err)
		return err;

	snprintf(dir, sizeof(dir), BPFFS "/hcpolicy~%u", link_id(policy->link_fd));
	name_dir(name, policy->name);
	if (mkdir(dir, 0700))
		return fail(policy, errno, "%s: %s", dir, strerror(errno));
	if (mkdir(PINS, 0700) && errno != EEXIST)
		goto failed;
	for (i = 0; i < 3; i++) {
		pin_path(path, dir, files[i]);
		if (bpf_obj_pin(fds[i], path))
			goto failed;
	}
	if (!renameat2(AT_FDCWD, dir, AT_FDCWD, name, RENAME_NOREPLACE))
		return 0;
failed:
	err = errno;
	remove_pins(dir);
	if (err == EEXIST)
		return fail(policy, err, "the name '%s' is taken; detach that or use another",
			    policy->name);
	return fail(policy, err, "cannot pin as %s: %s", name, strerror(err));
}

int hcpolicy__unpin(struct hcpolicy *policy)
{
	char dir[DIR_SIZE], path[PATH_SIZE];
	bool ours;
	int fd;

	if (!name_valid(policy->name) || policy->link_fd < 0)
		goto none;
	name_dir(dir, policy->name);
	pin_path(path, dir, "link");
	fd = bpf_obj_get(path);
	if (fd < 0 && errno != ENOENT)
		return fail(policy, errno, "%s: %s", path, strerror(errno));
	if (fd < 0)
		goto none;

	ours = link_id(fd) == link_id(policy->link_fd);
	close(fd);
	if (!ours)
		goto none;
	remove_pins(dir);
	if (!access(path, F_OK))
		return fail(policy, EPERM, "%s: cannot be removed", path);
	return 0;
none:
	errno = ENOENT;
	return -ENOENT;
}

struct hcpolicy *hcpolicy__open_pinned(const char *name, const struct hcpolicy_opts *opts)
{
	char dir[DIR_SIZE], path[PATH_SIZE];
	struct hcpolicy *policy, *found = NULL;
	int fds[] = { -1, -1, -1 }, err;
	size_t i;

	policy = policy_new(opts);	/* to speak for us */
	if (!policy)
		return NULL;
	if (!name || !name_valid(name)) {
		fail(policy, EINVAL, "'%s' cannot be a name: [A-Za-z0-9_-]+, at most %d",
		     name ? name : "", HCP_NAME_LEN - 1);
		goto out;
	}
	snprintf(policy->policy, sizeof(policy->policy), "%s", name);
	if (check_bpffs(policy))
		goto out;

	name_dir(dir, name);
	for (i = 0; i < 3; i++) {
		pin_path(path, dir, files[i]);
		fds[i] = bpf_obj_get(path);
		if (fds[i] >= 0)
			continue;
		if (errno == ENOENT)
			fail(policy, ENOENT, "nothing is pinned by that name in " PINS);
		else
			fail(policy, errno, "%s: %s", path, strerror(errno));
		goto out;
	}

	found = hcpolicy__open_fds(fds[0], fds[1], fds[2], opts);
	if (found)
		strcpy(found->name, name);
out:
	err = errno;
	for (i = 0; i < 3; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	hcpolicy__close(policy);
	errno = err;
	return found;
}
