// SPDX-License-Identifier: GPL-2.0
/*
 * reset: reports that a VM was reset.  Nobody can see a reset, so this command trusts its user.
 * But it checks that no vCPU runs during the command.
 */
#include <stdio.h>
#include <stdlib.h>
#include "loader.h"
#include "out.h"
#include "state.h"
#include "stopped.h"

/* By its user's word the set has the old guest's pages, so it is not complete. */
static bool refuse(struct hcpolicy *policy, const struct stopped *stopped)
{
	const struct hcp_info copy = info_copy(policy);
	const char *name = copy.name;

	/* HCP_LATE, as for a guest that has arrived without its set. */
	hcp_set__await_restore(hcpolicy__set(policy));
	hcp_set__arrived(hcpolicy__set(policy));
	err("attachment '%s': its guest may change the set during this command: %s", name, stopped->why);
	err("the set of '%s' is now not complete, because its VM was reset: pause and reset it "
	    "again, then run this command again", name);
	return false;
}

static bool reset(struct hcpolicy *policy, bool arrived)
{
	const struct hcp_info copy = info_copy(policy), *info = &copy;
	struct hcp_set *set = hcpolicy__set(policy);
	struct stopped stopped;
	bool ok;

	/* Before the guest arrives, this would call the set complete without its pages. */
	if (hcp_set__state(set) & HCP_AWAITS_RESTORE && !arrived) {
		err("attachment '%s' awaits a guest from elsewhere: if that guest has arrived and was reset, "
		    "use --arrived; if not, there is nothing to report", info->name);
		return false;
	}
	if (attached_by_old(policy)) {
		hcp_set__reset(set);	/* it cannot, and the set is then not complete */
		err("attachment '%s': hcpolicy 0.1 attached it, so its set cannot be reset: hcpolicy replace %s %s, "
		    "then run this command again", info->name, info->name, info->policy);
		return false;
	}
	hcp_set__arrived(set);
	ok = stopped_begin(&stopped, info) && !hcp_set__reset_if(set, stopped_still, &stopped);
	if (!ok)
		refuse(policy, &stopped);
	stopped_end(&stopped);
	return ok;
}

int cmd_reset(const struct args *args)
{
	struct hcpolicy *policy = pins_open_alive(args->words[0]);
	bool ok;

	if (!policy)
		return EXIT_FAIL;
	ok = !hcpolicy__lock(policy) && reset(policy, args->arrived);
	pins_mark_foreign();	/* another policy may still keep the set */
	if (ok && out_json) {
		struct json_object *obj = json_object_new_object();

		put_identity(obj, policy);
		put_state(obj, policy);
		out_value(obj);
	} else if (ok) {
		printf("%s: the set is empty again: ", info_copy(policy).name);
		print_state(policy);
	}
	hcpolicy__close(policy);
	return ok ? EXIT_OK : EXIT_FAIL;
}
