/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Policies: BPF programs that keep the shared-page set of one VM inside KVM.
 *
 *	open -> (set_max_gpa, set_param) -> load -> attach -> pin ... -> close
 *
 * One object serves one VM.  An attached policy lives as long as its BPF link.  The object's
 * descriptor and the pin each keep the link alive.  The end of the VM detaches the policy
 * in any case, and the link then polls EPOLLHUP.
 *
 * Errors: functions return a negative errno and set errno.  Functions that return a pointer
 * return NULL and set errno.  If an object or a string is NULL, that is -EINVAL;
 * hcpolicy__attached(NULL) and __complete(NULL) are false and set EINVAL, and hcpolicy__close(NULL)
 * does nothing.  The log function of the open call gets the reason in words.  The library never
 * prints.
 *
 * After an error an object is as it was before the call, unless the function says otherwise.
 * So the caller can try again, or do something else.
 *
 * Threads: make one call at a time for an object; a replace counts for both its objects.
 * Exceptions, until hcpolicy__close(): any thread may call hcpolicy__attached() at any time,
 * and __complete(), __set(), __info(), __link_fd() and __map_fd() once load or replace has
 * returned.  Calls for different objects are independent.  The set has rules of its own:
 * hcpolicy/set.h.
 *
 * Options: a struct begins with its size, as in the header that the caller was built with.  If
 * it is shorter than the library's, the missing options are 0.  If it is longer and sets an
 * option that the library does not know, that is -E2BIG.
 *
 * Privileges: on 6.12 load and attach need CAP_SYS_ADMIN.  To use the set, poll the link or
 * detach needs none: docs/security.md.
 */
#ifndef HCPOLICY_POLICY_H
#define HCPOLICY_POLICY_H

#include <hcpolicy/set.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hcpolicy;

/* One line without newline: the object, what went wrong, and the remedy. */
typedef void (*hcpolicy_log_fn)(void *ctx, const char *line);

struct hcpolicy_opts {
	size_t sz;		/* sizeof(struct hcpolicy_opts) */
	hcpolicy_log_fn log;	/* NULL: silence */
	void *log_ctx;		/* for log and warn */
	hcpolicy_log_fn warn;	/* what the library found and repaired; NULL: log */
	const char *bpffs;	/* NULL: $HCPOLICY_BPFFS, or HCPOLICY_DEFAULT_BPFFS */
};

#define HCPOLICY_DEFAULT_BPFFS	"/sys/fs/bpf"

/*
 * Open a policy that can be loaded.  A name without a slash is looked up as NAME.bpf.o in
 * each directory of $HCPOLICY_PATH and then in <libdir>/bpf/hcpolicy.  Anything with a slash
 * is a path.  -ENOENT: not found, and the log says where it looked; -EINVAL: not a policy, or
 * compiled with another version of hcpolicy.bpf.h.
 */
struct hcpolicy *hcpolicy__open(const char *policy, const struct hcpolicy_opts *opts);

/*
 * Open a policy by its pinned name, in <bpffs>/hcpolicy/NAME/.  It may be attached no longer:
 * hcpolicy__attached().  -EPERM: the folder belongs neither to root nor to the caller; -ENOENT:
 * no such name; -ENODATA: all its pins are missing; -EINVAL: the pins do not belong together, or
 * have another name.
 *
 * If a pin of an attached policy is missing, the library finds it by BPF's ids and puts it
 * back, which needs CAP_SYS_ADMIN.  If it cannot, the pin stays missing: hcpolicy__link_fd() is
 * -ENOENT, or __info() or __set() is NULL, and hcpolicy__clear() removes the rest.  If another
 * program took the policy's place and keeps another set, or none, the set is HCP_DETACHED.
 */
struct hcpolicy *hcpolicy__open_pinned(const char *name, const struct hcpolicy_opts *opts);

/*
 * Call fn with each pinned name.  They come in sorted order, also those whose policy is no longer
 * attached, until fn returns something other than 0.  Returns what fn returned last.  First removes
 * what killed processes left half pinned or unpinned, as every function does that changes a name.
 */
int hcpolicy__each_pinned(int (*fn)(const char *name, void *ctx), void *ctx,
			  const struct hcpolicy_opts *opts);

