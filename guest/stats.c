// SPDX-License-Identifier: GPL-2.0
/* The hook's counters of a vCPU, found by their names among KVM's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/kvm.h>

#include "stats.h"

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
