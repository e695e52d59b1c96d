// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM hypercall policies: a BPF program decides what happens when a guest asks
 * to share or hide memory.
 *
 * A confidential guest tells the host which pages it shares.  A policy is a
 * struct_ops program that is attached to one VM and called on each such
 * request.  It keeps the book in a BPF map of its own and answers with a
 * verdict (enum kvm_hcpolicy_verdict): do what KVM does without a policy,
 * handled, run the request again, or a negative errno.
 *
 * To userspace a policy is a BPF link, so there is no new uAPI:
 *
 *   - a struct_ops map of type kvm_hcpolicy_ops, created with BPF_F_LINK, whose
 *     value holds a VM's file descriptor in vm_fd;
 *   - BPF_LINK_CREATE attaches it to that VM, BPF_LINK_UPDATE replaces it by
 *     another map's (vm_fd -1), BPF_LINK_DETACH or the last close ends it;
 *   - the end of the VM detaches the link, whose holders get EPOLLHUP.
 *
 * Whatever the program answers, KVM keeps to this: it exits to userspace only
 * if userspace enabled the exit, reports success in place of an enabled exit
 * only if the policy was attached with KVM_HCPOLICY_TAKE_EXITS, and never
 * reports a conversion of private memory that only userspace can do.  A policy
 * may refuse a request, or keep it waiting, whoever else wants to see it.
 *
 * Locking and lifetime
 *
 * hcpolicy_lock guards kvm->hcpolicy, hcpolicy_list, policy->ops and ->flags
 * against other writers.  It is a leaf: nothing that sleeps or takes a mutex happens
 * under it, as kvm_destroy_vm() may come here under its callers' locks, and BPF calls
 * reg and update, and unreg at a detach, under a mutex of its own.
 *
 * A vCPU reads kvm->hcpolicy and policy->ops, and calls the program, in one RCU
 * read-side section (hcpolicy_call_begin()).  Whoever takes a policy away waits for
 * a grace period: when detach, replace or the last close of a link returns, no request
 * is in the old program any more.  (A timer that this has armed is BPF's affair.)  RCU and
 * not kvm->srcu: a vCPU may hold that across a page fault which userspace never answers,
 * and the waiter holds BPF's mutex.
 *
 * vcpu->hcpolicy_ctx is what the program is asked, and hcpolicy_args how it finds
 * that.  Only the thread that runs the vCPU touches them, which holds vcpu->mutex.
 * The program can only read them.
 *
 * ops points into a struct_ops map that the link keeps, and ops->prog to a program
 * that the map keeps; neither changes once the map can be attached.  The link is not
 * referenced: it outlives the struct kvm_hcpolicy on hcpolicy_list, because
 * freeing it means unreg(), which takes the lock and unlinks.  Neither is the
 * VM: a pinned link must not keep a dead VMM's memory.  kvm_destroy_vm()
 * unlinks first of all, hence policy->kvm is valid while policy is on the list.
 *
 * The debugfs file of a VM holds neither: its show() finds link and ops by
 * kvm->hcpolicy under hcpolicy_lock, and kvm_destroy_vm_debugfs() waits for it
 * before the VM goes.  So nobody removes such a file under hcpolicy_lock.
 */

#include <linux/bpf.h>
#include <linux/bpf_verifier.h>
#include <linux/btf.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/filter.h>
#include <linux/kvm_hcpolicy.h>
#include <linux/kvm_para.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#define CREATE_TRACE_POINTS
#include <trace/events/kvm_hcpolicy.h>

/* So many KVM_HCPOLICY_RETRY in a row, then each one sleeps a tick. */
#define HCPOLICY_RETRY_SPIN	16

/* A request this large (1 TiB) gives way to signals, and starts over: a RETRY. */
#define HCPOLICY_SIGNAL_PAGES	BIT_ULL(28)

/* A gfn counts pages of the host, a request pages of 4 KiB: 0 where those are the same. */
#define HCPOLICY_GFN_SHIFT	(PAGE_SHIFT - KVM_HCPOLICY_PAGE_SHIFT)

/**
 * struct kvm_hcpolicy_ops - what userspace attaches to a VM
 * @vm_fd: the VM, a descriptor of the attaching process; -1 in a replacement.
 *	First, so that any loader can set it by its offset.
 * @flags: enum kvm_hcpolicy_flags
 * @map_gpa_range: called for each request, or for each piece of at most
 *	KVM_HCPOLICY_MAX_PAGES pages of it, in order.  Returns enum
 *	kvm_hcpolicy_verdict or a negative errno.  Must be there; may not sleep.
 * @name: for people, in tracepoints; NUL-terminated
 * @prog: KVM's own, NULL to userspace: the program of @map_gpa_range
 *
 * Stays in this file: two translation units that know it would give the module
 * two BTF types of that name.
 */
struct kvm_hcpolicy_ops {
	s32 vm_fd;
	u32 flags;
	int (*map_gpa_range)(struct kvm_hcpolicy_ctx *ctx);
	char name[KVM_HCPOLICY_NAME_LEN];
	struct bpf_prog *prog;
};

/* One policy on one VM, from attach until detach or the end of the VM. */
struct kvm_hcpolicy {
	struct kvm *kvm;
	u32 flags;			/* its rights, once attached; replacements have no more */
	const struct kvm_hcpolicy_ops __rcu *ops;
	struct bpf_link *link;
	struct list_head node;		/* in hcpolicy_list */
	struct work_struct detach;	/* once the VM has died */
};

static struct bpf_struct_ops bpf_kvm_hcpolicy_ops;
static DEFINE_MUTEX(hcpolicy_lock);
static LIST_HEAD(hcpolicy_list);
static struct workqueue_struct *hcpolicy_wq;

/* The guest sees errnos that the hypercall ABI has; the others mean "no". */
static int hcpolicy_kvm_errno(int err)
{
	switch (err) {
	case -EFAULT:
		return -KVM_EFAULT;
	case -E2BIG:
		return -KVM_E2BIG;
	case -EPERM:
		return -KVM_EPERM;
	case -EOPNOTSUPP:
		return -KVM_EOPNOTSUPP;
	case -ENOSYS:
		return -KVM_ENOSYS;
	default:
		return -KVM_EINVAL;
	}
}

/* A program's answer is not to be trusted: make a verdict of it that stands. */
static int hcpolicy_verdict(struct kvm_vcpu *vcpu, u16 flags, int answer)
{
	if (answer < 0 && answer >= -MAX_ERRNO)
		return hcpolicy_kvm_errno(answer);

	switch (answer) {
	case KVM_HCPOLICY_DEFAULT:
		return answer;
	case KVM_HCPOLICY_HANDLED:
		if (flags & KVM_HCPOLICY_MAY_HANDLE)
			return answer;
		break;
	case KVM_HCPOLICY_RETRY:
		if (!(flags & KVM_HCPOLICY_NO_RETRY))
			return answer;
		break;
	default:
		vcpu->stat.hcpolicy_bad_verdict++;
		return KVM_HCPOLICY_DEFAULT;
	}

	vcpu->stat.hcpolicy_overruled++;
	return KVM_HCPOLICY_DEFAULT;
}

static bool hcpolicy_may_handle(const struct kvm_hcpolicy *policy,
				const struct kvm_hcpolicy_ops *ops, u16 flags)
{
	/* So it is for most VMs. */
	if (likely(!(flags & (KVM_HCPOLICY_EXIT_ENABLED | KVM_HCPOLICY_PRIVATE_MEM))))
		return true;

	if ((flags & KVM_HCPOLICY_EXIT_ENABLED) &&
	    !(ops->flags & READ_ONCE(policy->flags) & KVM_HCPOLICY_TAKE_EXITS))
		return false;

	return !(flags & KVM_HCPOLICY_PRIVATE_MEM) ||
	       (flags & KVM_HCPOLICY_MATCH);
}

/* Of an answer that somebody watches, or that hcpolicy_call() has no shorter way for. */
static noinline int hcpolicy_judge(struct kvm_vcpu *vcpu, int answer)
{
	const struct kvm_hcpolicy_ctx *ctx = &vcpu->hcpolicy_ctx;
	int verdict = hcpolicy_verdict(vcpu, ctx->flags, answer);

	trace_kvm_hcpolicy_verdict(ctx, answer, verdict);
	return verdict;
}

/* What the flags say of a piece if only userspace can convert the VM's private memory. */
static noinline u16 hcpolicy_private_flags(struct kvm_vcpu *vcpu)
{
#ifdef CONFIG_KVM_GENERIC_MEMORY_ATTRIBUTES
	const struct kvm_hcpolicy_ctx *ctx = &vcpu->hcpolicy_ctx;
	u64 first = ctx->gpa >> KVM_HCPOLICY_PAGE_SHIFT;
	u64 end = ALIGN(first + ctx->npages, BIT_ULL(HCPOLICY_GFN_SHIFT));
	u64 attrs = ctx->shared ? 0 : KVM_MEMORY_ATTRIBUTE_PRIVATE;

	/* Of each of the host's pages that the piece has a part of. */
	if (kvm_range_has_memory_attributes(vcpu->kvm, first >> HCPOLICY_GFN_SHIFT,
					    end >> HCPOLICY_GFN_SHIFT,
					    KVM_MEMORY_ATTRIBUTE_PRIVATE, attrs))
		return KVM_HCPOLICY_PRIVATE_MEM | KVM_HCPOLICY_MATCH;
#endif
	return KVM_HCPOLICY_PRIVATE_MEM;
}

/*
 * The read-side section of RCU in which a program is called, and does not migrate.
 * With preemption off it costs least; the price is that a program which takes long
 * delays others on its CPU.  Not on PREEMPT_RT: there a program may get at locks that
 * sleep (those of BPF's timers), and would delay whoever is more urgent.
 *
 * BPF's maps want to see rcu_read_lock() and do not take preemption off for it: so
 * lockdep is told.  Without lockdep that is nothing.
 */
static __always_inline void hcpolicy_call_begin(void)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		rcu_read_lock_dont_migrate();
	} else {
		preempt_disable();
		rcu_lock_acquire(&rcu_lock_map);
	}
}

