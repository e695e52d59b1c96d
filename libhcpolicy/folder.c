// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The folder of names, <bpffs>/hcpolicy.
 *
 * The rule: it belongs to root or to the caller, and nobody else can write to it.  It is
 * opened once, so that nobody can exchange a path later.  Whoever changes a name in it
 * holds its lock.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "internal.h"

#define FOLDER_FLAGS	(O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define LOCK_SECONDS	10

/* For messages: the folder, or that of a name in it. */
#define WHERE		"%s/" FOLDER "%s%s"
#define where(policy, name)	(policy)->bpffs, *(name) ? "/" : "", name

/* Who owns it, and who else can write to it?  name: "" for the folder itself. */
static int check_owner(const struct hcpolicy *policy, int fd, const char *name)
{
	struct stat st;

	if (fstat(fd, &st))
		return fail(policy, errno, WHERE ": %s", where(policy, name),
			    strerror(errno));
	if ((st.st_uid && st.st_uid != geteuid()) || st.st_mode & 022)
		return fail(policy, EPERM, WHERE " belongs to uid %u with mode %04o, so others "
			    "can exchange what is in it: look at it, and remove it or chown it to root "
			    "and chmod it to 0700", where(policy, name), st.st_uid, st.st_mode & 07777);
	if ((st.st_mode & 07777) != 0700 && fchmod(fd, 0700))
		return fail(policy, errno, WHERE ": its mode cannot be made 0700: %s",
			    where(policy, name), strerror(errno));
	return 0;
}

/* Open a folder and check it.  Does not report -ENOENT. */
static int open_checked(const struct hcpolicy *policy, int at, const char *path, const char *name)
{
	int fd = openat(at, path, FOLDER_FLAGS), err;

	if (fd < 0) {
		switch (errno) {
		case ENOENT:
			return -ENOENT;
		case ENOTDIR:
		case ELOOP:
			return fail(policy, ENOTDIR, WHERE " is not a folder: remove it",
				    where(policy, name));
		default:
			return fail(policy, errno, WHERE ": %s%s", where(policy, name),
				    strerror(errno), errno == EACCES ? ": run as root" : "");
		}
	}
	err = check_owner(policy, fd, name);
	if (!err)
		return fd;
	close(fd);
	errno = -err;
	return err;
}

int folder_open(const struct hcpolicy *policy, bool create, int *folder)
{
	struct statfs fs;
	int root, err = 0;

	*folder = -1;
	root = open(policy->bpffs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 && errno == EACCES)
		return fail(policy, EACCES, "%s: %s: run as root", policy->bpffs, strerror(errno));
	if (root < 0 || fstatfs(root, &fs) || (__u32)fs.f_type != BPF_FS_MAGIC) {
		if (root >= 0)
			close(root);
		return fail(policy, ENOENT, "there is no BPF file system: mount -t bpf bpf %s",
			    policy->bpffs);
	}
	if (create && mkdirat(root, FOLDER, 0700) && errno != EEXIST)
		err = fail(policy, errno, "%s/" FOLDER ": %s", policy->bpffs, strerror(errno));
	*folder = err ? -1 : open_checked(policy, root, FOLDER, "");
	close(root);
	if (*folder >= 0 || *folder == -ENOENT)
		return 0;
	return err ? err : *folder;
}

int folder_of_name(const struct hcpolicy *policy, int folder, const char *name)
{
	return open_checked(policy, folder, name, name);
}

int folder_remove(int folder, const char *name)
{
	int fd = openat(folder, name, FOLDER_FLAGS);
	struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return unlinkat(folder, name, 0);
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -1;
	}
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			folder_remove(fd, entry->d_name);
	}
	closedir(dir);
	return unlinkat(folder, name, AT_REMOVEDIR);
}

int pin_put(int dir, const char *file, int fd)
{
	LIBBPF_OPTS(bpf_obj_pin_opts, opts, .file_flags = BPF_F_PATH_FD, .path_fd = dir);

	return bpf_obj_pin_opts(fd, file, &opts);
}

int pin_get(int dir, const char *file)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = BPF_F_PATH_FD, .path_fd = dir);

	return bpf_obj_get_opts(file, &opts);
}

/* A killed attach has not happened, so detach its policy: the VM may get another one at once. */
static void detach_in(int folder, const char *name)
{
	int dir = openat(folder, name, FOLDER_FLAGS), link;

	if (dir < 0)
		return;
	link = pin_get(dir, "link");
	close(dir);
	if (link < 0)
		return;
	bpf_link_detach(link);
	close(link);
}

/* Under the lock.  No policy can have this name, so what is there was left by a killed process. */
static void sweep(const struct hcpolicy *policy, int folder, const char *name)
{
	struct stat st;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW))
		return;
	if (!strcmp(name, FOLDER_NEW))
		detach_in(folder, name);
	if (folder_remove(folder, name))
		say(policy, "%s/" FOLDER "/%s was left by a process that was killed, and cannot be "
		    "removed: %s", policy->bpffs, name, strerror(errno));
	else
		say(policy, "a process was killed while it %s: removed what it left in %s/" FOLDER,
		    strcmp(name, FOLDER_NEW) ? "removed the pins of a policy" :
		    "attached a policy, so nothing was attached", policy->bpffs);
}

/* name: "" for the folder itself. */
int flock_wait(const struct hcpolicy *policy, int fd, const char *name)
{
	int tries;

	for (tries = 0; flock(fd, LOCK_EX | LOCK_NB); tries++) {
		if (errno != EWOULDBLOCK)
			return fail(policy, errno, WHERE ": cannot be locked: %s", where(policy, name),
				    strerror(errno));
		if (tries == LOCK_SECONDS * 100)
			return fail(policy, ETIMEDOUT, WHERE " has been locked by another process for "
				    "%d s; perhaps it is stopped (fuser -v " WHERE " names it)",
				    where(policy, name), LOCK_SECONDS, where(policy, name));
		usleep(10000);
	}
	return 0;
}

int folder_lock(const struct hcpolicy *policy, int folder)
{
	int err = flock_wait(policy, folder, "");

	if (err)
		return err;
	sweep(policy, folder, FOLDER_NEW);
	sweep(policy, folder, FOLDER_OLD);
	return 0;
}

/* Unlock explicitly: a forked child may have the descriptor too, and would keep the lock. */
void folder_close(int folder)
{
	int err = errno;

	if (folder < 0)
		return;
	flock(folder, LOCK_UN);
	close(folder);
	errno = err;
}
