/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCP_GUEST_SCRIPT_H
#define HCP_GUEST_SCRIPT_H

/* The commands of cmdline (may be NULL), separated by ';', then those from COM1. */
_Noreturn void script_run(const char *cmdline);

#endif /* HCP_GUEST_SCRIPT_H */
