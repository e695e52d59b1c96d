// SPDX-License-Identifier: GPL-2.0
/*
 * save and restore: the set to a file and back.  A set of which vCPUs change words
 * meanwhile is of no one moment.  Whether vCPUs run cannot be seen from outside, but
 * that they cannot: every thread of the VM's process is stopped by a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <hcpolicy/stream.h>
#include "file.h"
#include "loader.h"
#include "out.h"
#include "state.h"

static void log_line(void *ctx, const char *line)
{
	err("%s: %s", (const char *)ctx, line);
}

bool stopped_check(const struct hcpolicy *policy)
{
	const struct hcp_info *info = hcpolicy__info(policy);
	char comm[32];

	/* In another pid namespace than it was attached from, the number is not the VM's. */
	if (proc_start_time(info->pid) != info->start_time) {
		err("policy '%s': process %d of its VM cannot be seen from here, so its guest may be "
		    "running: use --force if you know that it is not", info->name, info->pid);
		return false;
	}
	if (proc_stopped(info->pid))
		return true;
	process_comm(comm, info);
	err("policy '%s': process %d (%s) is not stopped, so its guest may change the set meanwhile: "
	    "kill -STOP %d first and kill -CONT %d then, or --force", info->name, info->pid, comm,
	    info->pid, info->pid);
	return false;
}

static void report(const struct hcpolicy *policy, const char *done, const char *file)
{
	const struct hcp_set *set = hcpolicy__set(policy);
	uint64_t shared = hcp_set__count(set);
	char size[32], state[256];

	if (out_json) {
		struct json_object *obj = json_object_new_object();

		put_identity(obj, policy);
		put_str(obj, "file", file);
		put_u64(obj, "shared_pages", shared);
		put_state(obj, policy);
		out_value(obj);
		return;
	}
	state_text(state, sizeof(state), policy);
	printf("the set of '%s' was %s %s: %" PRIu64 " page%s shared (%s), %s\n",
	       hcpolicy__info(policy)->name, done, file, shared, shared == 1 ? "" : "s",
	       size_text(size, shared << HCP_PAGE_SHIFT), state);
}

static bool is_kept(void *policy)
{
	return hcpolicy__attached(policy);
}

static bool save(struct hcpolicy *policy, const char *path, bool force)
{
	struct hcp_stream_opts opts = {
		.sz = sizeof(opts), .log = log_line, .kept = is_kept, .kept_ctx = policy,
		.force = force,
	};
	char what[PATH_MAX + 64];
	struct new_file file;

	if (!force && !stopped_check(policy))
		return false;
	if (!file_begin(&file, path))
		return false;
	/* It is about the set, or about the file. */
	snprintf(what, sizeof(what), "'%s' to %s", hcpolicy__info(policy)->name, path);
	opts.log_ctx = what;
	if (hcp_set__save_fd(hcpolicy__set(policy), file.fd, &opts) ||
	    /* Still: somebody may have let it go on. */
	    (!force && !stopped_check(policy))) {
		file_abort(&file);
		return false;
	}
	return file_commit(&file);
}

int cmd_save(const struct args *args)
{
	struct hcpolicy *policy = pins_open_alive(args->words[0]);
	bool ok;

	if (!policy)
		return EXIT_FAIL;
	ok = save(policy, args->words[1], args->force);
	if (ok)
		report(policy, "saved to", args->words[1]);
	hcpolicy__close(policy);
	return ok ? EXIT_OK : EXIT_FAIL;
}

static bool restore(struct hcpolicy *policy, const char *path, bool with_its_guest, bool force)
{
	struct hcp_stream_opts opts = {
		.sz = sizeof(opts), .log = log_line, .log_ctx = (void *)path, .force = force,
		.late = !with_its_guest,
	};
	int fd, error;
	char more;

	if (!force && !stopped_check(policy))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err("%s cannot be read: %s", path, strerror(errno));
		return false;
	}
	error = hcp_set__restore_fd(hcpolicy__set(policy), fd, &opts);
	if (!error && read(fd, &more, 1) == 1)
		warn("%s: there is more behind the set, which was not read", path);
	close(fd);
	if (error)
		return false;
	/* Still: what its guest has asked for meanwhile may have been written over. */
	if (!force && !stopped_check(policy)) {
		err("the set of '%s' was replaced all the same and may be wrong: restore it again",
		    hcpolicy__info(policy)->name);
		return false;
	}
	if (!with_its_guest)
		warn("what the guest has asked for since the save is unknown: --with-its-guest if its "
		     "memory and vCPUs are those of the save");
	return true;
}

int cmd_restore(const struct args *args)
{
	struct hcpolicy *policy = pins_open_alive(args->words[0]);
	bool ok;

	if (!policy)
		return EXIT_FAIL;
	ok = restore(policy, args->words[1], args->with_its_guest, args->force);
	if (ok)
		report(policy, "restored from", args->words[1]);
	hcpolicy__close(policy);
	return ok ? EXIT_OK : EXIT_FAIL;
}
