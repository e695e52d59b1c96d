// SPDX-License-Identifier: GPL-2.0
/*
 * Every attachment: every.h.  The rule: what is wrong with one attachment, or what happens to it
 * meanwhile, changes nothing for the others.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "every.h"
#include "loader.h"
#include "out.h"
#include "state.h"

struct walk {
	const struct every *every;
	uint32_t *ids;		/* of the links that have a name */
	size_t nids;
};

static void remember(struct walk *walk, uint32_t id)
{
	walk->ids = realloc(walk->ids, (walk->nids + 1) * sizeof(*walk->ids));
	if (!walk->ids)
		abort();
	walk->ids[walk->nids++] = id;
}

static bool known(const struct every *every, const char *name, uint32_t id)
{
	return every->known && every->known(every->ctx, name, id);
}

static void give(const struct every *every, struct attachment *attachment)
{
	every->fn(every->ctx, attachment);
	hcpolicy__close(attachment->policy);
}

static int visit_name(const char *name, void *ctx)
{
	struct hcpolicy_opts quiet = *policy_opts();
	struct attachment attachment = { .name = name };
	struct walk *walk = ctx;

	if (known(walk->every, name, 0))
		return 0;
	quiet.log = NULL;
	attachment.policy = hcpolicy__open_pinned(name, &quiet);
	attachment.gone = !attachment.policy && errno == ENOENT;
	if (!attachment.policy && !attachment.gone)
		attachment.policy = hcpolicy__open_pinned(name, policy_opts());
	if (attachment.policy && hcpolicy__info(attachment.policy)) {
		attachment.id = info_copy(attachment.policy).link_id;
		remember(walk, attachment.id);
		attachment.removed = pins_remove_dead(attachment.policy);
	}
	give(walk->every, &attachment);
	return 0;
}

static int visit_id(uint32_t id, void *ctx)
{
	struct hcpolicy_opts quiet = *policy_opts();
	struct attachment attachment = { .id = id };
	struct walk *walk = ctx;

	for (size_t i = 0; i < walk->nids; i++)
		if (walk->ids[i] == id)
			return 0;
	if (known(walk->every, NULL, id))
		return 0;
	quiet.log = NULL;
	attachment.policy = hcpolicy__open_id(id, &quiet);
	attachment.gone = !attachment.policy;
	give(walk->every, &attachment);
	return 0;
}

static void unreadable(const struct every *every)
{
	if (!err_seen())
		err("the attached policies: %s", strerror(errno));
	give(every, &(struct attachment) {});
}

void every_attachment(const struct every *every)
{
	struct walk walk = { .every = every };

	if (hcpolicy__each_pinned(visit_name, &walk, policy_opts()))
		unreadable(every);
	/* Even if the names cannot be read, every attached policy has an id. */
	if (every->unnamed && hcpolicy__each_attached(visit_id, &walk, policy_opts()))
		unreadable(every);
	free(walk.ids);
}