static __always_inline void hcpolicy_call_end(void)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		rcu_read_unlock_migrate();
	} else {
		rcu_lock_release(&rcu_lock_map);
		preempt_enable();
	}
}

/* With the clock that somebody has asked for, by kernel.bpf_stats_enabled. */
static noinline u32 hcpolicy_run_counted(const struct bpf_prog *prog, const void *args)
{
	return bpf_prog_run(prog, args);
}

/*
 * Straight to the program.  The trampoline of ops->map_gpa_range would enter one more
 * read-side section, keep it on its CPU once more, and put ctx into an array that is here
 * already.
 *
 * It would also set current->bpf_ctx.  What looks for that (bpf_get_attach_cookie(),
 * bpf_get_func_ip(), bpf_get_retval(), bpf_get_local_storage(); the kfuncs
 * bpf_session_is_return() and bpf_session_cookie()), or for what a trampoline puts next to
 * the arguments (bpf_get_func_arg()), is not for programs of this type: the verifier
 * refuses them.  So it does the setsockopt() of BPF, which takes a bpf_ctx for a sign
 * that its caller holds the socket's lock.
 *
 * kCFI: whoever calls bpf_prog_run() calls a bpf_func_t, and the JIT puts the hash of that
 * type before each program, whatever the program's own type.  So this call is of the
 * right type, too.
 *
 * It is bpf_prog_run(), but for the clock: that is out of line, as its inline form makes
 * each call save three more registers.
 */
