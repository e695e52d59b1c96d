// SPDX-License-Identifier: GPL-2.0
/*
 * save and restore: the set to a file and back.  If vCPUs may change the set during a save, its
 * words are of different moments.  The file says so, and so does the set after a restore.
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
#include "stopped.h"

static void log_line(void *ctx, const char *line)
{
	err("%s: %s", (const char *)ctx, line);
}

/* The VM is not stopped.  Go on only with --running. */
static bool may_run(const struct hcpolicy *policy, const struct stopped *stopped, bool running)
{
	const struct hcp_info copy = info_copy(policy);
	const char *name = copy.name;

	if (running)
		warn("attachment '%s': its guest may change the set during this command: %s", name, stopped->why);
	else
		err("attachment '%s': its guest may change the set during this command: %s, or use --running, "
		    "and the set is then not complete", name, stopped->why);
	return running;
}

static void put_stream(struct json_object *obj, const struct hcp_stream_info *info)
{
	struct json_object *stream = json_object_new_object();
	char saved_at[32];

	time_text(saved_at, info->saved_at);
	put_u64(stream, "version", info->version);
	put_str(stream, "label", info->label);
	json_object_object_add(stream, "saved_at", info->saved_at ?
			       json_object_new_string(saved_at) : NULL);
	put_u64(stream, "max_gpa", info->npages << HCP_PAGE_SHIFT);
	json_object_object_add(obj, "stream", stream);
}

/* "label 'web'" */
static const char *label_text(char buf[HCP_NAME_LEN + 16], const char *label)
{
	snprintf(buf, HCP_NAME_LEN + 16, *label ? "label '%s'" : "no label", label);
	return buf;
}

static void print_stream(const char *file, const struct hcp_stream_info *info)
{
	char label[HCP_NAME_LEN + 16], size[32], saved_at[32] = "an unknown time";

	if (info->saved_at)
		time_text(saved_at, info->saved_at);
	printf("%s: version %u, %s, saved at %s, covers %s\n", file, info->version,
	       label_text(label, info->label), saved_at,
	       size_text(size, info->npages << HCP_PAGE_SHIFT));
}

/* more: states (enum hcp_state) that the set itself does not know. */
static void report(const struct hcpolicy *policy, const char *done, const char *file,
		   uint32_t more, const struct hcp_stream_info *info)
{
	const struct hcp_info copy = info_copy(policy);
	const struct hcp_set *set = hcpolicy__set(policy);
	char label[HCP_NAME_LEN + 16], size[32], state[256];
	uint64_t shared = hcp_set__count(set);

	if (out_json) {
		struct json_object *obj = json_object_new_object();

		put_identity(obj, policy);
		put_str(obj, "file", file);
		put_u64(obj, "shared_pages", shared);
		put_state_more(obj, policy, more);
		if (info)
			put_stream(obj, info);
		out_value(obj);
		return;
	}
	state_text_more(state, sizeof(state), policy, more);
	printf("the set of '%s' (%s) was %s %s: %" PRIu64 " page%s shared (%s), %s\n",
	       copy.name, label_text(label, copy.label), done, file,
	       shared, shared == 1 ? "" : "s", size_text(size, shared << HCP_PAGE_SHIFT), state);
	if (info)
		print_stream(file, info);
}

static bool is_kept(void *policy)
{
	return hcpolicy__attached(policy);
}

/* Restore from the beginning of the file. */
static bool write_set(const struct hcpolicy *policy, int fd, struct hcp_stream_opts *opts,
		      bool running)
{
	opts->running = running;
	if (lseek(fd, 0, SEEK_SET) || ftruncate(fd, 0)) {
		opts->log(opts->log_ctx, strerror(errno));
		return false;
	}
	return !hcp_set__save_fd(hcpolicy__set(policy), fd, opts);
}

/* *running: may the guest run?  In: is that allowed?  Out: what the file says. */
static bool save_to(struct hcpolicy *policy, int fd, struct hcp_stream_opts *opts, bool *running)
{
	const struct hcp_info copy = info_copy(policy), *info = &copy;
	struct stopped stopped;
	bool ok, still;

	/* Of a detached policy nobody changes the set.  The file says that it is incomplete. */
	if (!hcpolicy__attached(policy)) {
		*running = false;
		return write_set(policy, fd, opts, false);
	}
	still = stopped_begin(&stopped, info);
	ok = (still || may_run(policy, &stopped, *running)) && write_set(policy, fd, opts, !still);
	/* Somebody may have continued the VM, if only for a moment. */
	if (ok && still && !stopped_still(&stopped)) {
		still = false;
		ok = may_run(policy, &stopped, *running) && write_set(policy, fd, opts, true);
	}
	*running = !still;
	stopped_end(&stopped);
	return ok;
}

