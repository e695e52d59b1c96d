/* SPDX-License-Identifier: GPL-2.0 */
/* The VMs of this machine, and which of them should have a policy by the rules of auto.conf and have none. */
#ifndef VMS_H
#define VMS_H

#include "auto-conf.h"

struct vms {
	bool seen;		/* n is known */
	uint64_t n;
	/* Of those without a policy: whose process is not known, so that no rule could be looked for. */
	uint64_t unknown;
	const char *why;	/* NULL, or why no rule could be looked for, from some VM on */
};

struct vm_without {
	const char *folder;	/* in debugfs; no two VMs have the same */
	pid_t pid;
	const char *comm;
	const struct auto_rule *rule;
};

typedef void (*vms_fn)(void *ctx, const struct vm_without *vm);
/* fn is called for each VM that should have a policy and has none. */
struct vms vms_look(const struct auto_conf *conf, vms_fn fn, void *ctx);

#endif /* VMS_H */
