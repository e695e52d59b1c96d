// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Policies by name: <bpffs>/hcpolicy/NAME/ holds the link and both maps.
 *
 * The rule: a name exists whole or not at all.  Pins are made in FOLDER_NEW, which is then
 * renamed to the name.  To remove pins, the name is renamed to FOLDER_OLD first.  If somebody
 * removes a pin by hand, BPF's ids (ids.c) find it as long as the policy is attached.  A name
 * without an attached policy is free.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "internal.h"

enum { SHARED, INFO, LINK, NPINS };
static const char *const files[NPINS] = { HCP_MAP_SHARED, HCP_MAP_INFO, "link" };

/* No dots: bpffs reserves names with dots. */
bool name_valid(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				  "0123456789_-");

	return len && len < HCP_NAME_LEN && !name[len];
}

static int bad_name(const struct hcpolicy *policy, const char *name)
{
	return fail(policy, EINVAL, "'%s' cannot be a name: [A-Za-z0-9_][A-Za-z0-9_-]*, at most %d",
		    name ? name : "", HCP_NAME_LEN - 1);
}

static int no_such_name(const struct hcpolicy *policy)
{
	return fail(policy, ENOENT, "it is not in %s/" FOLDER ": hcpolicy list (with the same --bpffs) has all "
		    "there are", policy->bpffs);
}

static void close_pins(int fd[NPINS])
{
	int i;

	for (i = 0; i < NPINS; i++) {
		if (fd[i] >= 0)
			close(fd[i]);
		fd[i] = -1;
	}
}

/* Open the pins of a name; fd[] is -1 where one is missing.  Returns how many; -ENOENT: no name. */
static int get_pins(const struct hcpolicy *policy, int folder, const char *name, int fd[NPINS])
{
	int dir = folder_of_name(policy, folder, name), i, n = 0, err = 0;

	if (dir < 0)
		return dir;
	for (i = 0; i < NPINS; i++) {
		fd[i] = err ? -1 : pin_get(dir, files[i]);
		n += fd[i] >= 0;
		if (!err && fd[i] < 0 && errno != ENOENT)
			err = fail(policy, errno, "%s/" FOLDER "/%s/%s: %s", policy->bpffs, name,
				   files[i], strerror(errno));
	}
	close(dir);
	if (!err)
		return n;
	close_pins(fd);
	errno = -err;
	return err;
}

/* Find the missing pins, as far as possible.  -EPERM: may not look. */
static int find_missing(struct hcpolicy *policy, int fd[NPINS])
{
	struct bpf_link_info link;
	struct kept kept;
	int err;

	if (fd[LINK] < 0) {
		err = ids_find_link(policy, fd[SHARED] >= 0 ? fd[SHARED] : fd[INFO]);
		if (err < 0)
			return err;
		fd[LINK] = err;
	}
	if (link_info(fd[LINK], &link) || !link.struct_ops.map_id)
		return -ENOENT;
	if (fd[SHARED] >= 0 && fd[INFO] >= 0)
		return 0;
	err = ids_kept(policy, link.struct_ops.map_id, &kept);
	if (err)
		return err;
	if (fd[SHARED] < 0) {
		fd[SHARED] = kept.shared_fd;
		kept.shared_fd = -1;
	}
	if (fd[INFO] < 0) {
		fd[INFO] = kept.info_fd;
		kept.info_fd = -1;
	}
	kept_close(&kept);
	return fd[SHARED] < 0 || fd[INFO] < 0 ? -ENOENT : 0;
}

static const char *missing_text(char buf[64], const int fd[NPINS])
{
	size_t len = 0;
	int i;

	buf[0] = 0;
	for (i = 0; i < NPINS; i++) {
		if (fd[i] < 0)
			len += snprintf(buf + len, 64 - len, "%s%s", len ? ", " : "", files[i]);
	}
	return buf;
}

/* The policy takes over the descriptors.  -EAGAIN: only who holds the lock can tell. */
static int open_pins(struct hcpolicy *policy, const char *name, const int fd[NPINS], enum lock lock)
{
	int err;

	policy->shared_fd = fd[SHARED];
	policy->info_fd = fd[INFO];
	policy->link_fd = fd[LINK];
	err = open_parts(policy, lock);
	if (err)
		return err;
	if (policy->info && strncmp(policy->info->name, name, HCP_NAME_LEN))
		return fail(policy, EINVAL, "its pins are those of '%.*s', link id %u: if that is attached, "
			    "detach it by that id; then remove %s/" FOLDER "/%s",
			    HCP_NAME_LEN, policy->info->name, policy->info->link_id, policy->bpffs, name);
	return 0;
}

