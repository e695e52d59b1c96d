/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCP_GUEST_FIND_H
#define HCP_GUEST_FIND_H

#include <limits.h>

#define HCGUEST_ELF	"hcguest.elf"

/*
 * Where hcguest.elf is: beside the program that asks, as in a build tree; else in ../share/hcpolicy
 * from there, as `make install` has it.  In path, which is returned.
 */
const char *hcguest_find(char path[PATH_MAX]);

#endif /* HCP_GUEST_FIND_H */
