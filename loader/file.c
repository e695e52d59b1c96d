// SPDX-License-Identifier: GPL-2.0
/* Files that are written whole or not at all: file.h. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "file.h"
#include "out.h"

/* Like the file that it replaces, or a new file.  Owner first: chown clears mode bits. */
static bool take_owner(int fd, const struct stat *old)
{
	mode_t mask;

	if (old)
		return !fchown(fd, old->st_uid, old->st_gid) && !fchmod(fd, old->st_mode & 0777);
	mask = umask(0);
	umask(mask);
	return !fchmod(fd, 0666 & ~mask);
}

/* Without a name until it is whole, so that a kill leaves nothing, if the file system can. */
static int open_new(struct new_file *file)
{
	char *copy = strdup(file->path);
	int fd;

	if (!copy || asprintf(&file->tmp, "%s.XXXXXX", file->path) < 0)
		abort();
	fd = open(dirname(copy), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	free(copy);
	file->named = fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR);
	return file->named ? mkostemp(file->tmp, O_CLOEXEC) : fd;
}

bool file_begin(struct new_file *file, const char *path)
{
	struct stat st;
	bool there = !lstat(path, &st);

	/* As root, a rename over a device or a link would destroy it. */
	if (there && !S_ISREG(st.st_mode)) {
		err("%s is there and not a regular file: name another one", path);
		return false;
	}
	file->path = path;
	file->fd = open_new(file);
	if (file->fd < 0) {
		err("%s cannot be written: %s", path, strerror(errno));
		free(file->tmp);
		return false;
	}
	if (!take_owner(file->fd, there ? &st : NULL)) {
		err("%s cannot keep its owner, group and mode: %s: name another file", path, strerror(errno));
		file_abort(file);
		return false;
	}
	return true;
}

void file_abort(struct new_file *file)
{
	close(file->fd);
	if (file->named)
		unlink(file->tmp);
	free(file->tmp);
}

/* Link it under an unused name first, because a link cannot replace a file. */
static bool give_name(struct new_file *file)
{
	char from[32];
	int fd;

	if (file->named)
		return true;
	fd = mkostemp(file->tmp, O_CLOEXEC);
	if (fd < 0)
		return false;
	close(fd);
	unlink(file->tmp);
	snprintf(from, sizeof(from), "/proc/self/fd/%d", file->fd);
	file->named = !linkat(AT_FDCWD, from, AT_FDCWD, file->tmp, AT_SYMLINK_FOLLOW);
	return file->named;
}

/* A rename is on the disk when its folder is.  Some file systems cannot sync a folder. */
static void sync_folder(const char *path)
{
	char *copy = strdup(path);
	int fd;

	if (!copy)
		abort();
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(copy);
}

bool file_commit(struct new_file *file)
{
	if (fsync(file->fd) || !give_name(file) || rename(file->tmp, file->path)) {
		err("%s cannot be written: %s", file->path, strerror(errno));
		file_abort(file);
		return false;
	}
	close(file->fd);
	sync_folder(file->path);
	free(file->tmp);
	return true;
}

bool file_write(const char *path, const char *text, size_t size)
{
	struct new_file file;
	ssize_t n;

	if (!file_begin(&file, path))
		return false;
	for (; size; text += n, size -= n) {
		n = write(file.fd, text, size);
		if (n < 0) {
			err("%s cannot be written: %s", path, strerror(errno));
			file_abort(&file);
			return false;
		}
	}
	return file_commit(&file);
}