static __always_inline int hcpolicy_run(const struct kvm_hcpolicy_ops *ops,
					struct kvm_vcpu *vcpu)
{
	const struct bpf_prog *prog = ops->prog;

	vcpu->hcpolicy_args[0] = (unsigned long)&vcpu->hcpolicy_ctx;
	if (static_branch_unlikely(&bpf_stats_enabled_key))
		return hcpolicy_run_counted(prog, vcpu->hcpolicy_args);

	cant_migrate();
	return bpf_dispatcher_nop_func(vcpu->hcpolicy_args, prog->insnsi, prog->bpf_func);
}

/*
 * Call the program, if there still is one, with the piece of a request that is in
 * the vCPU's ctx.  Inline in both its callers: the one of most requests is all that
 * they cost.
 */
static __always_inline int hcpolicy_call(struct kvm_vcpu *vcpu)
{
	struct kvm_hcpolicy_ctx *ctx = &vcpu->hcpolicy_ctx;
	const struct kvm_hcpolicy *policy;
	const struct kvm_hcpolicy_ops *ops;
	int answer;

	if (kvm_arch_has_private_mem(vcpu->kvm))
		ctx->flags |= hcpolicy_private_flags(vcpu);

	hcpolicy_call_begin();

	policy = rcu_dereference(vcpu->kvm->hcpolicy);
	if (unlikely(!policy)) {
		hcpolicy_call_end();
		return KVM_HCPOLICY_DEFAULT;
	}

	ops = rcu_dereference(policy->ops);
	if (hcpolicy_may_handle(policy, ops, ctx->flags))
		ctx->flags |= KVM_HCPOLICY_MAY_HANDLE;

	answer = hcpolicy_run(ops, vcpu);

	hcpolicy_call_end();

	/* A constant on the short way, so that no register has to be saved. */
	if (unlikely(answer != KVM_HCPOLICY_HANDLED ||
		     !(ctx->flags & KVM_HCPOLICY_MAY_HANDLE) ||
		     trace_kvm_hcpolicy_verdict_enabled()))
		return hcpolicy_judge(vcpu, answer);

	return KVM_HCPOLICY_HANDLED;
}