static bool save(struct hcpolicy *policy, const char *path, bool force, bool *running)
{
	struct hcp_stream_opts opts = {
		.sz = sizeof(opts), .log = log_line, .kept = is_kept, .kept_ctx = policy,
		.force = force,
	};
	char what[PATH_MAX + 64];
	struct new_file file;

	if (!file_begin(&file, path))
		return false;
	/* An error is about the set or about the file. */
	snprintf(what, sizeof(what), "'%s' to %s", info_copy(policy).name, path);
	opts.log_ctx = what;
	if (save_to(policy, file.fd, &opts, running))
		return file_commit(&file);
	file_abort(&file);
	return false;
}

int cmd_save(const struct args *args)
{
	struct hcpolicy *policy = pins_open_alive(args->words[0]);
	bool running = args->running, ok;

	if (!policy)
		return EXIT_FAIL;
	ok = !hcpolicy__lock(policy) && save(policy, args->words[1], args->force, &running);
	if (ok)
		report(policy, "saved to", args->words[1], running ? HCP_RUNNING : 0, NULL);
	hcpolicy__close(policy);
	return ok ? EXIT_OK : EXIT_FAIL;
}

static bool restore_from(struct hcpolicy *policy, const char *path, struct hcp_stream_opts *opts)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error;
	char more;

	if (fd < 0) {
		err("%s cannot be read: %s", path, strerror(errno));
		return false;
	}
	error = hcp_set__restore_fd(hcpolicy__set(policy), fd, opts);
	if (error == -EMEDIUMTYPE)
		err("%s: use --any-label if you know that it is of this guest",
		    path);
	if (!error && read(fd, &more, 1) == 1)
		warn("%s: data follows the set; it was not read", path);
	close(fd);
	return !error;
}

static void warn_restored(const char *path, const struct args *args,
			  const struct hcp_stream_info *info)
{
	if (info->version == 1 && args->with_its_guest)
		warn("%s has version 1, which does not say whether the guest was stopped during the "
		     "save: the set is complete only if it was", path);
	if (!info->label[0])
		warn("%s has no label: nobody can tell whether it is of this guest", path);
	if (args->running)
		warn("what the guest requested after the save is unknown, and the restore may overwrite "
		     "what it requests now");
	else if (!args->with_its_guest)
		warn("what the guest requested after the save is unknown: use --with-its-guest if its "
		     "memory and vCPUs are those of the save");
}

/* Has the hook counted requests of this VM? */
static bool counted(const struct hcpolicy *policy)
{
	struct json_object *counters;
	uint64_t sum = 0;
	const char *why;

	counters = counters_read(policy, &why);
	if (!counters)
		return false;
	json_object_object_foreach(counters, key, value)
		sum += *key ? json_object_get_uint64(value) : 0;
	json_object_put(counters);
	return sum;
}

/* A set that awaits a restore is empty, unless its guest has already run here. */
static bool guest_has_run(const struct hcpolicy *policy)
{
	const struct hcp_set *set = hcpolicy__set(policy);

	if (!(hcp_set__state(set) & HCP_AWAITS_RESTORE))
		return false;
	if (!hcp_set__count(set) && !hcp_set__beyond(set) && !counted(policy))
		return false;
	warn("attachment '%s': its guest has asked for pages here already. They are not in the file, so the "
	     "set is not complete: restore before the guest runs (qemu -S)", info_copy(policy).name);
	return true;
}

static bool restore(struct hcpolicy *policy, const char *path, const struct args *args,
		    struct hcp_stream_info *stream)
{
	const struct hcp_info info = info_copy(policy);
	struct stopped stopped;
	struct hcp_stream_opts opts = {
		.sz = sizeof(opts), .log = log_line, .log_ctx = (void *)path, .force = args->force,
		.late = !args->with_its_guest, .any_label = args->any_label, .info = stream,
	};
	bool ok;

	if (args->with_its_guest && guest_has_run(policy))
		opts.late = true;
	if (stopped_begin(&stopped, &info)) {
		opts.still = args->running ? NULL : stopped_still;
		opts.still_ctx = &stopped;
		ok = restore_from(policy, path, &opts);
		if (!ok && stopped.why)
			may_run(policy, &stopped, false);
	} else {
		ok = may_run(policy, &stopped, args->running) &&
		     restore_from(policy, path, &opts);
	}
	stopped_end(&stopped);
	return ok;
}

int cmd_restore(const struct args *args)
{
	struct hcp_stream_info info = { .sz = sizeof(info) };
	struct hcpolicy *policy;
	bool ok;

	if (args->running && args->with_its_guest) {
		err("restore: --running and --with-its-guest do not go together: a guest that runs is "
		    "no longer the saved one");
		return EXIT_USAGE;
	}
	policy = pins_open_alive(args->words[0]);
	if (!policy)
		return EXIT_FAIL;
	ok = !hcpolicy__lock(policy) && restore(policy, args->words[1], args, &info);
	if (ok) {
		warn_restored(args->words[1], args, &info);
		report(policy, "restored from", args->words[1], 0, &info);
	}
	hcpolicy__close(policy);
	return ok ? EXIT_OK : EXIT_FAIL;
}
