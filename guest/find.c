// SPDX-License-Identifier: GPL-2.0
/* The test guest's file: find.h. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "find.h"

const char *hcguest_find(char path[PATH_MAX])
{
	char self[PATH_MAX - 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	/* Its folder. */
	while (n > 0 && self[n - 1] != '/')
		n--;
	self[n > 0 ? n - 1 : 0] = '\0';
	snprintf(path, PATH_MAX, "%s/" HCGUEST_ELF, self);
	if (access(path, F_OK))
		snprintf(path, PATH_MAX, "%s/../share/hcpolicy/" HCGUEST_ELF, self);
	return path;
}