/* A guest that asks for much holds up neither a memslot change nor RCU Tasks. */
static void hcpolicy_yield(struct kvm_vcpu *vcpu)
{
	kvm_vcpu_srcu_read_unlock(vcpu);
	cond_resched_tasks_rcu_qs();
	kvm_vcpu_srcu_read_lock(vcpu);
}

/*
 * Hand a large request over piece by piece, so that neither a program nor an RCU
 * section has more than KVM_HCPOLICY_MAX_PAGES pages to see to: Linux asks for
 * its whole RAM at once.
 *
 * The first refusal is the answer to the whole, but the walk goes on: the guest may
 * have converted all of it before it asked, and the program keeps book of that.
 */
static noinline int hcpolicy_walk(struct kvm_vcpu *vcpu)
{
	struct kvm_hcpolicy_ctx *ctx = &vcpu->hcpolicy_ctx;
	const struct kvm_hcpolicy_ctx req = *ctx;
	int r, verdict = KVM_HCPOLICY_HANDLED;
	u64 done;

	for (done = 0; done < req.npages; done += ctx->npages) {
		if (done) {
			hcpolicy_yield(vcpu);
			if (fatal_signal_pending(current))
				return KVM_HCPOLICY_DEFAULT;
			if (done >= HCPOLICY_SIGNAL_PAGES &&
			    !(req.flags & KVM_HCPOLICY_NO_RETRY) &&
			    signal_pending(current))
				return KVM_HCPOLICY_RETRY;
		}

		ctx->gpa = req.gpa + (done << KVM_HCPOLICY_PAGE_SHIFT);
		ctx->npages = min_t(u64, req.npages - done, KVM_HCPOLICY_MAX_PAGES);
		ctx->flags = req.flags;

		r = hcpolicy_call(vcpu);
		if (r == KVM_HCPOLICY_RETRY)
			return r;
		if (verdict >= 0 && r != KVM_HCPOLICY_HANDLED)
			verdict = r;
	}

	return verdict;
}

/*
 * A policy that keeps saying RETRY gets a sleeping vCPU, not a busy one.  A detach does not
 * end the row: the next policy's first RETRY may sleep.
 */
static void hcpolicy_retry(struct kvm_vcpu *vcpu)
{
	if (vcpu->hcpolicy_retries < HCPOLICY_RETRY_SPIN) {
		vcpu->hcpolicy_retries++;
		return;
	}

	kvm_vcpu_srcu_read_unlock(vcpu);
	schedule_timeout_interruptible(1);
	kvm_vcpu_srcu_read_lock(vcpu);
}

