/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Policies: BPF programs that keep the shared-page set of one VM inside KVM.
 *
 *	open -> (set_max_gpa, set_param) -> load -> attach -> pin ... -> close
 *
 * One object serves one VM.  An attached policy lives as long as its link: the
 * object's own descriptor and the pin each hold it, and the VM's end detaches
 * it whoever holds it (the link polls EPOLLHUP then).
 *
 * Errors: a negative errno is returned and errno is set; functions that return
 * a pointer return NULL and set errno.  NULL where an object or a string is wanted is
 * -EINVAL; hcpolicy__attached(NULL) is false with that errno, hcpolicy__close(NULL) is
 * nothing.  The reason in words goes to the log function of the open call; the library
 * never prints.
 *
 * After an error an object is as it was before the call, where a function does not say
 * otherwise: what failed can be tried again, or something else.
 *
 * Threads: one call at a time for an object, and for both of a replace; but
 * hcpolicy__attached(), __set(), __info(), __link_fd() and __map_fd() may be called from any
 * thread at any time until hcpolicy__close(), all but the first once load or replace has
 * returned.  Calls for different objects do not disturb each other.  (The set: hcpolicy/set.h.)
 *
 * Options begin with their size, of the header that the caller was built with.  What a
 * shorter struct lacks is 0; -E2BIG: a longer one asks for what this library does not know.
 *
 * Needs CAP_SYS_ADMIN on 6.12 for load and attach, and nothing for the set, the
 * link's poll and detach: docs/security.md.
 */
#ifndef HCPOLICY_POLICY_H
#define HCPOLICY_POLICY_H

#include <hcpolicy/set.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hcpolicy;

/* One line without newline: what went wrong, with which object, and the remedy. */
typedef void (*hcpolicy_log_fn)(void *ctx, const char *line);

struct hcpolicy_opts {
	size_t sz;		/* sizeof(struct hcpolicy_opts) */
	hcpolicy_log_fn log;	/* NULL: silence */
	void *log_ctx;		/* of log and warn */
	hcpolicy_log_fn warn;	/* what was found and put right on the way; NULL: log */
	const char *bpffs;	/* NULL: $HCPOLICY_BPFFS, or HCPOLICY_DEFAULT_BPFFS */
};

#define HCPOLICY_DEFAULT_BPFFS	"/sys/fs/bpf"

/*
 * A policy to load: a name without a slash is looked up as NAME.bpf.o in
 * each directory of $HCPOLICY_PATH and then in <libdir>/bpf/hcpolicy; anything
 * with a slash is a path.  -ENOENT says where it looked; -EINVAL: not a policy, or one
 * that was compiled with another version of hcpolicy.bpf.h.
 */
struct hcpolicy *hcpolicy__open(const char *policy, const struct hcpolicy_opts *opts);

/*
 * A policy by the name under which it is pinned, in <bpffs>/hcpolicy/NAME/; attached or not
 * any more (hcpolicy__attached()).  That folder is root's or the caller's own, or it is refused
 * (-EPERM).  -ENOENT: no such name; -ENODATA: nothing is left of it; -EINVAL: what is there does
 * not belong together, or has another name.
 *
 * A missing pin of an attached policy is found again by BPF's ids and put back, which needs
 * CAP_SYS_ADMIN.  Else it stays missing: then hcpolicy__link_fd() is -ENOENT, or __info() or
 * __set() NULL, and hcpolicy__clear() removes the rest.  A policy that was replaced by one
 * that keeps another set, or none, is HCP_DETACHED.
 */
struct hcpolicy *hcpolicy__open_pinned(const char *name, const struct hcpolicy_opts *opts);

/*
 * Call fn with each name, sorted, whatever is behind it, until it does not return 0; returns
 * what fn did last.  What processes left that were killed while they pinned or unpinned is
 * removed before; every function that changes a name does that.
 */
int hcpolicy__each_pinned(int (*fn)(const char *name, void *ctx), void *ctx,
			  const struct hcpolicy_opts *opts);

/*
 * Make a name free: remove what is left of a policy that is not attached any more.  -ENOENT:
 * it was free; -EEXIST: an attached policy has it.
 */
int hcpolicy__clear(const char *name, const struct hcpolicy_opts *opts);

/*
 * Attached policies by the ids of their BPF links, pinned or not; these need CAP_SYS_ADMIN.
 * Call fn with each as above.  open_id: -ENOENT, -ENOLINK, -EINVAL: none, not attached any more,
 * not a policy's.  hcpolicy__info() and __set() are NULL if the policy keeps no set of this version.
 */