/*
 * Make a name free: remove what is left of a policy that is no longer attached.  -ENOENT: the
 * name was free; -EEXIST: an attached policy has it.
 */
int hcpolicy__clear(const char *name, const struct hcpolicy_opts *opts);

/*
 * Find attached policies by the ids of their BPF links, pinned or not.  Both need CAP_SYS_ADMIN.
 * each_attached calls fn with each id, as above.  open_id: -ENOENT: no such link; -ENOLINK: it is
 * no longer attached; -EINVAL: it is not a policy's.  hcpolicy__info() and __set() are NULL if the
 * policy keeps no set that this version can read.
 */
int hcpolicy__each_attached(int (*fn)(uint32_t link_id, void *ctx), void *ctx,
			    const struct hcpolicy_opts *opts);
struct hcpolicy *hcpolicy__open_id(uint32_t link_id, const struct hcpolicy_opts *opts);

/*
 * Mark each set that the program of another link keeps too.  It has requests of two VMs, and
 * becomes HCP_FOREIGN.  A process that may attach can make such a link with bpf(2), and the kernel
 * does not prevent it.  Walks over all links once.  Needs CAP_SYS_ADMIN.
 */
int hcpolicy__mark_foreign(const struct hcpolicy_opts *opts);

/*
 * Open an attached policy by descriptors that a broker handed over: the maps, and the link
 * (-1: none).  They are duplicated; the caller keeps its own.  -EINVAL: they are something else,
 * or do not belong together; -EPERM: the policy was replaced, or hcpolicy 0.1 attached it; hcp_info
 * does not say what keeps the set now, and to find out needs CAP_SYS_ADMIN.
 */
struct hcpolicy *hcpolicy__open_fds(int shared_fd, int info_fd, int link_fd,
				    const struct hcpolicy_opts *opts);

/*
 * Hand an opened policy one more of its maps.  map is its name in the program, by which
 * hcpolicy__map_fd() finds it.  The rules are those of hcpolicy__open_fds().  -EEXIST: it has one
 * of that name.
 */
int hcpolicy__add_map_fd(struct hcpolicy *policy, const char *map, int fd);

struct hcpolicy_request_opts {
	size_t sz;		/* sizeof(struct hcpolicy_request_opts) */
	const char *socket;	/* NULL: HCP_BROKER_SOCKET of hcpolicy/broker.h */
	uint64_t max_gpa;	/* hcpolicy__set_max_gpa(); 0: the default */
	const char *name;	/* as in struct hcpolicy_attach_opts; so are the next three */
	bool take_exits;
	bool incoming;
	uint8_t reserved[6];	/* 0 */
	const char *label;
	const char *const *params;	/* each KEY=VALUE, then NULL; NULL: none */
};

/*
 * Ask the broker (hcpolicyd) for a policy that is attached to the VM behind vm_fd and pinned.  The VM
 * must be one that this process made.  For a VMM without privileges: neither this call nor the use of
 * the set, of its events, and of hcpolicy__attached() and __complete() needs bpf(2).  All need /proc.
 * To detach does need it.  The end of the VM detaches the policy in any case, and then the broker
 * removes its pins.
 *
 * Beside the errors of connect(2), and those of open, load, attach and pin, which the broker hands
 * on in words: -EPERM: its rules do not allow this; -EACCES: its rules are wrong, so it refuses
 * everybody; -EAGAIN: it was busy with other requests of this user whenever it was asked, for two
 * minutes; -ETIMEDOUT: it has not answered for so long; -EPROTO: it is of another version.
 */
struct hcpolicy *hcpolicy__request(const char *policy, int vm_fd, const struct hcpolicy_request_opts *request,
				   const struct hcpolicy_opts *opts);

/* Close this object's descriptors.  A pinned policy stays attached. */
void hcpolicy__close(struct hcpolicy *policy);

/*
 * Set the highest guest address, before load.  It is in bytes, and includes RAM, holes and hotplug.
 * Default HCPOLICY_DEFAULT_MAX_GPA.  A GiB takes 32 KiB of kernel memory.  -EBUSY: the policy is
 * loaded; -EINVAL: 0, or more than 4 PiB.
 */
#define HCPOLICY_DEFAULT_MAX_GPA	(64ULL << 30)
int hcpolicy__set_max_gpa(struct hcpolicy *policy, uint64_t bytes);

