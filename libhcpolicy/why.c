// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Why a set is not complete, and what helps.  Only this file has the words.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "set-internal.h"

/*
 * In the order of output: causes come before what follows from them, and the first help is enough
 * to begin with.  (A reset helps a late set only while a policy is attached.)
 */
static const struct {
	uint32_t state;
	const char *why, *help;
} reasons[] = {
	{ HCP_UNATTACHED, "not attached yet", "attach it before the VM's first instruction" },
	{ HCP_AWAITS_RESTORE, "awaits a restore",
	  "the guest has shared pages elsewhere: restore the set that was saved with it" },
	{ HCP_DETACHED, "detached",
	  "its guest's later requests are not known: attach a policy again, then reset the VM and "
	  "report the reset" },
	{ HCP_LATE, "attached or restored late",
	  "its guest's earlier requests are not known: reset the VM and report the reset" },
	{ HCP_CHANGING, "a reset or restore of it is at work, or was cut short",
	  "if no such command is running, run it again" },
	{ HCP_FOREIGN, "another VM's policy kept it too",
	  "detach the other policy (hcpolicy list --all), reset the VM and report the reset" },
	{ HCP_RUNNING, "saved while the guest may have been running",
	  "stop the VM, save the set again, and restore that" },
};
#define NREASONS (sizeof(reasons) / sizeof(*reasons))

/* States of later versions are reasons too. */
#define OTHERS (~(uint32_t)(HCP_LATE | HCP_DETACHED | HCP_UNATTACHED | HCP_AWAITS_RESTORE | \
			    HCP_RUNNING | HCP_CHANGING | HCP_FOREIGN))

static bool tell(struct hcp_reason *reason, uint32_t state, const char *why, const char *help)
{
	reason->state = state;
	snprintf(reason->why, sizeof(reason->why), "%s", why);
	snprintf(reason->help, sizeof(reason->help), "%s", help);
	return true;
}

bool hcp_state_why(uint32_t state, uint64_t missed, unsigned int n, struct hcp_reason *reason)
{
	char why[sizeof(reason->why)];
	size_t i;

	/* HCP_UNATTACHED and HCP_DETACHED together would say the same thing twice. */
	if (state & HCP_UNATTACHED)
		state &= ~HCP_DETACHED;
	for (i = 0; i < NREASONS; i++) {
		if (state & reasons[i].state && !n--)
			return tell(reason, reasons[i].state, reasons[i].why, reasons[i].help);
	}
	if (state & OTHERS && !n--)
		return tell(reason, state & OTHERS, "a reason that this version does not know",
			    "look at it with the version that wrote it");
	if (missed && !n) {
		snprintf(why, sizeof(why), "%" PRIu64 " page%s missed", missed,
			 missed == 1 ? "" : "s");
		return tell(reason, 0, why, "requests for them were not recorded: reset the VM and "
			    "report the reset");
	}
	return false;
}

size_t hcp_state_text(uint32_t state, uint64_t missed, char *buf, size_t size)
{
	struct hcp_reason reason;
	size_t len = 0;

	buf[0] = '\0';
	for (unsigned int n = 0; hcp_state_why(state, missed, n, &reason) && len < size; n++)
		len += snprintf(buf + len, size - len, "%s%s", n ? ", " : "", reason.why);
	return len;
}

bool hcp_set__why(const struct hcp_set *set, uint32_t more, unsigned int n,
		  struct hcp_reason *reason)
{
	if (!set || !reason) {
		errno = EINVAL;
		return false;
	}
	return hcp_state_why(hcp_set__state(set) | more, hcp_set__missed(set), n, reason);
}
