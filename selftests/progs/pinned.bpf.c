// SPDX-License-Identifier: GPL-2.0
/* owner, with a map that all VMs would share. */
#define PINNED
#include "owner.bpf.c"
