/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * A policy object, shared by the files of libhcpolicy.  It is in one of three
 * stages: opened (obj, no set), loaded (obj and set) or found (a set and no
 * obj, from pins or descriptors); link_fd is there once it was attached.
 */
#ifndef HCPOLICY_INTERNAL_H
#define HCPOLICY_INTERNAL_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <hcpolicy/policy.h>
#include "opts.h"

/* How the kernel lays out the value of a kvm_hcpolicy_ops map. */
struct ops_type {
	int btf_fd;		/* of the module, -1: built into the kernel */
	__u32 id;
	__u32 size;
	__u32 vm_fd, flags, map_gpa_range, name;	/* offsets */
};

struct hcpolicy {
	hcpolicy_log_fn log;
	void *log_ctx;
	bool verifier_said_no;		/* seen in what libbpf reports */

	char policy[HCP_NAME_LEN];	/* what it is called */
	char name[HCP_NAME_LEN];	/* what its attachment is called; "": none */

	struct bpf_object *obj;
	struct bpf_program *prog;	/* in obj: map_gpa_range */
	struct bpf_map *ops;		/* in obj: the struct_ops map */
	struct ops_type type;
	uint64_t npages;		/* asked for; 0: the default */
	bool attachable;		/* loaded over maps of its own, not attached yet */

	int shared_fd, info_fd, link_fd;	/* -1: not there */
	void *words;
	size_t words_size;
	struct hcp_info *info;
	struct hcp_set *set;
};

/* log.c */
int fail(const struct hcpolicy *policy, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void libbpf_talks_to(struct hcpolicy *policy);

/* open.c */
struct hcpolicy *policy_new(const struct hcpolicy_opts *opts);

/* maps.c */
int maps_open(struct hcpolicy *policy, bool fresh);
void maps_close(struct hcpolicy *policy);

/* load.c */
int load_object(struct hcpolicy *policy);

/* ops.c */
int ops_find(struct hcpolicy *policy);
int ops_type_load(struct hcpolicy *policy);
int ops_create(struct hcpolicy *policy, int vm_fd, __u32 flags);

/* pin.c */
bool name_valid(const char *name);

#endif /* HCPOLICY_INTERNAL_H */
