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

/* By the word of whoever called, the set has another guest's pages: it is not complete. */
static bool refuse(struct hcpolicy *policy, const struct stopped *stopped)
{
	const char *name = hcpolicy__info(policy)->name;

	/* Late, which is what a guest is that has arrived without its set. */
	hcp_set__await_restore(hcpolicy__set(policy));
	hcp_set__arrived(hcpolicy__set(policy));
	err("policy '%s': its guest may change the set during this command: %s", name, stopped->why);
	err("the set of '%s' is now not complete, because its VM was reset: pause and reset it "
	    "again, then run this command again", name);
	return false;
}

static bool reset(struct hcpolicy *policy, bool arrived)
{
	const struct hcp_info *info = hcpolicy__info(policy);
	struct hcp_set *set = hcpolicy__set(policy);
	struct stopped stopped;
	bool ok;

	/* Before it is here: what it shares would be forgotten, and the set called complete. */
	if (hcp_set__state(set) & HCP_AWAITS_RESTORE && !arrived) {
		err("policy '%s' awaits a guest from elsewhere: if that guest has arrived and was reset, "
		    "use --arrived; if not, there is nothing to report", info->name);
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
	pins_mark_foreign();	/* who kept it too may still do so */
	if (ok && out_json) {
		struct json_object *obj = json_object_new_object();

		put_identity(obj, policy);
		put_state(obj, policy);
		out_value(obj);
	} else if (ok) {
		printf("%s: the set is empty again: ", hcpolicy__info(policy)->name);
		print_state(policy);
	}
	hcpolicy__close(policy);
	return ok ? EXIT_OK : EXIT_FAIL;
}