static int put_back(const struct hcpolicy *policy, int folder, const char *name,
		    const int had[NPINS], const int fd[NPINS])
{
	int dir = folder_of_name(policy, folder, name), i, err = 0;

	if (dir < 0)
		return dir;
	for (i = 0; i < NPINS && !err; i++) {
		if (had[i] < 0)
			err = pin_put(dir, files[i], fd[i]);
	}
	close(dir);
	return err;
}

/* The hcp_info of a replacement takes the old one's place when it is renamed. */
static int pin_info(int dir, int fd)
{
	unlinkat(dir, INFO_NEW, 0);	/* of one that was killed */
	return pin_put(dir, INFO_NEW, fd);
}

static int exchange_info(int dir)
{
	return renameat(dir, INFO_NEW, dir, HCP_MAP_INFO);
}

/* Under the lock: a replace of what hcpolicy 0.1 attached may have been cut short. */
static void finish_old(struct hcpolicy *policy, int folder, const char *name, int fd[NPINS])
{
	int info, dir;

	if (!takeover_unfinished(policy, fd[SHARED], fd[INFO], fd[LINK]))
		return;
	info = takeover_finish(policy, fd[SHARED], fd[INFO], fd[LINK]);
	if (info < 0)
		return;
	close(fd[INFO]);
	fd[INFO] = info;
	dir = folder_of_name(policy, folder, name);
	if (dir < 0 || pin_info(dir, info) || exchange_info(dir))
		say(policy, "attachment '%s': its new " HCP_MAP_INFO " cannot be pinned: %s", name, strerror(errno));
	else
		say(policy, "attachment '%s': a replace of what hcpolicy 0.1 attached was cut short: finished it",
		    name);
	if (dir >= 0)
		close(dir);
}

/* Under the lock: open a name that lacks a pin, or whose replacement was cut short. */
static int open_half(struct hcpolicy *policy, int folder, const char *name)
{
	int fd[NPINS], had[NPINS], n, err, found = 0;
	char missing[64];

	n = get_pins(policy, folder, name, fd);
	if (n == -ENOENT)
		return no_such_name(policy);
	if (n < 0)
		return n;
	if (!n)
		return fail(policy, ENODATA, "all its pins are missing in %s/" FOLDER "; detach clears "
			    "what is left", policy->bpffs);
	memcpy(had, fd, sizeof(had));
	missing_text(missing, had);
	if (n == NPINS)
		finish_old(policy, folder, name, fd);
	else
		found = find_missing(policy, fd);
	err = open_pins(policy, name, fd, LOCK_HELD);
	if (err || n == NPINS)
		return err;

	if (found) {
		say(policy, "attachment '%s': missing in %s/" FOLDER "/%s: %s%s", name, policy->bpffs, name,
		    missing, found == -EPERM ? "; to find it again needs CAP_SYS_ADMIN" :
		    had[LINK] < 0 ? "; it is not attached any more, and detach clears what is left" :
		    "; detach clears what is left");
		return 0;
	}
	if (put_back(policy, folder, name, had, fd))
		say(policy, "attachment '%s': missing in %s/" FOLDER "/%s: %s; found it, and cannot put it "
		    "back: %s", name, policy->bpffs, name, missing, strerror(errno));
	else
		say(policy, "attachment '%s': missing in %s/" FOLDER "/%s: %s; found it and put it back",
		    name, policy->bpffs, name, missing);
	return 0;
}

static int open_name(struct hcpolicy *policy, int folder, const char *name)
{
	int fd[NPINS], n, err;

	/* A whole name needs no lock: all three pins come from one open folder. */
	n = folder < 0 ? -ENOENT : get_pins(policy, folder, name, fd);
	if (n == -ENOENT)
		return no_such_name(policy);
	if (n < 0)
		return n;
	if (n == NPINS && !takeover_unfinished(policy, fd[SHARED], fd[INFO], fd[LINK])) {
		err = open_pins(policy, name, fd, LOCK_CAN);
		if (err != -EAGAIN)
			return err;
		maps_close(policy);
		close(policy->link_fd);
		policy->link_fd = -1;
	} else {
		close_pins(fd);
	}
	err = folder_lock(policy, folder);
	return err ? err : open_half(policy, folder, name);
}

