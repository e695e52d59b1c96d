/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Policies as users have them, through libhcpolicy.  What the library says about
 * an error goes to the test's output.
 */
#ifndef HCST_HCP_H
#define HCST_HCP_H

#include <stdlib.h>
#include <string.h>
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

/*
 * The same, loaded, and attached for guest addresses below max_gpa.  params: HCP_PARAMS(NAME,
 * VALUE, ...), or NULL.
 */
#define HCP_PARAMS(...)	((const char *const[]) { __VA_ARGS__, NULL })
static inline struct hcpolicy *hcp_attach(struct vm *vm, const char *file, uint64_t max_gpa,
					  bool take_exits, const char *const params[])
{
	struct hcpolicy_attach_opts opts = { .sz = sizeof(opts), .take_exits = take_exits };
	struct hcpolicy *policy = hcp_open(file);

	for (; params && *params; params += 2)
		CHECK_EQ(hcpolicy__set_param(policy, params[0], params[1]), 0);
	CHECK_EQ(hcpolicy__set_max_gpa(policy, max_gpa), 0);
	CHECK_EQ(hcpolicy__load(policy), 0);
	CHECK_EQ(hcpolicy__attach(policy, vm->fd, &opts), 0);
	return policy;
}

/* A parameter's or counter's value as it is now; and as a number. */
static inline struct hcpolicy_param hcp_param(struct hcpolicy *policy, const char *name)
{
	struct hcpolicy_param p;
	unsigned int n = 0;

	do
		CHECK(hcpolicy__param(policy, n++, &p));
	while (strcmp(p.name, name));
	return p;
}

static inline uint64_t hcp_number(struct hcpolicy *policy, const char *name)
{
	return strtoull(hcp_param(policy, name).value, NULL, 0);
}

#endif /* HCST_HCP_H */
