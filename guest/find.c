// SPDX-License-Identifier: GPL-2.0
/* The test guest's file: find.h. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "find.h"

#define NAME	"/hcguest.elf"

const char *hcguest_find(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash && slash - path < PATH_MAX - (ssize_t)sizeof(NAME)) {
		strcpy(slash, NAME);
		if (!access(path, R_OK))
			return path;
	}
	snprintf(path, PATH_MAX, "%s", HCGUEST_DIR NAME);
	return path;
}