int hcpolicy__each_attached(int (*fn)(uint32_t link_id, void *ctx), void *ctx,
			    const struct hcpolicy_opts *opts);
struct hcpolicy *hcpolicy__open_id(uint32_t link_id, const struct hcpolicy_opts *opts);

/*
 * Look for links whose program keeps the set of another link, and mark that set HCP_FOREIGN:
 * requests of two VMs are in it.  A process that may attach can make such a link by bpf(2), and
 * nobody notes it.  One walk over all links; it needs CAP_SYS_ADMIN.
 */
int hcpolicy__mark_foreign(const struct hcpolicy_opts *opts);

/*
 * An attached policy from descriptors that a broker handed over: the maps and
 * the link (-1 if none).  They are duplicated; the caller keeps its own.  -EINVAL: they are
 * something else, or do not belong together; -EPERM: the policy was replaced and hcp_info does
 * not say so, and what is in its place only CAP_SYS_ADMIN can see.
 */
struct hcpolicy *hcpolicy__open_fds(int shared_fd, int info_fd, int link_fd,
				    const struct hcpolicy_opts *opts);

/*
 * One more of its maps, under its name in the program; for hcpolicy__map_fd().  The same rules.
 * -EEXIST: it has one of that name.
 */
int hcpolicy__add_map_fd(struct hcpolicy *policy, const char *map, int fd);

/* Drops this object's descriptors.  A pinned policy stays attached. */
void hcpolicy__close(struct hcpolicy *policy);

/*
 * Before load: the highest guest address in bytes (RAM, holes and hotplug
 * included), default HCPOLICY_DEFAULT_MAX_GPA.  32 KiB of kernel memory a GiB.  -EBUSY: it is
 * loaded; -EINVAL: 0, or more than 4 PiB.
 */
#define HCPOLICY_DEFAULT_MAX_GPA	(64ULL << 30)
int hcpolicy__set_max_gpa(struct hcpolicy *policy, uint64_t bytes);

/*
 * A parameter of the policy: a `const volatile` integer or bool, which is fixed once it is loaded,
 * or one that may change while it is attached (HCP_PARAM() and HCP_SETTING() in hcpolicy.bpf.h).
 * All of one, of a policy that was opened or is pinned; the strings are the policy's until close.
 * A pinned one's need CAP_SYS_ADMIN, as its types are the kernel's.
 */
enum hcpolicy_param_kind {
	HCPOLICY_FIXED,		/* once it is loaded */
	HCPOLICY_TUNABLE,	/* changes at any time */
	HCPOLICY_COUNTER,	/* what the policy counts itself; it cannot be set */
};

#define HCPOLICY_NUMBER_LEN	24
struct hcpolicy_param {
	const char *name, *type, *help;		/* help: "" if it has none */
	char value[HCPOLICY_NUMBER_LEN];	/* now, as set_param takes it */
	char min[HCPOLICY_NUMBER_LEN], max[HCPOLICY_NUMBER_LEN];
	enum hcpolicy_param_kind kind;
};

/* The n-th, from 0.  False: there are no more. */
bool hcpolicy__param(struct hcpolicy *policy, unsigned int n, struct hcpolicy_param *param);

/* What an opened policy says of itself, in a line; "": nothing. */
const char *hcpolicy__about(const struct hcpolicy *policy);

/*
 * -ENOENT: it has none of that name; -EBUSY: it is loaded, and that one is fixed; -ERANGE: not one
 * of its range; -EINVAL: not a number.  One that is tunable changes at once, for every vCPU.
 */
int hcpolicy__set_param(struct hcpolicy *policy, const char *key, const char *value);

/*
 * Into the kernel.  -EBUSY: it is loaded already, and stays so; -EOPNOTSUPP: a kernel without the
 * hook; -EPERM; -EACCES: the verifier said no; -ENOMEM: not for a set of that size.  After an
 * error other than -EBUSY it is opened, as before.
 */
int hcpolicy__load(struct hcpolicy *policy);

struct hcpolicy_attach_opts {
	size_t sz;		/* sizeof(struct hcpolicy_attach_opts) */
	const char *name;	/* [A-Za-z0-9_][A-Za-z0-9_-]*, at most 63; NULL: the pid in decimal */
	int pid;		/* whose VM it is, for hcp_info; 0: the caller */
	int pid_vm_fd;		/* its descriptor there; used if pid is not 0 */
	bool take_exits;	/* KVM_HCPOLICY_TAKE_EXITS */
	bool incoming;		/* a guest will arrive here that has run elsewhere */
	uint8_t reserved[6];	/* 0 */
	const char *label;	/* hcp_set__set_label(); NULL: what the set has */
};

