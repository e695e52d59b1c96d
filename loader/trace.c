// SPDX-License-Identifier: GPL-2.0
/* Requests as text: trace.h. */
#include <inttypes.h>
#include <linux/kvm_para.h>
#include <stdio.h>
#include <string.h>
#include <hcpolicy/kvm.h>
#include "loader.h"
#include "trace.h"

#define MAX_ERRNO	4095	/* as the kernel has it */

/* "answer=EACCES": an errno by its name, and what is no verdict by its number. */
static size_t verdict_word(char *buf, size_t size, const char *key, int verdict)
{
	const char *name = verdict_text(verdict);

	if (verdict < 0 && verdict >= -MAX_ERRNO)
		name = strerrorname_np(-verdict);
	return name ? snprintf(buf, size, " %s=%s", key, name) :
		      snprintf(buf, size, " %s=%d", key, verdict);
}

/* What the guest sees: of what exits, that is the VMM's affair. */
static size_t status_words(char *buf, size_t size, const struct request *r)
{
	if (r->verdict == KVM_HCPOLICY_RETRY)
		return snprintf(buf, size, " verdict=retry");
	if (r->verdict == KVM_HCPOLICY_HANDLED)
		return snprintf(buf, size, " status=0 verdict=handled");
	if (r->verdict < 0 && r->verdict != -KVM_ENOSYS) {
		size_t len = snprintf(buf, size, " status=%d", r->verdict);

		return len + verdict_word(buf + len, size - len, "verdict", r->verdict);
	}
	if (r->verdict == KVM_HCPOLICY_DEFAULT && r->flags & KVM_HCPOLICY_EXIT_ENABLED)
		return snprintf(buf, size, " verdict=exit");
	return snprintf(buf, size, " status=%d verdict=ENOSYS", -KVM_ENOSYS);
}

size_t trace_line(char line[TRACE_LINE], const struct request *r, __u64 begin)
{
	static const char *const doors[] = { "hypercall", "snp-msr", "snp-psc", "tdx" };
	uint64_t us = (r->time - begin) / 1000;
	size_t len;

	len = snprintf(line, TRACE_LINE, "%s%s 0x%" PRIx64 " %" PRIu64 " vcpu=%u",
		       r->verdict == KVM_HCPOLICY_RETRY ? "# " : "",
		       r->shared ? "share" : "private", (uint64_t)r->gpa, (uint64_t)r->npages,
		       r->vcpu_id);
	if (r->source < sizeof(doors) / sizeof(*doors))
		len += snprintf(line + len, TRACE_LINE - len, " door=%s", doors[r->source]);
	else
		len += snprintf(line + len, TRACE_LINE - len, " door=%u", r->source);
	len += snprintf(line + len, TRACE_LINE - len, " attrs=0x%" PRIx64, (uint64_t)r->attrs);
	len += status_words(line + len, TRACE_LINE - len, r);
	if (r->answer != r->verdict)
		len += verdict_word(line + len, TRACE_LINE - len, "answer", r->answer);
	len += snprintf(line + len, TRACE_LINE - len, " time=%" PRIu64 ".%06" PRIu64 "\n",
			us / 1000000, us % 1000000);
	return len;
}
