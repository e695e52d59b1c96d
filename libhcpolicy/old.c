// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* hcp_info of version 1, that of hcpolicy 0.1: read into one of today. */
#include <string.h>
#include "internal.h"
#include "process.h"
#include "set-internal.h"

bool old_map(int info_fd)
{
	struct bpf_map_info map;

	/* Of other types a lookup may write more than one value. */
	return !map_info(info_fd, &map) && map.type == BPF_MAP_TYPE_ARRAY &&
	       map.key_size == sizeof(__u32) && map.value_size == sizeof(struct hcp_info_1);
}

void old_read(const struct hcp_info_1 *old, struct hcp_info *info)
{
	uint64_t start;

	*info = (struct hcp_info) {
		.version = old->version, .state = old->state, .missed = old->missed,
		.npages = old->npages, .reach = old->npages, .start_time = old->start_time,
		.attached_at = old->attached_at, .pid = old->pid, .vm_fd = old->vm_fd,
	};
	memcpy(info->name, old->name, HCP_NAME_LEN);
	memcpy(info->policy, old->policy, HCP_NAME_LEN);
	/* It does not say of which namespace the number is.  If it is that process here, of this one. */
	if (!process_start(info->pid, &start) && start == info->start_time)
		info->pid_ns = process_ns();
}
