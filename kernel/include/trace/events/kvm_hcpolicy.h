/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm_hcpolicy

#if !defined(_TRACE_KVM_HCPOLICY_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_KVM_HCPOLICY_H

#include <linux/tracepoint.h>
#include <linux/kvm_hcpolicy_abi.h>

DECLARE_EVENT_CLASS(kvm_hcpolicy_link,
	TP_PROTO(pid_t pid, const char *name),
	TP_ARGS(pid, name),

	TP_STRUCT__entry(
		__field(pid_t, pid)
		__string(name, name)
	),

	TP_fast_assign(
		__entry->pid = pid;
		__assign_str(name);
	),

	TP_printk("vm %d policy %s", __entry->pid, __get_str(name))
);

DEFINE_EVENT(kvm_hcpolicy_link, kvm_hcpolicy_attach,
	TP_PROTO(pid_t pid, const char *name),
	TP_ARGS(pid, name)
);

DEFINE_EVENT(kvm_hcpolicy_link, kvm_hcpolicy_replace,
	TP_PROTO(pid_t pid, const char *name),
	TP_ARGS(pid, name)
);

DEFINE_EVENT(kvm_hcpolicy_link, kvm_hcpolicy_detach,
	TP_PROTO(pid_t pid, const char *name),
	TP_ARGS(pid, name)
);

/* One call of the program: what it answered and what KVM made of it. */
TRACE_EVENT(kvm_hcpolicy_verdict,
	TP_PROTO(const struct kvm_hcpolicy_ctx *ctx, int answer, int verdict),
	TP_ARGS(ctx, answer, verdict),

	TP_STRUCT__entry(
		__field(u64, gpa)
		__field(u64, npages)
		__field(u64, attrs)
		__field(u32, vcpu_id)
		__field(u8, source)
		__field(u16, flags)
		__field(int, answer)
		__field(int, verdict)
	),

	TP_fast_assign(
		__entry->gpa = ctx->gpa;
		__entry->npages = ctx->npages;
		__entry->attrs = ctx->attrs;
		__entry->vcpu_id = ctx->vcpu_id;
		__entry->source = ctx->source;
		__entry->flags = ctx->flags;
		__entry->answer = answer;
		__entry->verdict = verdict;
	),

	TP_printk("vcpu %u source %u gpa 0x%llx npages %llu attrs 0x%llx flags 0x%x answer %d verdict %d",
		  __entry->vcpu_id, __entry->source, __entry->gpa,
		  __entry->npages, __entry->attrs, __entry->flags,
		  __entry->answer, __entry->verdict)
);

#endif /* _TRACE_KVM_HCPOLICY_H */

#include <trace/define_trace.h>
