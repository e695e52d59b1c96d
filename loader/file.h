/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file that is written whole or not at all.  It is written without a name, so that a kill
 * leaves nothing, and gets its name when it is on the disk.  If the file system has no files
 * without a name, it has another name next to it.  If it replaces a file, it gets the owner,
 * group and mode of that.  Errors are reported.  An error and each way to end close the
 * descriptor.
 */
#ifndef FILE_H
#define FILE_H

#include <stdbool.h>
#include <stddef.h>

struct new_file {
	const char *path;
	char *tmp;
	bool named;		/* tmp is its name */
	int fd;
};

bool file_begin(struct new_file *file, const char *path);
bool file_commit(struct new_file *file);
void file_abort(struct new_file *file);
/* The same in one call. */
bool file_write(const char *path, const char *text, size_t size);

#endif /* FILE_H */
