// SPDX-License-Identifier: GPL-2.0
/* What a VMM needs to run the test guest's vCPUs by mailbox: vcpu.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "mailbox.h"
#include "vcpu.h"

#define CPUID_ADDR_WIDTHS	0x80000008u
#define CPUID_MAX		256

int hcguest_set_cpuid(int kvm_fd, int vcpu_fd, unsigned int phys_bits)
{
	union {
		struct kvm_cpuid2 cpuid;
		char room[sizeof(struct kvm_cpuid2) + CPUID_MAX * sizeof(struct kvm_cpuid_entry2)];
	} u = { .cpuid.nent = CPUID_MAX };
	struct kvm_cpuid_entry2 *e;

	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, &u.cpuid))
		return -errno;
	for (e = u.cpuid.entries; e < u.cpuid.entries + u.cpuid.nent; e++)
		if (e->function == CPUID_ADDR_WIDTHS)
			e->eax = (e->eax & ~0xff00ffu) | phys_bits;
	return ioctl(vcpu_fd, KVM_SET_CPUID2, &u.cpuid) ? -errno : 0;
}

int64_t hcguest_run(int vcpu_fd, struct kvm_run *run)
{
	uint32_t *data;

	for (;;) {
		if (ioctl(vcpu_fd, KVM_RUN, NULL))
			return errno == EINTR ? -KVM_EXIT_INTR : INT64_MIN;
		if (run->exit_reason != KVM_EXIT_IO || run->io.port != HCG_PORT || run->io.size != 4)
			return -(int64_t)run->exit_reason;
		data = (void *)((uint8_t *)run + run->io.data_offset);
		if (run->io.direction == KVM_EXIT_IO_OUT)
			return *data;
		*data = HCG_MAGIC;
	}
}

const char *const vcpu_stats_names[] = {
	"hcpolicy_handled", "hcpolicy_default", "hcpolicy_retry", "hcpolicy_refused",
	"hcpolicy_overruled", "hcpolicy_bad_verdict", "hcpolicy_bad_request",
};
#define NSTATS	(sizeof(vcpu_stats_names) / sizeof(*vcpu_stats_names))

static int read_all(int fd, void *buf, size_t size, uint64_t offset)
{
	ssize_t n = pread(fd, buf, size, offset);

	return n < 0 ? -errno : n == (ssize_t)size ? 0 : -EIO;
}

int vcpu_stats_find(int stats_fd, struct vcpu_stats_at *at)
{
	const struct kvm_stats_desc *desc;
	struct kvm_stats_header header;
	size_t size, found = 0;
	char *descs;
	int err;

	*at = (struct vcpu_stats_at){ .fd = stats_fd };
	err = read_all(stats_fd, &header, sizeof(header), 0);
	if (err)
		return err;
	size = sizeof(*desc) + header.name_size;
	descs = malloc(size * header.num_desc);
	if (!descs)
		return -ENOMEM;
	err = read_all(stats_fd, descs, size * header.num_desc, header.desc_offset);
	for (uint32_t d = 0; !err && d < header.num_desc; d++) {
		desc = (const void *)(descs + d * size);
		for (size_t i = 0; i < NSTATS; i++) {
			if (strcmp(desc->name, vcpu_stats_names[i]))
				continue;
			at->offset[i] = header.data_offset + desc->offset;
			found++;
		}
	}
	free(descs);
	return err ?: found == NSTATS ? 0 : -ENOENT;
}

int vcpu_stats_read(const struct vcpu_stats_at *at, struct vcpu_stats *stats)
{
	uint64_t values[NSTATS];
	int err = 0;

	for (size_t i = 0; !err && i < NSTATS; i++)
		err = read_all(at->fd, &values[i], sizeof(values[i]), at->offset[i]);
	memcpy(stats, values, sizeof(*stats));
	return err;
}