/* What becomes of a request that was not handled. */
static noinline int hcpolicy_not_handled(struct kvm_vcpu *vcpu, int verdict)
{
	struct kvm_vcpu_stat *stat = &vcpu->stat;

	if (verdict == KVM_HCPOLICY_RETRY) {
		stat->hcpolicy_retry++;
		hcpolicy_retry(vcpu);
		return verdict;
	}

	vcpu->hcpolicy_retries = 0;
	if (verdict != KVM_HCPOLICY_DEFAULT) {
		stat->hcpolicy_refused++;
		return verdict;
	}

	stat->hcpolicy_default++;
	return vcpu->hcpolicy_ctx.flags & KVM_HCPOLICY_EXIT_ENABLED ?
	       KVM_HCPOLICY_DEFAULT : -KVM_ENOSYS;
}

/**
 * kvm_hcpolicy_map_gpa_range - ask the VM's policy about a guest's request
 * @vcpu: the loaded vCPU that asks, with its SRCU lock held, and in hcpolicy_ctx the
 *	request as a whole, with KVM_HCPOLICY_EXIT_ENABLED and KVM_HCPOLICY_NO_RETRY
 *	in its flags
 *
 * May sleep, and may drop and retake @vcpu's SRCU lock: the caller holds no
 * memslot.
 *
 * Return: KVM_HCPOLICY_DEFAULT (exit; only if userspace enabled it),
 * KVM_HCPOLICY_HANDLED (success), KVM_HCPOLICY_RETRY (never with
 * KVM_HCPOLICY_NO_RETRY: resume the guest without completing the request), or
 * what the guest is to see, a negative KVM_E*; -KVM_ENOSYS if nobody takes it.
 */
int kvm_hcpolicy_map_gpa_range(struct kvm_vcpu *vcpu)
{
	int verdict;

	if (likely(vcpu->hcpolicy_ctx.npages <= KVM_HCPOLICY_MAX_PAGES))
		verdict = hcpolicy_call(vcpu);
	else
		verdict = hcpolicy_walk(vcpu);

	if (unlikely(verdict != KVM_HCPOLICY_HANDLED))
		return hcpolicy_not_handled(vcpu, verdict);

	vcpu->hcpolicy_retries = 0;
	vcpu->stat.hcpolicy_handled++;
	return KVM_HCPOLICY_HANDLED;
}

/**
 * kvm_hcpolicy_bad_request - a request that makes no sense, which no program sees
 * @vcpu: as for kvm_hcpolicy_map_gpa_range(), but of hcpolicy_ctx only the flags
 *
 * Return: KVM_HCPOLICY_DEFAULT or -KVM_ENOSYS, as there.
 */
int kvm_hcpolicy_bad_request(struct kvm_vcpu *vcpu)
{
	vcpu->stat.hcpolicy_bad_request++;
	return hcpolicy_not_handled(vcpu, KVM_HCPOLICY_DEFAULT);
}

static struct kvm_hcpolicy *hcpolicy_find(struct bpf_link *link)
{
	struct kvm_hcpolicy *policy;

	lockdep_assert_held(&hcpolicy_lock);

	list_for_each_entry(policy, &hcpolicy_list, node) {
		if (policy->link == link)
			return policy;
	}
	return NULL;
}

static void hcpolicy_publish(struct kvm_hcpolicy *policy)
{
	lockdep_assert_held(&hcpolicy_lock);

	list_add(&policy->node, &hcpolicy_list);
	rcu_assign_pointer(policy->kvm->hcpolicy, policy);
}

/* Readers may still see it: the caller waits for them, or knows of none. */
static void hcpolicy_unlink(struct kvm_hcpolicy *policy)
{
	lockdep_assert_held(&hcpolicy_lock);

	list_del(&policy->node);
	RCU_INIT_POINTER(policy->kvm->hcpolicy, NULL);
	trace_kvm_hcpolicy_detach(policy->kvm->userspace_pid,
				  rcu_dereference_protected(policy->ops, true)->name);
}

/*
 * The VM has died and its attachment is unlinked: end the link too, so that its
 * holders learn of it.  In a work item of its own because detaching takes BPF's
 * mutex, and kvm_destroy_vm() runs under locks that nest in it.
 */
static void hcpolicy_detach_work(struct work_struct *work)
{
	struct kvm_hcpolicy *policy = container_of(work, struct kvm_hcpolicy, detach);

	policy->link->ops->detach(policy->link);
	bpf_link_put(policy->link);
	kfree(policy);
}

/**
 * kvm_hcpolicy_destroy_vm - take the policy off a dying VM
 * @kvm: a VM without users, so that no vCPU can be in a call of the policy and
 *	nobody can attach another one
 */