/* dir: the folder of the name.  If it has no own maps yet, the new ones just take the place. */
static int exchange_own(int dir)
{
	if (!renameat2(dir, OWN_MAPS_NEW, dir, OWN_MAPS, RENAME_EXCHANGE))
		return 0;
	return errno == ENOENT ? renameat(dir, OWN_MAPS_NEW, dir, OWN_MAPS) : -1;
}

static void end_own(struct hcpolicy *policy, int dir, bool replaced)
{
	/* ENOENT: who was killed had done this. */
	if (replaced && exchange_own(dir) && errno != ENOENT)
		say(policy, "attachment '%s': the own maps of what replaced it cannot be pinned: %s",
		    policy->name, strerror(errno));
	folder_remove(dir, OWN_MAPS_NEW);
}

/* Open its own maps.  First finish a replace that was cut short after the link's update. */
static int open_own(struct hcpolicy *policy, int folder, const char *name)
{
	int dir = folder_of_name(policy, folder, name), err;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;	/* detached meanwhile */
	if (policy->finished_replace)
		end_own(policy, dir, true);
	err = own_open(policy, dir);
	close(dir);
	return err ? fail(policy, -err, "its own maps: %s", strerror(-err)) : 0;
}

struct hcpolicy *hcpolicy__open_pinned(const char *name, const struct hcpolicy_opts *opts)
{
	struct hcpolicy *policy;
	int folder, err;

	policy = policy_new(opts);
	if (!policy)
		return NULL;
	if (!name || !name_valid(name)) {
		bad_name(policy, name);
		hcpolicy__close(policy);
		return NULL;
	}
	strcpy(policy->name, name);
	err = folder_open(policy, false, &folder);
	if (!err)
		err = open_name(policy, folder, name);
	if (!err)
		err = open_own(policy, folder, name);
	folder_close(folder);
	if (!err)
		return policy;
	hcpolicy__close(policy);
	return NULL;
}

/* The folder of its name; -1: it is not pinned. */
static int own_folder(struct hcpolicy *policy, int folder, int *own)
{
	int dir = folder_of_name(policy, folder, policy->name), link;

	*own = -1;
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	link = pin_get(dir, files[LINK]);
	if (same_object(link, policy->link_fd))
		*own = dir;
	else
		close(dir);
	if (link >= 0)
		close(link);
	return 0;
}

/* The folder that is locked until the caller closes it; none if the name is not pinned. */
static int next_folder(struct hcpolicy *policy, struct pin_next *at)
{
	hcpolicy_log_fn log = policy->log;
	int err;

	/* Report nothing: a VMM that pins nothing need not have the right to look there. */
	policy->log = NULL;
	err = folder_open(policy, false, &at->folder);
	policy->log = log;
	if (err == -ENOENT || err == -EACCES || err == -EPERM || (!err && at->folder < 0))
		return 0;
	if (err)
		return fail(policy, -err, "whether it is pinned in %s cannot be told: %s", policy->bpffs,
			    strerror(-err));
	err = folder_lock(policy, at->folder);
	return err ? err : own_folder(policy, at->folder, &at->dir);
}

/* What a killed one left goes first. */
static int pin_new(const struct hcpolicy *policy, const struct hcpolicy *next, int dir)
{
	int err;

	folder_remove(dir, OWN_MAPS_NEW);
	err = own_pin(next, dir, OWN_MAPS_NEW);
	if (err)
		return fail(next, -err, "its own maps cannot be pinned: %s", strerror(-err));
	if (policy->old && pin_info(dir, next->info_fd))
		return fail(next, errno, "its " HCP_MAP_INFO " cannot be pinned: %s", strerror(errno));
	return 0;
}

int pin_next_begin(struct hcpolicy *policy, const struct hcpolicy *next, struct pin_next *at)
{
	int err;

	*at = (struct pin_next) { -1, -1 };
	if (!name_valid(policy->name))
		return 0;
	err = next_folder(policy, at);
	if (!err && at->dir >= 0)
		err = pin_new(policy, next, at->dir);
	if (err) {
		pin_next_end(policy, at, false);
		folder_close(at->folder);
	}
	return err;
}

