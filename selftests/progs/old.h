/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What hcpolicy 0.1 has in its maps, for programs and tests: from here on only kvm.h may differ.
 * The names are of its own, so that both versions can be in one file.
 */
#ifndef HCST_PROGS_OLD_H
#define HCST_PROGS_OLD_H

#include <hcpolicy/kvm.h>

#define OLD_CHUNKS	2
#define OLD_CHUNK_PAGES	32768
#define OLD_NPAGES	(OLD_CHUNKS * OLD_CHUNK_PAGES)

enum { OLD_LATE = 1, OLD_DETACHED = 2, OLD_UNATTACHED = 4 };

struct old_info {
	__u32 version;		/* 1 */
	__u32 state;
	__u64 missed;		/* pages beyond the set too */
	__u64 npages;
	__u64 start_time;
	__u64 attached_at;
	__s32 pid;
	__s32 vm_fd;
	char name[64];
	char policy[64];
};

#endif /* HCST_PROGS_OLD_H */