void kvm_hcpolicy_destroy_vm(struct kvm *kvm)
{
	struct kvm_hcpolicy *policy;

	guard(mutex)(&hcpolicy_lock);

	policy = rcu_dereference_protected(kvm->hcpolicy,
					   lockdep_is_held(&hcpolicy_lock));
	if (!policy)
		return;

	hcpolicy_unlink(policy);

	/*
	 * A link with no reference left is on its way to unreg(), which waits
	 * for the lock and will not find it.
	 */
	if (IS_ERR(bpf_link_inc_not_zero(policy->link)))
		kfree(policy);
	else
		queue_work(hcpolicy_wq, &policy->detach);
}

/* Which policy the VM has; nothing if it has none. */
static int hcpolicy_show(struct seq_file *m, void *v)
{
	struct kvm *kvm = m->private;
	const struct kvm_hcpolicy_ops *ops;
	const struct kvm_hcpolicy *policy;

	guard(mutex)(&hcpolicy_lock);

	policy = rcu_dereference_protected(kvm->hcpolicy,
					   lockdep_is_held(&hcpolicy_lock));
	if (!policy)
		return 0;

	/* BPF sets the id after reg(), without this lock: it is 0 until then. */
	ops = rcu_dereference_protected(policy->ops,
					lockdep_is_held(&hcpolicy_lock));
	seq_printf(m, "link %u policy %s\n", READ_ONCE(policy->link->id), ops->name);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hcpolicy);

/**
 * kvm_hcpolicy_create_vm_debugfs - add the file that tells a VM's policy
 * @kvm: a new VM that has a folder in debugfs
 *
 * The folder's name does not tell whose it is: the number of a descriptor can be
 * used again while the VM lives.  The id of a link does.
 */
void kvm_hcpolicy_create_vm_debugfs(struct kvm *kvm)
{
	debugfs_create_file("hcpolicy", 0444, kvm->debugfs_dentry, kvm, &hcpolicy_fops);
}

/*
 * The only place that knows how a policy names its VM.  The ioctls of a VM refuse
 * other processes that have its descriptor (see kvm_vm_ioctl()); so does this.
 */
static struct file *hcpolicy_get_vm(const struct kvm_hcpolicy_ops *ops)
{
	struct file *file;
	struct kvm *kvm;
	int r;

	/* 0 is what a loader leaves that did not set it. */
	if (ops->vm_fd <= 0)
		return ERR_PTR(-EBADF);

	file = fget(ops->vm_fd);
	if (!file)
		return ERR_PTR(-EBADF);

	r = -EINVAL;
	if (!file_is_kvm(file))
		goto out;

	kvm = file->private_data;
	r = -EPERM;
	if (kvm->mm != current->mm && !capable(CAP_SYS_ADMIN))
		goto out;

	r = -EIO;
	if (READ_ONCE(kvm->vm_dead))
		goto out;

	r = -EOPNOTSUPP;
	if (!kvm_arch_hcpolicy_allowed(kvm))
		goto out;

	return file;
out:
	fput(file);
	return ERR_PTR(r);
}

/*
 * Has a vCPU perhaps made requests before?  Certain with the policy published.
 * A vCPU is seen once KVM_CREATE_VCPU has returned; a VMM that runs one by a
 * guessed descriptor before that deceives itself.
 */
static bool hcpolicy_too_late(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	/*
	 * Pairs with the barriers of guest entry (arm64: the one that comes with
	 * IN_GUEST_MODE): KVM_RUN sets vcpu->pid before it enters the guest, and
	 * the guest's request reads kvm->hcpolicy after.  Either pid is seen here
	 * or the policy is seen there.
	 */
	smp_mb();

	kvm_for_each_vcpu(i, vcpu, kvm) {
		if (READ_ONCE(vcpu->pid))
			return true;
	}
	return false;
}

