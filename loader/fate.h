/* SPDX-License-Identifier: GPL-2.0 */
/* What became of a VM whose policy has ended. */
#ifndef FATE_H
#define FATE_H

#include <hcpolicy/policy.h>

struct fate {
	const char *word;	/* gone, lives or unknown */
	const char *text;	/* how the policy has ended */
};

/* So long after the end it is asked for the last time. */
#define FATE_NS		1000000000ULL

/*
 * folder: the VM's (counters_folder()), opened before the end, or -1.  info: of the policy.  NULL: not
 * known yet, if it is not the last time.
 */
const struct fate *fate_of(int folder, const struct hcp_info *info, bool last);

#endif /* FATE_H */