/*
 * Attach to the VM behind vm_fd, a descriptor of the caller (pidfd_getfd() gets
 * one of another process).
 *
 * Before the first KVM_RUN the set is complete, as the policy sees every request that
 * is made in this VM.  KVM proves that much (KVM_HCPOLICY_BEFORE_RUN) and no more: not
 * that the guest begins here.  One that arrives later, by migration or from a snapshot,
 * has shared pages elsewhere: say incoming, and the set is HCP_AWAITS_RESTORE.  Nor does
 * anybody see a reset: hcp_set__reset().  A VM whose vCPUs ran before is attached too,
 * and its set is HCP_LATE.  -EBUSY: it has a policy; -EBADF: vm_fd is not
 * open (or 0); -EINVAL: not a KVM VM; -EIO: the VM is dead; -EPERM: another
 * process' VM without CAP_SYS_ADMIN; -ESRCH: no such process, or /proc does not tell of it.
 * After an error it is loaded, with an empty set, and can be attached elsewhere.
 */
int hcpolicy__attach(struct hcpolicy *policy, int vm_fd, const struct hcpolicy_attach_opts *opts);

/*
 * Put next, opened and not loaded, in the place of policy, which is attached:
 * next is loaded over the same set, every request is seen by one of the two,
 * and next owns the link afterwards.  policy can only be closed then (its set is the same
 * memory as next's, and hcpolicy__attached(policy) is false).  After an error policy is as it was
 * and next is opened, as before.  -ENOLINK: policy is not attached any more;
 * -EINVAL: take_exits, and the attachment did not have them.
 */
int hcpolicy__replace(struct hcpolicy *policy, struct hcpolicy *next, bool take_exits);

/*
 * When it returns, no call of the policy is in progress.  Removes its pins too.  Once more is
 * no error.  -ENOENT: it has no link.  After an error of its pins it is detached all the same.
 */
int hcpolicy__detach(struct hcpolicy *policy);

/*
 * Pin link and maps in <bpffs>/hcpolicy/NAME/ (NAME as attached), whole or not at all.  A name
 * whose policy is not attached any more is taken over.  -EEXIST: an attached policy has it;
 * -ENOENT, -ENOLINK: not attached, not attached any more; -EPERM: the folder is somebody else's;
 * -ETIMEDOUT: another process holds its lock.  A process that is killed meanwhile has pinned
 * nothing: whoever works there next detaches the policy.
 */
int hcpolicy__pin(struct hcpolicy *policy);

/* Remove the pins; the policy stays as long as this object.  -ENOENT: it has none. */
int hcpolicy__unpin(struct hcpolicy *policy);

/*
 * Of several processes that save, restore or reset the set of a pinned policy, one at a time:
 * held until close, and with the process.  -ETIMEDOUT: another one has held it for 10 s;
 * -ENOENT: it is not pinned.
 */
int hcpolicy__lock(struct hcpolicy *policy);

/*
 * Is the link alive, and does it keep this set?  False after a detach, after the VM's end, and
 * if somebody has put another program in its place that this library was not told of.
 */
bool hcpolicy__attached(const struct hcpolicy *policy);

/* Owned by policy, there after load (ENOENT); the words are the kernel's, by mmap. */
struct hcp_set *hcpolicy__set(const struct hcpolicy *policy);
const struct hcp_info *hcpolicy__info(const struct hcpolicy *policy);

/* Owned by policy; -ENOENT if it has none.  The link's fd polls EPOLLHUP at the end. */
int hcpolicy__link_fd(const struct hcpolicy *policy);
int hcpolicy__map_fd(const struct hcpolicy *policy, const char *map);

/*
 * What bpftool knows it by: BPF's id of "link", "program" (which needs CAP_SYS_ADMIN), or of a map.
 * 0: it has none, or may not look.
 */
uint32_t hcpolicy__id(struct hcpolicy *policy, const char *what);

/* The n-th of all its maps, from 0: its name in the program, or that of its pin.  NULL: no more. */
const char *hcpolicy__map_name(const struct hcpolicy *policy, unsigned int n);

/*
 * Does this kernel have the hook?  0, or -EOPNOTSUPP: kvm is loaded without it,
 * -ENOENT: kvm is not loaded, -EPERM: may not look.
 */
int hcpolicy__probe(void);

#ifdef __cplusplus
}
#endif
#endif /* HCPOLICY_POLICY_H */
