/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Test policies with plain libbpf, so that a test sees the kernel's own errno.
 * Functions that return int return 0 or a negative errno; the others fail the
 * test.
 */
#ifndef HCST_POL_H
#define HCST_POL_H

#include <stdbool.h>
#include <stdint.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <hcpolicy/set.h>

#include "progs/state.h"

struct pol {
	struct bpf_object *obj;
	struct bpf_map *ops;
	volatile struct policy_state *state;	/* NULL if the policy has none */
	volatile struct hcp_info *info;
	struct hcp_set *set;			/* of pol_keeper() */
	struct bpf_link *link;			/* NULL if there is none */
};

/* The value of a policy's struct_ops map, as hcpolicy.bpf.h has it. */
struct pol_ops {
	int32_t vm_fd;
	uint32_t flags;
	void *map_gpa_range;
	char name[KVM_HCPOLICY_NAME_LEN];
};

/* Only opened, for a test that changes its maps before it loads it. */
void pol_open(struct pol *p, const char *file, int vm_fd, uint32_t flags);
/* What the kernel says to loading FILE (build/selftests/FILE.bpf.o) for this VM. */
int pol_try_load(struct pol *p, const char *file, int vm_fd, uint32_t flags);
/* And to attaching what is loaded. */
int pol_try_attach(struct pol *p);

/* Loaded; vm_fd is -1 for a policy that will replace another. */
struct pol *pol_load(const char *file, int vm_fd, uint32_t flags);
/* obey, which answers with answer: attached; loaded, to answer HANDLED. */
struct pol *pol_obey(int vm_fd, uint32_t flags, int answer);
struct pol *pol_handler(int vm_fd);
/* The same, and it records in a set up to max_gpa, or, to replace another, in that of these maps. */
struct pol *pol_keeper(int vm_fd, uint64_t max_gpa);
struct pol *pol_over(int shared_fd, int info_fd);

/* Put next in the place of p, whose link becomes next's. */
int pol_try_replace(struct pol *p, struct pol *next);
void pol_replace(struct pol *p, struct pol *next);
void pol_detach(struct pol *p);		/* BPF_LINK_DETACH; the link stays open */
void pol_close_link(struct pol *p);
void pol_free(struct pol *p);

/* Has the link's end been signalled (EPOLLHUP) within so many ms? */
bool pol_hung_up(struct pol *p, int ms);

#endif /* HCST_POL_H */
