// SPDX-License-Identifier: GPL-2.0
/*
 * reset: whoever has reset a VM says so.  The rule: nobody can see a reset, so this
 * command is taken at its word; what can be seen is that no vCPU runs meanwhile.
 */
#include <stdio.h>
#include <stdlib.h>
#include "loader.h"
#include "out.h"
#include "state.h"
#include "stopped.h"

static bool not_stopped(const struct hcpolicy *policy, const struct stopped *stopped)
{
	err("policy '%s': its guest may change the set meanwhile: %s", hcpolicy__info(policy)->name,
	    stopped->why);
	return false;
}

static bool reset_stopped(struct hcpolicy *policy, struct stopped *stopped)
{
	struct hcp_set *set = hcpolicy__set(policy);

	hcp_set__reset(set);
	if (stopped_still(stopped, hcpolicy__info(policy)))
		return true;
	/* It may have asked for pages before its set was emptied. */
	hcp_set__lost(set, 0, 1);
	not_stopped(policy, stopped);
	err("the set of '%s' was emptied all the same, and is not complete: reset the VM again",
	    hcpolicy__info(policy)->name);
	return false;
}

static bool reset(struct hcpolicy *policy, bool arrived)
{
	const struct hcp_info *info = hcpolicy__info(policy);
	struct stopped stopped;
	bool ok;

	/* Before it is here: what it shares would be forgotten, and the set called complete. */
	if (hcp_set__state(hcpolicy__set(policy)) & HCP_AWAITS_RESTORE && !arrived) {
		err("policy '%s' awaits a guest from elsewhere: if that has arrived and is what was "
		    "reset, --arrived; else there is nothing to report", info->name);
		return false;
	}
	ok = stopped_begin(&stopped, info) ? reset_stopped(policy, &stopped) :
					     not_stopped(policy, &stopped);
	stopped_end(&stopped);
	return ok;
}

int cmd_reset(const struct args *args)
{
	struct hcpolicy *policy = pins_open_alive(args->words[0]);
	bool ok;

	if (!policy)
		return EXIT_FAIL;
	ok = reset(policy, args->arrived);
	if (ok && out_json) {
		struct json_object *obj = json_object_new_object();

		put_identity(obj, policy);
		put_state(obj, policy);
		out_value(obj);
	} else if (ok) {
		printf("%s: the set begins anew: ", hcpolicy__info(policy)->name);
		print_state(policy);
	}
	hcpolicy__close(policy);
	return ok ? EXIT_OK : EXIT_FAIL;
}