/*
 * A parameter of the policy: a `const volatile` integer or bool, which is fixed once it is loaded,
 * or one that may change while it is attached (HCP_PARAM() and HCP_SETTING() in hcpolicy.bpf.h).
 * Of a policy that was opened from a file or from a pin.  The latter needs CAP_SYS_ADMIN, because the
 * types are read from the kernel.  The strings stay valid until the policy is closed.
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
	uint32_t offset;	/* of the value in its map: .rodata, .data.settings or .data.counters */
};

/*
 * Describe the n-th parameter, from 0.  False: there are no more, and errno is 0; or they may not be
 * read, and it is EPERM.
 */
bool hcpolicy__param(struct hcpolicy *policy, unsigned int n, struct hcpolicy_param *param);

/* What an opened policy says of itself.  It is one line; "": nothing. */
const char *hcpolicy__about(const struct hcpolicy *policy);

/*
 * Set a parameter.  A tunable one changes at once, for every vCPU.  -ENOENT: the policy has no
 * parameter of that name; -EPERM: its parameters may not be read (CAP_SYS_ADMIN); -EBUSY: the policy
 * is loaded, and the parameter is fixed; -ERANGE: the value is out of range; -EINVAL: it is not a
 * number.
 */
int hcpolicy__set_param(struct hcpolicy *policy, const char *key, const char *value);

/*
 * Load the policy into the kernel.  -EBUSY: it is loaded already, and stays loaded;
 * -EOPNOTSUPP: the kernel has no hook; -EPERM; -EACCES: the verifier rejects it; -EINVAL: the
 * kernel lacks what it needs, such as a kfunc; -ENOMEM: no memory for a set of that size.  After any
 * error but -EBUSY it is open and not loaded, as before.
 */
int hcpolicy__load(struct hcpolicy *policy);

struct hcpolicy_attach_opts {
	size_t sz;		/* sizeof(struct hcpolicy_attach_opts) */
	const char *name;	/* [A-Za-z0-9_][A-Za-z0-9_-]*, at most 63; NULL: the pid in decimal */
	int pid;		/* the VM's process, for hcp_info; 0: the caller */
	int pid_vm_fd;		/* the VM's descriptor in pid; used if pid is not 0 */
	bool take_exits;	/* KVM_HCPOLICY_TAKE_EXITS */
	bool incoming;		/* a guest that has run elsewhere will arrive */
	uint8_t reserved[6];	/* 0 */
	const char *label;	/* hcp_set__set_label(); NULL: keep the set's label */
};

/*
 * Attach to the VM behind vm_fd.  That is a descriptor of the caller; pidfd_getfd() gets one
 * of another process.
 *
 * If no vCPU has entered KVM_RUN, the policy sees every request that is made in this VM, and
 * the set is complete.  KVM proves this (KVM_HCPOLICY_BEFORE_RUN).  If a vCPU has run, the
 * policy is attached too, and the set is HCP_LATE.  KVM does not see two events:
 *
 * - A guest arrives later that has shared pages elsewhere, by migration or from a snapshot.
 *   Set incoming, and the set is HCP_AWAITS_RESTORE.
 * - The VM is reset: call hcp_set__reset().
 *
 * -EBUSY: the VM has a policy; -EBADF: vm_fd is not open, or is 0; -EINVAL: not a KVM VM;
 * -EIO: the VM is dead; -EPERM: the VM belongs to another process, and no CAP_SYS_ADMIN;
 * -EOPNOTSUPP: KVM does not see what the VM asks (arm64: it is protected);
 * -ESRCH: no such process, or /proc does not show it.  After an error the policy is loaded,
 * has an empty set, and can be attached elsewhere.
 */
int hcpolicy__attach(struct hcpolicy *policy, int vm_fd, const struct hcpolicy_attach_opts *opts);

/*
 * Put next in the place of policy.  policy is attached; next is open and not loaded.  next is
 * loaded over the same set, and each request is seen by exactly one of the two.  Afterwards next
 * owns the link, and policy can only be closed: hcpolicy__attached(policy) is false, and its set is
 * the same memory as next's.  After an error both are as before.  -ENOLINK: policy is no longer
 * attached; -EINVAL: take_exits is set, and the attachment did not have it.
 *
 * If hcpolicy 0.1 attached policy (hcpolicy__info()->version is 1), next gets an hcp_info of this
 * version.  Whoever still reads the old one is told that its policy is detached.
 */
