/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_ARGS_H
#define HCVM_ARGS_H

#include "vm.h"

/* The command line.  0, or the status to end with; -1: help was asked for. */
int parse_args(int argc, char **argv, struct vm_config *cfg);
bool parse_size(const char *text, uint64_t min, uint64_t *bytes);
bool parse_number(const char *text, unsigned int max, unsigned int *n);

#endif /* HCVM_ARGS_H */
