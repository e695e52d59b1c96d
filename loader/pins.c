// SPDX-License-Identifier: GPL-2.0
/*
 * Policies by their pinned names.  The rule: a command that finds the pins of a dead VM removes
 * them and says so.  It never touches the pins of a VM that may still be alive.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "../libhcpolicy/process.h"
#include "loader.h"
#include "out.h"
#include "state.h"

static bool hold;
static char *held;

static void log_line(void *ctx, const char *line)
{
	if (!hold) {
		err("%s", line);
		return;
	}
	free(held);
	held = strdup(line);
}

void pins_hold_log(void)
{
	hold = true;
}

void pins_end_hold(bool say)
{
	if (say && held)
		err("%s", held);
	free(held);
	held = NULL;
	hold = false;
}

static void warn_line(void *ctx, const char *line)
{
	warn("%s", line);
}

static struct hcpolicy_opts opts = { .sz = sizeof(opts), .log = log_line, .warn = warn_line };

const struct hcpolicy_opts *policy_opts(void)
{
	return &opts;
}

void pins_use_bpffs(const char *folder)
{
	opts.bpffs = folder;
}

/* Is its VM dead?  If so, remove its pins.  The object stays open. */
bool pins_remove_dead(struct hcpolicy *policy)
{
	const struct hcp_info copy = info_copy(policy), *info = &copy;

	/* Whether a process of another pid namespace lives cannot be seen here. */
	if (!hcpolicy__info(policy) || hcpolicy__attached(policy) ||
	    !process_gone(info->pid, info->pid_ns, info->start_time))
		return false;
	if (hcpolicy__unpin(policy))
		warn("attachment '%s': its VM (process %d) is gone, its pins cannot be removed: %s",
		     info->name, info->pid, strerror(errno));
	else
		warn("attachment '%s': its VM (process %d) is gone; removed its pins",
		     info->name, info->pid);
	return true;
}

/* Without the right to do this, the open reports the error. */
void pins_mark_foreign(void)
{
	struct hcpolicy_opts quiet = opts;

	quiet.log = NULL;
	hcpolicy__mark_foreign(&quiet);
}

/* For commands that need a living VM.  NULL: an error that was reported. */
struct hcpolicy *pins_open_alive(const char *name)
{
	struct hcpolicy *policy;

	pins_mark_foreign();
	policy = hcpolicy__open_pinned(name, policy_opts());
	if (!policy) {
		if (!err_seen())
			err("attachment '%s': %s", name, strerror(errno));
		return NULL;
	}
	if (pins_remove_dead(policy))
		err("attachment '%s' ended with its VM", name);
	else if (!hcpolicy__set(policy))
		err("attachment '%s': its set is gone: hcpolicy detach %s clears what is left", name, name);
	else
		return policy;
	hcpolicy__close(policy);
	return NULL;
}
