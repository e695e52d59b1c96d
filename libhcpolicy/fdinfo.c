// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * What the kernel tells of a map or a link that this process has open.  /proc tells it, and not
 * bpf(2): a VMM that got its policy from a broker may be forbidden to call that.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

/* The thread's: /proc/self shows no descriptors once the main thread has ended. */
#define FDINFO	"/proc/thread-self/fdinfo/%d"

static int read_fdinfo(int fd, char *text, size_t size)
{
	char path[48];
	ssize_t n;
	int file;

	snprintf(path, sizeof(path), FDINFO, fd);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return -errno;
	n = read(file, text, size - 1);
	close(file);
	if (n < 0)
		return -errno;
	text[n] = 0;
	return 0;
}

/* What follows "KEY:<tab>"; NULL: there is no such line. */
static const char *find_value(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (; text; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (!strncmp(text, key, len) && text[len] == ':')
			return text + len + 1 + (text[len + 1] == '\t');
	}
	return NULL;
}

static __u32 number(const char *text, const char *key)
{
	const char *value = find_value(text, key);

	return value ? strtoul(value, NULL, 0) : 0;
}

int map_info(int fd, struct bpf_map_info *map)
{
	char text[1024];
	int err;

	memset(map, 0, sizeof(*map));
	err = read_fdinfo(fd, text, sizeof(text));
	if (err)
		return err;
	if (!find_value(text, "map_type"))
		return -EINVAL;
	map->type = number(text, "map_type");
	map->key_size = number(text, "key_size");
	map->value_size = number(text, "value_size");
	map->max_entries = number(text, "max_entries");
	map->map_flags = number(text, "map_flags");
	map->id = number(text, "map_id");
	return 0;
}

int link_info(int fd, struct bpf_link_info *link)
{
	static const char type[] = "struct_ops\n";
	const char *value;
	char text[1024];
	int err;

	memset(link, 0, sizeof(*link));
	err = read_fdinfo(fd, text, sizeof(text));
	if (err)
		return err;
	value = find_value(text, "link_type");
	if (!value || strncmp(value, type, strlen(type)))
		return -EINVAL;
	link->type = BPF_LINK_TYPE_STRUCT_OPS;
	link->id = number(text, "link_id");
	link->struct_ops.map_id = number(text, "map_id");
	return 0;
}

/* A link's text has the id of its map, too. */
__u32 object_id(int fd)
{
	char text[1024];

	if (read_fdinfo(fd, text, sizeof(text)))
		return 0;
	return number(text, find_value(text, "link_id") ? "link_id" : "map_id");
}

bool same_object(int a, int b)
{
	__u32 id = a < 0 || b < 0 ? 0 : object_id(a);

	return id && id == object_id(b);
}