void pin_next_end(struct hcpolicy *policy, struct pin_next *at, bool replaced)
{
	int err = errno;

	if (at->dir >= 0) {
		if (replaced && policy->old && exchange_info(at->dir))
			say(policy, "attachment '%s': the " HCP_MAP_INFO " of what replaced it cannot be pinned: %s",
			    policy->name, strerror(errno));
		end_own(policy, at->dir, replaced);
		if (policy->old)
			unlinkat(at->dir, INFO_NEW, 0);
		close(at->dir);
	}
	errno = err;
}

/* The link id of the attached policy that these pins belong to; 0: none is attached. */
static int find_live(struct hcpolicy *policy, const int fd[NPINS], __u32 *id)
{
	struct bpf_link_info link;
	int found = -1, err;

	*id = 0;
	if (fd[LINK] < 0 && (fd[SHARED] >= 0 || fd[INFO] >= 0)) {
		found = ids_find_link(policy, fd[SHARED] >= 0 ? fd[SHARED] : fd[INFO]);
		if (found < 0 && found != -ENOENT)
			return fail(policy, -found, "its pin 'link' is missing; whether it is attached: %s%s",
				    strerror(-found), found == -EPERM ? "; that needs CAP_SYS_ADMIN" : "");
	}
	err = link_info(fd[LINK] >= 0 ? fd[LINK] : found, &link);
	if (found >= 0)
		close(found);
	if (!err && link.struct_ops.map_id)
		*id = link.id;
	return 0;
}

static int remove_name(const struct hcpolicy *policy, int folder, const char *name)
{
	if (!renameat(folder, name, folder, FOLDER_OLD) && !folder_remove(folder, FOLDER_OLD))
		return 0;
	return fail(policy, errno, "%s/" FOLDER "/%s: cannot be removed: %s", policy->bpffs, name,
		    strerror(errno));
}

/* Under the lock.  -ENOENT: it was free, not reported; -EEXIST: an attached policy has it. */
static int free_name(struct hcpolicy *policy, int folder, const char *name)
{
	int fd[NPINS], n, err;
	__u32 id;

	n = get_pins(policy, folder, name, fd);
	if (n < 0)
		return n;
	err = find_live(policy, fd, &id);
	close_pins(fd);
	if (err)
		return err;
	if (id)
		return fail(policy, EEXIST, "the name is taken by an attached policy (link id %u; hcpolicy list "
			    "shows it): detach or replace that, or use another name", id);
	err = remove_name(policy, folder, name);
	if (!err)
		say(policy, "attachment '%s': its policy was not attached any more: removed what was left of its pins",
		    name);
	return err;
}

int hcpolicy__clear(const char *name, const struct hcpolicy_opts *opts)
{
	struct hcpolicy *policy;
	int folder = -1, err;

	policy = policy_new(opts);
	if (!policy)
		return -errno;
	if (!name || !name_valid(name)) {
		err = bad_name(policy, name);
	} else {
		strcpy(policy->name, name);
		err = folder_open(policy, false, &folder);
		if (!err)
			err = folder < 0 ? -ENOENT : folder_lock(policy, folder);
		if (!err)
			err = free_name(policy, folder, name);
	}
	folder_close(folder);
	hcpolicy__close(policy);
	if (err)
		errno = -err;
	return err;
}

/* Under the lock: fill a folder that nobody else uses, then give it the name. */
static int pin_as(struct hcpolicy *policy, int folder, const char *name)
{
	const int fds[NPINS] = { policy->shared_fd, policy->info_fd, policy->link_fd };
	int dir, i, err;

	err = free_name(policy, folder, name);
	if (err && err != -ENOENT)
		return err;
	if (mkdirat(folder, FOLDER_NEW, 0700))
		return fail(policy, errno, "%s/" FOLDER "/" FOLDER_NEW ": %s", policy->bpffs,
			    strerror(errno));
	dir = folder_of_name(policy, folder, FOLDER_NEW);
	err = dir < 0 ? dir : 0;
	for (i = 0; i < NPINS && !err; i++)
		err = pin_put(dir, files[i], fds[i]);
	if (!err)
		err = own_pin(policy, dir, OWN_MAPS);
	if (dir >= 0)
		close(dir);
	if (!err && !renameat2(folder, FOLDER_NEW, folder, name, RENAME_NOREPLACE))
		return 0;
	err = errno;
	folder_remove(folder, FOLDER_NEW);
	return fail(policy, err, "cannot pin as %s/" FOLDER "/%s: %s", policy->bpffs, name,
		    strerror(err));
}