static int hcpolicy_attach(struct kvm_hcpolicy *policy,
			   const struct kvm_hcpolicy_ops *ops)
{
	bool before_run = ops->flags & KVM_HCPOLICY_BEFORE_RUN;

	guard(mutex)(&hcpolicy_lock);

	if (rcu_access_pointer(policy->kvm->hcpolicy))
		return -EBUSY;

	/* A guest that runs already is not answered by a policy that cannot stay. */
	if (before_run && hcpolicy_too_late(policy->kvm))
		return -EALREADY;

	hcpolicy_publish(policy);
	trace_kvm_hcpolicy_attach(policy->kvm->userspace_pid, ops->name);

	/*
	 * A vCPU may have run for the first time since, and may have been answered:
	 * its request is in the book of a policy that was never attached.  Hence an
	 * enabled exit is not taken away before it is certain that this one stays.
	 */
	if (before_run && hcpolicy_too_late(policy->kvm)) {
		hcpolicy_unlink(policy);
		return -EALREADY;
	}
	WRITE_ONCE(policy->flags, ops->flags);
	return 0;
}

/* BPF_LINK_CREATE, under BPF's mutex. */
static int hcpolicy_reg(void *kdata, struct bpf_link *link)
{
	struct kvm_hcpolicy_ops *ops = kdata;
	struct kvm_hcpolicy *policy;
	struct file *file;
	int r;

	/* A map without a link would stay for ever and have no owner. */
	if (!link)
		return -EOPNOTSUPP;

	policy = kzalloc_obj(*policy, GFP_KERNEL_ACCOUNT);
	if (!policy)
		return -ENOMEM;

	/* This reference ends with the function; it keeps the VM until then. */
	file = hcpolicy_get_vm(ops);
	if (IS_ERR(file)) {
		kfree(policy);
		return PTR_ERR(file);
	}

	policy->kvm = file->private_data;
	policy->link = link;
	RCU_INIT_POINTER(policy->ops, ops);
	INIT_WORK(&policy->detach, hcpolicy_detach_work);

	r = hcpolicy_attach(policy, ops);
	if (r) {
		/* It may have been visible for a moment. */
		if (r == -EALREADY)
			synchronize_rcu();
		kfree(policy);
	}
	fput(file);
	return r;
}

/* BPF_LINK_DETACH under BPF's mutex, or the end of the link's last reference. */
static void hcpolicy_unreg(void *kdata, struct bpf_link *link)
{
	struct kvm_hcpolicy *policy;

	scoped_guard(mutex, &hcpolicy_lock) {
		policy = hcpolicy_find(link);
		if (policy)
			hcpolicy_unlink(policy);
	}

	/* The VM died first: hcpolicy_detach_work() does the rest. */
	if (!policy)
		return;

	/* kfree() needs it, and so does the promise to whoever detaches. */
	synchronize_rcu();
	kfree(policy);
}

/* BPF_LINK_UPDATE, under BPF's mutex, which keeps old_kdata until we return. */
static int hcpolicy_update(void *kdata, void *old_kdata, struct bpf_link *link)
{
	struct kvm_hcpolicy_ops *ops = kdata;

	scoped_guard(mutex, &hcpolicy_lock) {
		struct kvm_hcpolicy *policy = hcpolicy_find(link);

		if (!policy)
			return -ENOLINK;
		if (kdata == old_kdata)
			return 0;
		/*
		 * It takes over the VM of the old one and may not name another,
		 * and no right that whoever attached did not have.
		 */
		if (ops->vm_fd != -1 || (ops->flags & KVM_HCPOLICY_BEFORE_RUN) ||
		    (ops->flags & ~policy->flags))
			return -EINVAL;

		rcu_assign_pointer(policy->ops, ops);
		trace_kvm_hcpolicy_replace(policy->kvm->userspace_pid, ops->name);
	}

	synchronize_rcu();
	return 0;
}

static int hcpolicy_check_member(const struct btf_type *t,
				 const struct btf_member *member,
				 const struct bpf_prog *prog)
{
	/* It is called in an RCU read-side section. */
	return prog->sleepable ? -EINVAL : 0;
}

