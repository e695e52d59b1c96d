// SPDX-License-Identifier: GPL-2.0
/* Requests as text: trace.h. */
#include <inttypes.h>
#include <linux/kvm_para.h>
#include <stdio.h>
#include <string.h>
#include <hcpolicy/kvm.h>
#include "loader.h"
#include "trace.h"

static size_t verdict_word(char *buf, size_t size, const char *key, int verdict)
{
	char name[32];

	return snprintf(buf, size, " %s=%s", key, verdict_name(name, verdict));
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
	char door[32];
	uint64_t us = (r->time - begin) / 1000;
	size_t len;

	len = snprintf(line, TRACE_LINE, "%s%s 0x%" PRIx64 " %" PRIu64 " vcpu=%u",
		       r->verdict == KVM_HCPOLICY_RETRY ? "# " : "",
		       r->shared ? "share" : "private", (uint64_t)r->gpa, (uint64_t)r->npages,
		       r->vcpu_id);
	len += snprintf(line + len, TRACE_LINE - len, " door=%s attrs=0x%" PRIx64,
			door_name(door, r->source), (uint64_t)r->attrs);
	len += status_words(line + len, TRACE_LINE - len, r);
	if (r->answer != r->verdict)
		len += verdict_word(line + len, TRACE_LINE - len, "answer", r->answer);
	len += snprintf(line + len, TRACE_LINE - len, " time=%" PRIu64 ".%06" PRIu64 "\n",
			us / 1000000, us % 1000000);
	return len;
}
