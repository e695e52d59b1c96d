/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Policies as users have them, through libhcpolicy.  What the library says about
 * an error goes to the test's output.
 */
#ifndef HCST_HCP_H
#define HCST_HCP_H

#include <hcpolicy/policy.h>

#include "tap.h"
#include "vm.h"

static inline void hcp_log(void *ctx, const char *line)
{
	tap_note("%s", line);
}

/* A policy of build/FILE, opened. */
static inline struct hcpolicy *hcp_open(const char *file)
{
	struct hcpolicy_opts opts = { .sz = sizeof(opts), .log = hcp_log };
	struct hcpolicy *policy = hcpolicy__open(build_path(file), &opts);

	CHECK(policy);
	return policy;
}

/* bitmap, for guest addresses below max_gpa, loaded and attached. */
static inline struct hcpolicy *hcp_attach_bitmap(struct vm *vm, uint64_t max_gpa, bool take_exits)
{
	struct hcpolicy_attach_opts opts = { .sz = sizeof(opts), .take_exits = take_exits };
	struct hcpolicy *policy = hcp_open("bpf/bitmap.bpf.o");

	CHECK_EQ(hcpolicy__set_max_gpa(policy, max_gpa), 0);
	CHECK_EQ(hcpolicy__load(policy), 0);
	CHECK_EQ(hcpolicy__attach(policy, vm->fd, &opts), 0);
	return policy;
}

#endif /* HCST_HCP_H */
