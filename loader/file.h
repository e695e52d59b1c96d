/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file that is there whole or not at all: written without a name, so that a kill leaves
 * nothing (where a file system cannot do that, under another one next to it), and
 * renamed when it is on the disk.  One that replaces another has its owner, group
 * and mode.  Errors are reported; then and after either end the descriptor is closed.
 */
#ifndef FILE_H
#define FILE_H

#include <stdbool.h>

struct new_file {
	const char *path;
	char *tmp;
	bool named;		/* tmp is its name already */
	int fd;
};

bool file_begin(struct new_file *file, const char *path);
bool file_commit(struct new_file *file);
void file_abort(struct new_file *file);

#endif /* FILE_H */
