// SPDX-License-Identifier: GPL-2.0
/*
 * new: a folder in which a policy of one's own is compiled and tried.  All of it is copied from what
 * is installed with the policies: their sources, and template/ with the rest.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <hcpolicy/kvm.h>
#include "loader.h"
#include "out.h"

#define NFILES	3

struct new_file_text {
	char *path, *text;	/* where it comes to be, and what */
	size_t size;
};

/* The kernel keeps 15 characters of it, and it is a part of names in C, where '-' becomes '_'. */
static bool valid_policy(const char *name)
{
	if (valid_name(name) && strlen(name) < KVM_HCPOLICY_NAME_LEN && !strchr("0123456789", name[0]))
		return true;
	err("'%s' cannot be a policy's name: [A-Za-z_][A-Za-z0-9_-]* is meant, at most %d", name,
	    KVM_HCPOLICY_NAME_LEN - 1);
	return false;
}

/* One line of what is copied.  Where it has the name of the policy, it gets the new one. */
static void copy_line(FILE *to, const char *line, const char *from, const char *name)
{
	const char *mark = strstr(line, "@NAME@"), *comma = strchr(line, ',');
	size_t len = strlen(from);

	if (comma && (!strncmp(line, "HCPOLICY(", 9) || !strncmp(line, "HCPOLICY_ABOUT(", 15))) {
		fprintf(to, "%.*s(", (int)strcspn(line, "("), line);
		for (const char *c = name; *c; c++)
			fputc(*c == '-' ? '_' : *c, to);
		fputs(comma, to);
	} else if (!strncmp(line, " * ", 3) && !strncmp(line + 3, from, len) && line[3 + len] == ':') {
		fprintf(to, " * %s%s", name, line + 3 + len);
	} else if (mark) {
		fprintf(to, "%.*s%s", (int)(mark - line), line, name);
		copy_line(to, mark + strlen("@NAME@"), from, name);
	} else {
		fputs(line, to);
	}
}

/* folder/from.suffix, of the sources, becomes NAME/to. */
static bool read_text(struct new_file_text *file, const char *folder, const char *from,
		      const char *suffix, const char *name)
{
	const char *sources = secure_getenv("HCPOLICY_SOURCES") ?: HCP_SOURCE_DIR;
	char *path, *line = NULL;
	size_t size = 0;
	FILE *in, *to;
	bool ok;

	if (asprintf(&path, "%s/%s%s%s", sources, folder, from, suffix) < 0 ||
	    asprintf(&file->path, "%s/%s%s", name, *suffix ? name : from, suffix) < 0)
		abort();
	in = fopen(path, "re");
	to = open_memstream(&file->text, &file->size);
	if (!to)
		abort();
	while (in && getline(&line, &size, in) >= 0)
		copy_line(to, line, from, name);
	ok = in && !ferror(in);
	if (!ok)
		err("%s: %s; make install puts the sources of policies into %s, and HCPOLICY_SOURCES names "
		    "another folder", path, strerror(errno), HCP_SOURCE_DIR);
	if (in)
		fclose(in);
	fclose(to);
	free(line);
	free(path);
	return ok;
}

static bool write_text(const struct new_file_text *file)
{
	FILE *out = fopen(file->path, "wxe");
	bool ok;

	if (!out)
		return false;
	ok = fwrite(file->text, 1, file->size, out) == file->size;
	return !fclose(out) && ok;
}

/* All of it or nothing. */
static bool write_folder(const char *name, const struct new_file_text files[NFILES])
{
	if (mkdir(name, 0777)) {
		err("%s: %s%s", name, strerror(errno), errno == EEXIST ?
		    ": choose another name, or remove what is there" : "");
		return false;
	}
	for (int i = 0; i < NFILES; i++) {
		if (write_text(&files[i]))
			continue;
		err("%s: %s", files[i].path, strerror(errno));
		for (; i >= 0; i--)
			unlink(files[i].path);
		rmdir(name);
		return false;
	}
	return true;
}

static void made(const char *name, const struct new_file_text files[NFILES])
{
	struct json_object *obj, *list;

	if (!out_json) {
		printf("%s: made %s, %s and %s\n", name, files[0].path, files[1].path, files[2].path);
		printf("Compile it there with make, and try it with make check.\n");
		return;
	}
	obj = json_object_new_object();
	list = json_object_new_array();
	put_str(obj, "name", name);
	for (int i = 0; i < NFILES; i++)
		json_object_array_add(list, json_object_new_string(files[i].path));
	json_object_object_add(obj, "files", list);
	out_value(obj);
}

int cmd_new(const struct args *args)
{
	const char *name = args->words[0];
	struct new_file_text files[NFILES] = {};
	bool ok;

	if (!valid_policy(name))
		return EXIT_USAGE;
	ok = read_text(&files[0], args->from ? "" : "template/", args->from ?: "policy", ".bpf.c", name) &&
	     read_text(&files[1], "template/", "Makefile", "", name) &&
	     read_text(&files[2], "template/", "policy", ".try", name) && write_folder(name, files);
	if (ok)
		made(name, files);
	for (int i = 0; i < NFILES; i++) {
		free(files[i].path);
		free(files[i].text);
	}
	return ok ? EXIT_OK : EXIT_FAIL;
}
