/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All output of the command.  Text: results go to stdout, errors and warnings to stderr as
 * they happen.  JSON: one document goes to stdout, with errors and warnings as fields.  (`try` prints
 * one a line, as things happen.)
 */
#ifndef OUT_H
#define OUT_H

#include <stdbool.h>
#include <stdio.h>
#include <json-c/json.h>

extern bool out_json;		/* -j or -p */
extern bool out_pretty;		/* -p */

/* Is stdout a terminal with colours and cursor movement? */
bool out_terminal(void);

__attribute__((format(printf, 1, 2))) void err(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void warn(const char *fmt, ...);
bool err_seen(void);
struct json_object *err_take(void);
/* The warnings so far, for a document that is about the same thing.  NULL: none (of text: always). */
struct json_object *warn_take(void);

/* Print value and free it.  An object gets the warnings as a field. */
void out_value(struct json_object *value);
/* Print the errors of a failed command as its document. */
void out_errors(void);

/*
 * An array that is too long to hold: begin, then item (which is freed) ..., then end, which adds the
 * errors as a last item, if there were any.
 */
struct out_array {
	FILE *file;
	bool pretty, some;
};
void out_array_begin(struct out_array *array, FILE *file, bool pretty);
void out_array_item(struct out_array *array, struct json_object *item);
void out_array_end(struct out_array *array);

/* Helpers for building objects. */
void put_str(struct json_object *obj, const char *key, const char *value);
void put_u64(struct json_object *obj, const char *key, uint64_t value);
void put_bool(struct json_object *obj, const char *key, bool value);

#endif /* OUT_H */