int hcpolicy__pin(struct hcpolicy *policy)
{
	int folder, err;

	if (!policy)
		return no_object();
	if (policy->link_fd < 0)
		return fail(policy, ENOENT, "only an attached policy can be pinned");
	if (!hcpolicy__attached(policy))
		return fail(policy, ENOLINK, "it is not attached any more, so it cannot be pinned");
	if (!policy->set)
		return fail(policy, ENOENT, "it has no set, so it cannot be pinned");
	if (!name_valid(policy->name))
		return fail(policy, EINVAL, "it has no name to be pinned by");
	err = folder_open(policy, true, &folder);
	if (!err)
		err = folder_lock(policy, folder);
	if (!err)
		err = pin_as(policy, folder, policy->name);
	folder_close(folder);
	return err;
}

/* Under the lock.  -ENOENT: no such name, or another policy's; not reported. */
static int unpin_name(struct hcpolicy *policy, int folder)
{
	int fd[NPINS], n;
	bool ours;

	n = get_pins(policy, folder, policy->name, fd);
	if (n < 0)
		return n;
	ours = fd[LINK] >= 0 ? same_object(fd[LINK], policy->link_fd) :
	       same_object(fd[INFO], policy->info_fd) || same_object(fd[SHARED], policy->shared_fd);
	close_pins(fd);
	return ours ? remove_name(policy, folder, policy->name) : -ENOENT;
}

int hcpolicy__unpin(struct hcpolicy *policy)
{
	int folder = -1, err = -ENOENT;

	if (!policy)
		return no_object();
	if (name_valid(policy->name)) {
		err = folder_open(policy, false, &folder);
		if (!err)
			err = folder < 0 ? -ENOENT : folder_lock(policy, folder);
		if (!err)
			err = unpin_name(policy, folder);
		folder_close(folder);
	}
	if (err)
		errno = -err;
	return err;
}

int hcpolicy__lock(struct hcpolicy *policy)
{
	int folder = -1, fd, err;

	if (!policy)
		return no_object();
	if (policy->lock_fd >= 0)
		return 0;
	if (!name_valid(policy->name))
		return fail(policy, ENOENT, "it has no name to be locked by");
	err = folder_open(policy, false, &folder);
	if (err)
		return err;
	fd = folder < 0 ? -ENOENT : folder_of_name(policy, folder, policy->name);
	folder_close(folder);
	if (fd == -ENOENT)
		return no_such_name(policy);
	if (fd < 0)
		return fd;
	err = flock_wait(policy, fd, policy->name);
	if (err)
		close(fd);
	else
		policy->lock_fd = fd;
	return err;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* All valid names, sorted; free() them.  Returns their number, or -ENOMEM. */
static int get_names(int folder, char (**names)[HCP_NAME_LEN])
{
	int copy = fcntl(folder, F_DUPFD_CLOEXEC, 3), err;
	DIR *dir = fdopendir(copy);
	struct dirent *entry;
	size_t n = 0;
	void *more;

	*names = NULL;
	if (!dir) {
		err = -errno;
		if (copy >= 0)
			close(copy);
		return err;
	}
	while ((entry = readdir(dir))) {
		if (!name_valid(entry->d_name))
			continue;
		more = realloc(*names, (n + 1) * HCP_NAME_LEN);
		if (!more) {
			free(*names);
			closedir(dir);
			return -ENOMEM;
		}
		*names = more;
		strcpy((*names)[n++], entry->d_name);
	}
	closedir(dir);
	qsort(*names, n, HCP_NAME_LEN, compare);
	return n;
}

int hcpolicy__each_pinned(int (*fn)(const char *name, void *ctx), void *ctx,
			  const struct hcpolicy_opts *opts)
{
	char (*names)[HCP_NAME_LEN] = NULL;
	int folder = -1, i, n = 0, err;
	struct hcpolicy *policy;

	policy = policy_new(opts);
	if (!policy)
		return -errno;
	err = fn ? folder_open(policy, false, &folder) : fail(policy, EINVAL, "no function to call");
	if (!err && folder >= 0)
		err = folder_lock(policy, folder);
	if (!err && folder >= 0) {
		n = get_names(folder, &names);
		if (n < 0)
			err = fail(policy, -n, "%s/" FOLDER ": %s", policy->bpffs, strerror(-n));
	}
	folder_close(folder);
	hcpolicy__close(policy);
	for (i = 0; i < n && !err; i++)
		err = fn(names[i], ctx);
	free(names);
	return err;
}
