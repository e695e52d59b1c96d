/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_ARGS_H
#define HCVM_ARGS_H

#include "vm.h"

/*
 * Parse the command line.  0: go on.  -1: help or the version was asked for, and is printed.
 * Else the status to end with.
 */
int parse_args(int argc, char **argv, struct vm_config *cfg);
/* A number of bytes, with K, M or G.  False: no number, less than min, over 256G, or not whole pages. */
bool parse_size(const char *text, uint64_t min, uint64_t *bytes);
/* From 1 to max. */
bool parse_number(const char *text, unsigned int max, unsigned int *n);

#endif /* HCVM_ARGS_H */
