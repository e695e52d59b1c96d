// SPDX-License-Identifier: GPL-2.0
/* policies and tune: which policies there are, and what can be set of them. */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "loader.h"
#include "out.h"

/* What a policy says about its parameters.  If it was only opened, the values are the defaults. */
void put_params(struct json_object *obj, struct hcpolicy *policy)
{
	static const char *const kinds[] = {
		[HCPOLICY_FIXED] = "fixed", [HCPOLICY_TUNABLE] = "tunable", [HCPOLICY_COUNTER] = "counter",
	};
	struct json_object *array = json_object_new_array(), *one;
	struct hcpolicy_param p;

	for (unsigned int n = 0; hcpolicy__param(policy, n, &p); n++) {
		one = json_object_new_object();
		put_str(one, "name", p.name);
		put_str(one, "type", p.type);
		put_str(one, "value", p.value);
		put_str(one, "min", p.min);
		put_str(one, "max", p.max);
		put_str(one, "kind", kinds[p.kind]);
		put_str(one, "help", p.help);
		json_object_array_add(array, one);
	}
	json_object_object_add(obj, "parameters", array);
}

/* A number of a parameter for people, who do not read the largest one as decimal digits. */
const char *number_text(const char *number)
{
	return strcmp(number, "18446744073709551615") ? number : "0xffffffffffffffff";
}

void print_params(struct hcpolicy *policy)
{
	struct hcpolicy_param p;

	for (unsigned int n = 0; hcpolicy__param(policy, n, &p); n++) {
		if (p.kind == HCPOLICY_COUNTER)
			printf("  %s  counted: %s\n", p.name, p.help);
		else
			printf("  %s=%s  %s\n      %s, %s to %s%s\n", p.name, number_text(p.value), p.help, p.type,
			       p.min, number_text(p.max), p.kind == HCPOLICY_TUNABLE ?
			       "; may change while it is attached (hcpolicy tune)" : "");
	}
}

static void about_text(const char *name, struct hcpolicy *policy, bool whole)
{
	printf("%-16s %s\n", name, hcpolicy__about(policy));
	if (whole)
		print_params(policy);
}

/* "bitmap", of a path */
static const char *base_name(char buf[HCP_NAME_LEN], const char *path)
{
	const char *base = strrchr(path, '/');

	snprintf(buf, HCP_NAME_LEN, "%s", base ? base + 1 : path);
	buf[strcspn(buf, ".")] = '\0';
	return buf;
}

static bool show_policy(struct json_object *array, const char *what, bool whole)
{
	struct hcpolicy *policy = hcpolicy__open(what, policy_opts());
	struct json_object *obj;
	char name[HCP_NAME_LEN];
	bool ok = policy;

	base_name(name, what);
	if (!ok)
		lib_failed(what, "open");
	else if (!out_json)
		about_text(name, policy, whole);
	if (out_json) {
		obj = json_object_new_object();
		put_str(obj, "policy", name);
		if (ok) {
			put_str(obj, "about", hcpolicy__about(policy));
			put_params(obj, policy);
		} else {
			json_object_object_add(obj, "error", err_take());
		}
		json_object_array_add(array, obj);
	}
	hcpolicy__close(policy);
	return ok;
}

/* Append the policies of a folder.  Folders that were added earlier win. */
static void add_folder(glob_t *found, const char *folder)
{
	char *pattern;

	if (!*folder || asprintf(&pattern, "%s/*.bpf.o", folder) < 0)
		return;
	glob(pattern, found->gl_pathc ? GLOB_APPEND : 0, NULL, found);
	free(pattern);
}

static bool seen_before(const glob_t *found, size_t n)
{
	char name[HCP_NAME_LEN], other[HCP_NAME_LEN];

	base_name(name, found->gl_pathv[n]);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(name, base_name(other, found->gl_pathv[i])))
			return true;
	return false;
}

static bool show_all(struct json_object *array)
{
	char *dirs = strdup(secure_getenv("HCPOLICY_PATH") ?: ""), *rest = dirs, *dir;
	glob_t found = {};
	bool ok = true;

	while ((dir = strsep(&rest, ":")))
		add_folder(&found, dir);
	add_folder(&found, HCP_POLICY_DIR);
	for (size_t i = 0; i < found.gl_pathc; i++)
		if (!seen_before(&found, i))
			ok &= show_policy(array, found.gl_pathv[i], false);
	if (!found.gl_pathc)
		warn("no policies in HCPOLICY_PATH (%s) or %s", *dirs ? dirs : "not set", HCP_POLICY_DIR);
	globfree(&found);
	free(dirs);
	return ok;
}

int cmd_policies(const struct args *args)
{
	struct json_object *array = json_object_new_array();
	bool ok;

	ok = args->nwords ? show_policy(array, args->words[0], true) : show_all(array);
	if (out_json)
		out_value(array);
	else
		json_object_put(array);
	return ok ? EXIT_OK : EXIT_FAIL;
}

int cmd_tune(const struct args *args)
{
	const char *value = strchr(args->words[1], '=');
	struct hcpolicy *policy;
	char *key;
	int ret;

	if (!value || value == args->words[1]) {
		err("tune %s: KEY=VALUE is meant", args->words[1]);
		return EXIT_USAGE;
	}
	policy = pins_open_alive(args->words[0]);
	if (!policy)
		return EXIT_FAIL;
	key = strndup(args->words[1], value - args->words[1]);
	ret = hcpolicy__lock(policy) ?: hcpolicy__set_param(policy, key, value + 1);
	if (ret)
		lib_failed(args->words[0], args->words[1]);
	if (!ret && !out_json)
		printf("%s: %s\n", args->words[0], args->words[1]);
	if (!ret && out_json) {
		struct json_object *obj = json_object_new_object();

		put_str(obj, "name", args->words[0]);
		put_params(obj, policy);
		out_value(obj);
	}
	free(key);
	hcpolicy__close(policy);
	return ret ? EXIT_FAIL : EXIT_OK;
}
