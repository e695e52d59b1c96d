/* SPDX-License-Identifier: GPL-2.0 */
/* What several commands say about an attached policy, in the same words. */
#ifndef STATE_H
#define STATE_H

#include <json-c/json.h>
#include <hcpolicy/policy.h>

uint64_t set_covers(const struct hcp_info *info);	/* bytes of guest addresses */
uint64_t set_memory(const struct hcp_info *info);	/* bytes of kernel memory */

/* The process of a VM: its name, or "gone" though its number may be used again. */
void process_comm(char comm[32], const struct hcp_info *info);

/* name, policy, pid, vm_fd, comm, start_time, alive, attached_at, max_gpa, memory */
void put_identity(struct json_object *obj, const struct hcpolicy *policy);
/* complete, reasons, missed */
void put_state(struct json_object *obj, const struct hcpolicy *policy);

/* "complete", or "not complete: " and every reason. */
void state_text(char *buf, size_t size, const struct hcpolicy *policy);
void print_state(const struct hcpolicy *policy);
void time_text(char buf[32], uint64_t ns);	/* since 1970, in UTC */

#endif /* STATE_H */
