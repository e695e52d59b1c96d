/* SPDX-License-Identifier: GPL-2.0 */
/* Words of a command line, and numbers for people.  hcpolicyd has this file too. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

bool parse_size(const char *text, uint64_t *bytes);
/* Of a set, in a rule: 1M at least, as no VM is smaller, and 64 is meant as 64G. */
bool parse_set_size(const char *text, uint64_t *bytes);
#define SET_SIZE_WANTED	"no size of a set: wanted the highest guest address with its unit, from 1M on, such as 64G"
bool parse_int(const char *text, int *value);
bool valid_name(const char *name);
const char *nearest(const char *word, const char *const *names, size_t n);
/* What a terminal or a journal would not take as text becomes ?, in place. */
char *printable(char *text);
const char *size_text(char buf[32], uint64_t bytes);
const char *verdict_text(int verdict);	/* NULL: an errno, or no verdict */
/* An errno by its name, and what is no verdict by its number. */
const char *verdict_name(char buf[32], int verdict);
/* The door that a request came by, as traces and `watch -j` have it. */
const char *door_name(char buf[32], unsigned int source);
uint64_t clock_ns(clockid_t clock);

#endif /* TEXT_H */
