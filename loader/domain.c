// SPDX-License-Identifier: GPL-2.0
/* The name of a domain of libvirt: domain.h. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "domain.h"

#define FOLDER	"/run/libvirt/qemu"

static bool has_number(const char *file, pid_t pid)
{
	char path[sizeof(FOLDER) + NAME_MAX + 2];
	FILE *stream;
	int number;
	bool same;

	snprintf(path, sizeof(path), FOLDER "/%s", file);
	stream = fopen(path, "re");
	if (!stream)
		return false;
	same = fscanf(stream, "%d", &number) == 1 && number == pid;
	fclose(stream);
	return same;
}

/* Names of digits are those of processes, and -NAME would be an option.  The library checks the rest. */
static bool may_be_name(const char *name, size_t len)
{
	return len && len < HCP_NAME_LEN && *name != '-' && strspn(name, "0123456789") < len;
}

bool domain_of(char name[HCP_NAME_LEN], pid_t pid)
{
	DIR *folder = opendir(FOLDER);
	struct dirent *entry;
	bool found = false;

	while (folder && !found && (entry = readdir(folder))) {
		const char *end = strrchr(entry->d_name, '.');
		size_t len = end ? end - entry->d_name : 0;

		if (!end || strcmp(end, ".pid") || !may_be_name(entry->d_name, len) ||
		    !has_number(entry->d_name, pid))
			continue;
		memcpy(name, entry->d_name, len);
		name[len] = 0;
		found = true;
	}
	if (folder)
		closedir(folder);
	return found;
}
