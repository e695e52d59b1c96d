// SPDX-License-Identifier: GPL-2.0
/* help: a command's manual page, by man(1).  Beside a command in a build tree are the tree's pages. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "loader.h"
#include "out.h"

/* In path: the page in the build tree. */
static bool find_in_tree(char path[PATH_MAX], const char *page)
{
	char self[PATH_MAX / 2];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = '\0';
	if (!strrchr(self, '/'))
		return false;
	*strrchr(self, '/') = '\0';
	snprintf(path, PATH_MAX, "%s/../man/man8/%s.8", self, page);
	return !access(path, R_OK);
}

static bool find_installed(const char *page)
{
	char command[128];

	snprintf(command, sizeof(command), "man -w 8 %s > /dev/null 2>&1", page);
	return !system(command);
}

void help_page(const char *page)
{
	char path[PATH_MAX];

	if (find_in_tree(path, page))
		execlp("man", "man", path, NULL);
	else if (find_installed(page))
		execlp("man", "man", "8", page, NULL);
	warn("man cannot show %s(8), because one of them is not installed: this is the short help", page);
}