int hcpolicy__replace(struct hcpolicy *policy, struct hcpolicy *next, bool take_exits);

/*
 * Detach the policy and remove its pins.  When this returns, no call of the policy is in
 * progress.  To detach again is no error.  -ENOENT: it has no link.  If the pins cannot be removed,
 * that is an error, but the policy is detached.
 */
int hcpolicy__detach(struct hcpolicy *policy);

/*
 * Pin link and maps in <bpffs>/hcpolicy/NAME/, all or nothing.  NAME is that of the attach call.
 * If a policy that is no longer attached has the name, it is taken over.  -EEXIST: an attached
 * policy has the name; -ENOENT: not attached; -ENOLINK: no longer attached; -EPERM: the folder is
 * somebody else's; -ETIMEDOUT: another process holds its lock.  A process that is killed during
 * this call has pinned nothing.  The next one that works in the folder detaches its policy.
 */
int hcpolicy__pin(struct hcpolicy *policy);

/* Remove the pins.  The policy stays attached until close.  -ENOENT: it has no pins. */
int hcpolicy__unpin(struct hcpolicy *policy);

/*
 * Take the lock of a pinned policy's set.  By it only one process at a time saves, restores or
 * resets the set.  It is held until close, or until the process ends.  -ETIMEDOUT: another process
 * has held it for 10 s; -ENOENT: the policy is not pinned.
 */
int hcpolicy__lock(struct hcpolicy *policy);

/*
 * Is the link alive, and does its program keep this set?  False after a detach, after the VM's
 * end, and if somebody has put a foreign program into the link without this library.
 */
bool hcpolicy__attached(const struct hcpolicy *policy);

/*
 * Is the set complete, and the policy still attached?  That is hcp_set__complete() and
 * hcpolicy__attached() in one, because the set does not know that a link has ended.  False sets
 * errno to ENOENT if the policy keeps no set; hcp_set__why() has the other reasons.
 */
bool hcpolicy__complete(const struct hcpolicy *policy);

/*
 * The set, and whose it is.  Owned by policy; ENOENT before load.  The words are the kernel's
 * memory, by mmap.
 */
struct hcp_set *hcpolicy__set(const struct hcpolicy *policy);
const struct hcp_info *hcpolicy__info(const struct hcpolicy *policy);

/*
 * The descriptors of the link and of a map.  Owned by policy; -ENOENT: it has none.  The link's
 * polls EPOLLHUP when the link ends.
 */
int hcpolicy__link_fd(const struct hcpolicy *policy);
int hcpolicy__map_fd(const struct hcpolicy *policy, const char *map);

/*
 * BPF's id of the link, the program or a map, as bpftool knows it.  what is "link", "program"
 * (which needs CAP_SYS_ADMIN), or the name of a map.  0: it has none, or may not look.
 */
uint32_t hcpolicy__id(struct hcpolicy *policy, const char *what);

/* What the kernel says of the program of a loaded policy.  -ENOENT: it is not loaded. */
struct hcpolicy_program {
	size_t sz;		/* sizeof(struct hcpolicy_program) */
	uint32_t id;		/* BPF's */
	uint32_t verified;	/* instructions that the verifier looked at, on all ways */
	uint32_t instructions;	/* of the program, as the kernel has rewritten it */
	uint32_t native_bytes;	/* 0: it is interpreted */
};
int hcpolicy__program(const struct hcpolicy *policy, struct hcpolicy_program *program);

/*
 * The name of the n-th of all its maps, from 0.  It is that in the program, or of its pin.  NULL:
 * no more.
 */
const char *hcpolicy__map_name(const struct hcpolicy *policy, unsigned int n);

/*
 * Does this kernel have the hook?  0: yes; -EOPNOTSUPP: kvm is loaded without it; -ENOENT: kvm
 * is not loaded; -EPERM: the caller may not look.
 */
int hcpolicy__probe(void);

#ifdef __cplusplus
}
#endif
#endif /* HCPOLICY_POLICY_H */
