// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * uses-policy FILE: a program of somebody else's, in C and in C++.  It opens the policy FILE, and
 * prints its parameters.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <hcpolicy/events.h>
#include <hcpolicy/policy.h>

static void keep(void *said, const char *line)
{
	snprintf((char *)said, 256, "%s", line);
}

static void on_event(void *ctx, const struct hcp_event *event)
{
	printf("%p: %u\n", ctx, (unsigned int)event->vcpu_id);
}

int main(int argc, char **argv)
{
	struct hcpolicy_param param;
	struct hcpolicy_opts opts;
	struct hcpolicy *policy;
	char said[256] = "";

	memset(&opts, 0, sizeof(opts));
	opts.sz = sizeof(opts);
	opts.log = keep;
	opts.log_ctx = said;
	if (argc != 2 || hcpolicy__open("/nowhere/none", &opts) || errno != ENOENT || !strstr(said, "none"))
		return 1;
	policy = hcpolicy__open(argv[1], &opts);
	if (!policy || hcpolicy__set(policy))
		return 1;
	for (unsigned int n = 0; hcpolicy__param(policy, n, &param); n++)
		printf("%s=%s\n", param.name, param.value);
	if (hcpolicy__events_new(policy, on_event, NULL) || errno != EINVAL)
		return 1;
	hcpolicy__close(policy);
	return 0;
}
