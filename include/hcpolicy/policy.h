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
 * a pointer return NULL and set errno.  The reason in words goes to the log
 * function of the open call; the library never prints.  Objects are not
 * thread-safe (the set is).
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
	void *log_ctx;
};

/*
 * A policy to load: a name without a slash is looked up as NAME.bpf.o in
 * each directory of $HCPOLICY_PATH and then in <libdir>/bpf/hcpolicy; anything
 * with a slash is a path.  -ENOENT says where it looked; -EINVAL: not a policy.
 */
struct hcpolicy *hcpolicy__open(const char *policy, const struct hcpolicy_opts *opts);

/*
 * An attached policy by the name under which it is pinned, in
 * <bpffs>/hcpolicy/NAME/.  -ENOENT: no such name.
 */
struct hcpolicy *hcpolicy__open_pinned(const char *name, const struct hcpolicy_opts *opts);

/*
 * An attached policy from descriptors that a broker handed over: the maps and
 * the link (-1 if none).  They are duplicated; the caller keeps its own.
 */
struct hcpolicy *hcpolicy__open_fds(int shared_fd, int info_fd, int link_fd,
				    const struct hcpolicy_opts *opts);

/* Drops this object's descriptors.  A pinned policy stays attached. */
void hcpolicy__close(struct hcpolicy *policy);

/*
 * Before load: the highest guest address in bytes (RAM, holes and hotplug
 * included), default HCPOLICY_DEFAULT_MAX_GPA.  32 KiB of kernel memory a GiB.
 */
#define HCPOLICY_DEFAULT_MAX_GPA	(64ULL << 30)
int hcpolicy__set_max_gpa(struct hcpolicy *policy, uint64_t bytes);

/*
 * Before load: a parameter, a `const volatile` integer or bool in the policy.
 * -ENOENT: it has none of that name; -ERANGE: the value does not fit.
 */
int hcpolicy__set_param(struct hcpolicy *policy, const char *key, const char *value);

/* -EOPNOTSUPP: a kernel without the hook; -EPERM; -EACCES: the verifier said no. */
int hcpolicy__load(struct hcpolicy *policy);

struct hcpolicy_attach_opts {
	size_t sz;		/* sizeof(struct hcpolicy_attach_opts) */
	const char *name;	/* [A-Za-z0-9_-]+, at most 63; NULL: the pid in decimal */
	const char *label;	/* hcp_set__set_label(); NULL: none */
	int pid;		/* whose VM it is, for hcp_info; 0: the caller */
	int pid_vm_fd;		/* its descriptor there; used if pid is not 0 */
	bool take_exits;	/* KVM_HCPOLICY_TAKE_EXITS */
	bool incoming;		/* a guest will arrive here that has run elsewhere */
	uint8_t reserved[6];	/* 0 */
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
 * process' VM without CAP_SYS_ADMIN.
 */
int hcpolicy__attach(struct hcpolicy *policy, int vm_fd, const struct hcpolicy_attach_opts *opts);

/*
 * Put next, opened and not loaded, in the place of policy, which is attached:
 * next is loaded over the same set, every request is seen by one of the two,
 * and next owns the link afterwards.  policy can only be closed then.  On an
 * error policy stays as it was.  -ENOLINK: policy is not attached any more;
 * -EINVAL: take_exits, and the attachment did not have them.
 */
int hcpolicy__replace(struct hcpolicy *policy, struct hcpolicy *next, bool take_exits);

/* When it returns, no call of the policy is in progress.  Removes its pins too. */
int hcpolicy__detach(struct hcpolicy *policy);

/* Pin link and maps in <bpffs>/hcpolicy/NAME/ (NAME as attached); -EEXIST. */
int hcpolicy__pin(struct hcpolicy *policy);
int hcpolicy__unpin(struct hcpolicy *policy);

/* Is the link alive?  False after a detach and after the VM's end. */
bool hcpolicy__attached(const struct hcpolicy *policy);

/* Owned by policy, there after load; the words are the kernel's, by mmap. */
struct hcp_set *hcpolicy__set(const struct hcpolicy *policy);
const struct hcp_info *hcpolicy__info(const struct hcpolicy *policy);

/* Owned by policy; -ENOENT if it has none.  The link's fd polls EPOLLHUP at the end. */
int hcpolicy__link_fd(const struct hcpolicy *policy);
int hcpolicy__map_fd(const struct hcpolicy *policy, const char *map);

/*
 * Does this kernel have the hook?  0, or -EOPNOTSUPP: kvm is loaded without it,
 * -ENOENT: kvm is not loaded, -EPERM: may not look.
 */
int hcpolicy__probe(void);

#ifdef __cplusplus
}
#endif
#endif /* HCPOLICY_POLICY_H */
