/* SPDX-License-Identifier: GPL-2.0 */
/* What several commands print about an attached policy. */
#ifndef STATE_H
#define STATE_H

#include <stdio.h>
#include <json-c/json.h>
#include <hcpolicy/policy.h>

uint64_t set_covers(const struct hcp_info *info);	/* bytes of guest addresses */
uint64_t set_memory(const struct hcp_info *info);	/* bytes of kernel memory */

/* The VM's process: its name; "gone", even if its number is used again; or elsewhere. */
void process_comm(char comm[32], const struct hcp_info *info);

/*
 * What is printed of hcp_info is of this copy, whose texts are printable: whoever has the map can write
 * to it at any time.  Zeros: there is none.
 */
struct hcp_info info_copy(const struct hcpolicy *policy);
/* Did hcpolicy 0.1 attach it?  Its set can be read, and must be replaced to be changed. */
bool attached_by_old(const struct hcpolicy *policy);

/* States that a set cannot know of its policy: HCP_DETACHED when its link has ended. */
uint32_t more_state(const struct hcpolicy *policy);

/* name, policy, label, pid, vm_fd, comm, start_time, info_version, alive, attached_at, max_gpa, memory */
void put_identity(struct json_object *obj, const struct hcpolicy *policy);
/* complete, reasons, missed, beyond, reach (bytes) */
void put_state(struct json_object *obj, const struct hcpolicy *policy);
void put_state_more(struct json_object *obj, const struct hcpolicy *policy, uint32_t more);

/* True and "complete", with its end; or false and "not complete: " with every reason. */
bool state_text(char *buf, size_t size, const struct hcpolicy *policy);
/* Both, with states (enum hcp_state) that only the caller knows. */
bool state_text_more(char *buf, size_t size, const struct hcpolicy *policy, uint32_t more);
void print_state(const struct hcpolicy *policy);
/* For each reason the remedy, in the form of show; nothing if it is complete. */
void print_help_for_state(FILE *file, const struct hcpolicy *policy);
void time_text(char buf[32], uint64_t ns);	/* since 1970, in UTC */

#endif /* STATE_H */