/* Returns 1 for a member that is dealt with here: BPF wants the others zero. */
static int hcpolicy_init_member(const struct btf_type *t,
				const struct btf_member *member,
				void *kdata, const void *udata)
{
	const struct kvm_hcpolicy_ops *uops = udata;
	struct kvm_hcpolicy_ops *ops = kdata;

	switch (__btf_member_bit_offset(t, member) / BITS_PER_BYTE) {
	case offsetof(struct kvm_hcpolicy_ops, vm_fd):
		ops->vm_fd = uops->vm_fd;
		return 1;
	case offsetof(struct kvm_hcpolicy_ops, flags):
		if (uops->flags & ~(KVM_HCPOLICY_TAKE_EXITS |
				    KVM_HCPOLICY_BEFORE_RUN))
			return -EINVAL;
		ops->flags = uops->flags;
		return 1;
	case offsetof(struct kvm_hcpolicy_ops, name):
		if (strscpy(ops->name, uops->name, sizeof(ops->name)) < 0)
			return -EINVAL;
		return 1;
	}
	return 0;
}

static int hcpolicy_note_prog(struct bpf_prog *prog, void *data)
{
	struct kvm_hcpolicy_ops *ops = data;

	/*
	 * The one member that can have a program is map_gpa_range.  BPF has compared numbers
	 * of BTF, which are unique in one module only, and hcpolicy_check_member() has seen the
	 * programs of this type.  A stack of its own would need the trampoline, which
	 * looks for recursion.
	 */
	if (prog->aux->st_ops != &bpf_kvm_hcpolicy_ops || prog->aux->jits_use_priv_stack)
		return -EINVAL;

	ops->prog = prog;
	return 0;
}

/* Before the map can be attached, and once: its programs stay for as long as it. */
static int hcpolicy_validate(void *kdata)
{
	struct kvm_hcpolicy_ops *ops = kdata;

	return bpf_struct_ops_for_each_prog(ops, hcpolicy_note_prog, ops) ?:
	       ops->prog ? 0 : -EINVAL;
}

static int hcpolicy_btf_init(struct btf *btf)
{
	return 0;
}

static bool hcpolicy_is_valid_access(int off, int size, enum bpf_access_type type,
				     const struct bpf_prog *prog,
				     struct bpf_insn_access_aux *info)
{
	return bpf_tracing_btf_ctx_access(off, size, type, prog, info);
}

/* Without a btf_struct_access callback the context is read-only. */
static const struct bpf_verifier_ops hcpolicy_verifier_ops = {
	.get_func_proto = bpf_base_func_proto,
	.is_valid_access = hcpolicy_is_valid_access,
};

/* Never called.  kCFI takes from it the type that a call of the trampoline has. */
static int hcpolicy_stub_map_gpa_range(struct kvm_hcpolicy_ctx *ctx)
{
	return KVM_HCPOLICY_DEFAULT;
}

static struct kvm_hcpolicy_ops hcpolicy_stubs = {
	.map_gpa_range = hcpolicy_stub_map_gpa_range,
};

static struct bpf_struct_ops bpf_kvm_hcpolicy_ops = {
	.verifier_ops = &hcpolicy_verifier_ops,
	.init = hcpolicy_btf_init,
	.check_member = hcpolicy_check_member,
	.init_member = hcpolicy_init_member,
	.validate = hcpolicy_validate,
	.reg = hcpolicy_reg,
	.unreg = hcpolicy_unreg,
	.update = hcpolicy_update,
	.cfi_stubs = &hcpolicy_stubs,
	.owner = THIS_MODULE,
	.name = "kvm_hcpolicy_ops",
};

/**
 * kvm_hcpolicy_init - make the struct_ops type known to BPF
 *
 * From kvm.ko's own init, last.  KVM does without on failure.
 */
void __init kvm_hcpolicy_init(void)
{
	int r = -ENOMEM;

	hcpolicy_wq = alloc_workqueue("kvm_hcpolicy", WQ_UNBOUND, 0);
	if (hcpolicy_wq)
		r = register_bpf_struct_ops(&bpf_kvm_hcpolicy_ops, kvm_hcpolicy_ops);
	if (r)
		pr_warn("kvm: hypercall policies are not available: error %d\n", r);
}

/**
 * kvm_hcpolicy_exit - wait for what is left of the policies of dead VMs
 *
 * A struct_ops map holds the module, so none is attached, but the last
 * hcpolicy_detach_work() may still be returning.
 */
void kvm_hcpolicy_exit(void)
{
	if (hcpolicy_wq)
		destroy_workqueue(hcpolicy_wq);
}
