// SPDX-License-Identifier: GPL-2.0
/*
 * Text and JSON output: out.h.  The rule: with -j, stdout gets exactly one JSON document,
 * whatever happens; but for the exceptions there.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "out.h"

bool out_json, out_pretty;

static char *errors;			/* JSON only, lines */
static struct json_object *warnings;	/* JSON only, array of strings */
static bool failed;

bool out_terminal(void)
{
	const char *term = getenv("TERM");

	return term && *term && strcmp(term, "dumb") && isatty(STDOUT_FILENO);
}

static char *format(const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	return text;
}

void err(const char *fmt, ...)
{
	char *text, *all;
	va_list ap;

	va_start(ap, fmt);
	text = format(fmt, ap);
	va_end(ap);
	failed = true;
	if (!out_json) {
		fprintf(stderr, "hcpolicy: %s\n", text);
	} else if (errors) {
		if (asprintf(&all, "%s\n%s", errors, text) < 0)
			abort();
		free(errors);
		errors = all;
	} else {
		errors = text;
		return;
	}
	free(text);
}

void warn(const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	text = format(fmt, ap);
	va_end(ap);
	if (!out_json) {
		fprintf(stderr, "hcpolicy: warning: %s\n", text);
	} else {
		if (!warnings)
			warnings = json_object_new_array();
		json_object_array_add(warnings, json_object_new_string(text));
	}
	free(text);
}

bool err_seen(void)
{
	return failed;
}

/* Take what was reported so far, for a field of its own. */
struct json_object *err_take(void)
{
	struct json_object *text = json_object_new_string(errors ? errors : "failed");

	free(errors);
	errors = NULL;
	failed = false;
	return text;
}

struct json_object *warn_take(void)
{
	struct json_object *taken = warnings;

	warnings = NULL;
	return taken;
}

static const char *to_text(struct json_object *value, bool pretty)
{
	return json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE |
		(pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED :
			  JSON_C_TO_STRING_PLAIN));
}

void out_value(struct json_object *value)
{
	if (warnings && json_object_is_type(value, json_type_object))
		json_object_object_add(value, "warnings", warn_take());
	puts(to_text(value, out_pretty));
	json_object_put(value);
	/* An array has no field for them. */
	for (size_t i = 0; warnings && i < json_object_array_length(warnings); i++)
		fprintf(stderr, "hcpolicy: warning: %s\n",
			json_object_get_string(json_object_array_get_idx(warnings, i)));
}

void out_errors(void)
{
	struct json_object *obj = json_object_new_object();

	put_str(obj, "error", errors ? errors : "failed");
	out_value(obj);
}

void out_array_begin(struct out_array *array, FILE *file, bool pretty)
{
	*array = (struct out_array) { .file = file, .pretty = pretty };
	fputc('[', file);
}

void out_array_item(struct out_array *array, struct json_object *item)
{
	if (array->some)
		fputc(',', array->file);
	if (array->pretty)
		fputs("\n  ", array->file);
	array->some = true;
	fputs(json_object_to_json_string_ext(item, array->pretty ?
		JSON_C_TO_STRING_SPACED : JSON_C_TO_STRING_PLAIN), array->file);
	json_object_put(item);
}

void out_array_end(struct out_array *array)
{
	if (err_seen()) {
		struct json_object *obj = json_object_new_object();

		json_object_object_add(obj, "error", err_take());
		out_array_item(array, obj);
	}
	fputs(array->pretty && array->some ? "\n]\n" : "]\n", array->file);
}

void put_str(struct json_object *obj, const char *key, const char *value)
{
	json_object_object_add(obj, key, json_object_new_string(value));
}

void put_u64(struct json_object *obj, const char *key, uint64_t value)
{
	json_object_object_add(obj, key, json_object_new_uint64(value));
}

void put_bool(struct json_object *obj, const char *key, bool value)
{
	json_object_object_add(obj, key, json_object_new_boolean(value));
}
