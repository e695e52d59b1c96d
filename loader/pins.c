// SPDX-License-Identifier: GPL-2.0
/*
 * Policies by the name under which they are pinned.  The rule: whoever meets
 * the pins of a VM that is gone removes them and says so, and never touches
 * those of a VM that may still be there.
 */
#include <errno.h>
#include <string.h>
#include "../libhcpolicy/process.h"
#include "loader.h"
#include "out.h"

static void log_line(void *ctx, const char *line)
{
	err("%s", line);
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

/* Was it a dead VM's?  Its pins are removed then; the object stays open. */
bool pins_remove_dead(struct hcpolicy *policy)
{
	const struct hcp_info *info = hcpolicy__info(policy);

	/* The process of another pid namespace is not ours to judge. */
	if (!info || hcpolicy__attached(policy) ||
	    !process_gone(info->pid, info->pid_ns, info->start_time))
		return false;
	if (hcpolicy__unpin(policy))
		warn("policy '%s': its VM (process %d) is gone, its pins cannot be removed: %s",
		     info->name, info->pid, strerror(errno));
	else
		warn("policy '%s': its VM (process %d) is gone; removed its pins",
		     info->name, info->pid);
	return true;
}

/* Who may not look may not open any either, and is told then. */
void pins_mark_foreign(void)
{
	struct hcpolicy_opts quiet = opts;

	quiet.log = NULL;
	hcpolicy__mark_foreign(&quiet);
}

/* NULL: an error that has been reported, or *gone, which is the caller's to judge. */
struct hcpolicy *pins_open(const char *name, bool *gone)
{
	struct hcpolicy *policy;

	*gone = false;
	pins_mark_foreign();
	policy = hcpolicy__open_pinned(name, policy_opts());
	if (!policy) {
		if (!err_seen())
			err("policy '%s': %s", name, strerror(errno));
		return NULL;
	}
	*gone = pins_remove_dead(policy);
	if (!*gone && hcpolicy__set(policy))
		return policy;
	if (!*gone)
		err("policy '%s': its set is lost: hcpolicy detach %s clears what is left", name, name);
	hcpolicy__close(policy);
	return NULL;
}

/* The same for those who can do nothing with a VM that is gone. */
struct hcpolicy *pins_open_alive(const char *name)
{
	struct hcpolicy *policy;
	bool gone;

	policy = pins_open(name, &gone);
	if (gone)
		err("policy '%s' ended with its VM", name);
	return policy;
}
