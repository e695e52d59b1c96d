// SPDX-License-Identifier: GPL-2.0
/*
 * What became of a VM whose policy has ended: fate.h.  The rule: only what is proved is said.
 *
 * When KVM ends a VM it takes the policy off first, and removes the VM's folder in debugfs a moment later.
 * So a folder that is gone proves the end, and one that is still there proves nothing.  But nobody has a
 * VM open that KVM is ending.  So if its process still has it open, and the folder is there after that,
 * the VM lives.  That is asked late, as a VMM that ends may give up its policy before its VM.
 *
 * The end of the process is no proof: another process may have the VM.
 */
#include "fate.h"
#include "folders.h"
#include "loader.h"

static const struct fate gone = { "gone", "the policy has ended, and its VM is gone" };
static const struct fate lives = { "lives", "the policy has ended by a detach, and its VM goes on without it" };
static const struct fate unknown = { "unknown", "the policy has ended, with its VM or by a detach" };

static bool has_it_open(const struct hcp_info *info)
{
	return !proc_elsewhere(info) && proc_fd_is_vm(info->pid, info->vm_fd) &&
	       proc_start_time(info->pid) == info->start_time;
}

const struct fate *fate_of(int folder, const struct hcp_info *info, bool last)
{
	bool open = last && has_it_open(info);

	if (folder < 0)
		return &unknown;
	if (folder_gone(folder))
		return &gone;
	if (!last)
		return NULL;
	return open ? &lives : &unknown;
}
