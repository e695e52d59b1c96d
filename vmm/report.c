// SPDX-License-Identifier: GPL-2.0
/*
 * The report about a VM that has ended, one `hcvm: key value` a line, and the dump.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <hcpolicy/set.h>

#include "../guest/dump.h"
#include "keeper.h"
#include "migrate.h"
#include "report.h"
#include "sev.h"

/* The hook's counters among KVM's vCPU statistics. */
#define STAT_PREFIX	"hcpolicy_"
#define MAX_STATS	32

struct stat_sum {
	char name[48];
	uint64_t value;
};

static struct stat_sum *find_sum(struct stat_sum *sums, const char *name)
{
	struct stat_sum *s;

	for (s = sums; s < sums + MAX_STATS; s++) {
		if (!s->name[0])
			snprintf(s->name, sizeof(s->name), "%.47s", name);
		if (!strncmp(s->name, name, sizeof(s->name) - 1))
			return s;
	}
	return NULL;
}

/* Add the counters of one vCPU to sums.  Old kernels do not have them. */
static void add_stats(const struct vcpu *vcpu, struct stat_sum *sums)
{
	int fd = ioctl(vcpu->fd, KVM_GET_STATS_FD, NULL);
	struct kvm_stats_header h;
	struct kvm_stats_desc *d;
	struct stat_sum *sum;
	char desc[512];
	uint64_t value;
	uint32_t i;

	if (fd < 0)
		return;
	if (pread(fd, &h, sizeof(h), 0) != sizeof(h) || sizeof(*d) + h.name_size >= sizeof(desc))
		goto out;
	d = (struct kvm_stats_desc *)desc;
	for (i = 0; i < h.num_desc; i++) {
		size_t size = sizeof(*d) + h.name_size;

		if (pread(fd, desc, size, h.desc_offset + i * size) != (ssize_t)size)
			break;
		desc[size] = 0;
		if (strncmp(d->name, STAT_PREFIX, strlen(STAT_PREFIX)))
			continue;
		if (pread(fd, &value, sizeof(value), h.data_offset + d->offset) != sizeof(value))
			break;
		sum = find_sum(sums, d->name);
		if (sum)
			sum->value += value;
	}
out:
	close(fd);
}

static void report_stats(const struct vm *vm)
{
	struct stat_sum sums[MAX_STATS] = {}, *s;
	unsigned int i;

	for (i = 0; i < vm->nvcpus; i++)
		add_stats(&vm->vcpus[i], sums);
	for (s = sums; s < sums + MAX_STATS && s->name[0]; s++)
		note("%s %llu", s->name, (unsigned long long)s->value);
}

static void report_exits(const struct vm *vm)
{
	static const char *const names[NR_EXIT_KINDS] = {
		[EXIT_IO] = "io", [EXIT_MMIO] = "mmio", [EXIT_HYPERCALL] = "hypercall",
		[EXIT_MSR] = "msr", [EXIT_OTHER] = "other",
	};
	unsigned long long sum;
	unsigned int i, kind;

	for (kind = 0; kind < NR_EXIT_KINDS; kind++) {
		for (sum = 0, i = 0; i < vm->nvcpus; i++)
			sum += vm->vcpus[i].exits[kind];
		note("exits-%s %llu", names[kind], sum);
	}
}

void report(struct vm *vm)
{
	static const char *const ends[] = {
		[END_EXIT] = "exit", [END_POWEROFF] = "poweroff", [END_RESET] = "reset",
		[END_TRIPLE_FAULT] = "triple-fault", [END_SIGNAL] = "signal",
		[END_ERROR] = "error", [END_QUIT] = "quit", [END_MIGRATED] = "migrated",
	};

	note("end %s", ends[vm->end]);
	if (vm->end == END_EXIT)
		note("status %d", vm->status);
	report_exits(vm);
	if (vm->cbit)
		note("migration-ready %d", !!(vm->migration_control & 1));
	migrate_report(vm);
	keeper_report(vm);
	if (vm->cfg->policy)
		report_stats(vm);
}

static int write_dump(struct vm *vm, int fd, const char *path)
{
	struct hcg_dump_block blocks[MAX_SLOTS];
	struct hcg_dump_vcpu *vcpus;
	const struct hcp_set *set = keeper_set(vm);
	struct hcg_dump d = {
		.blocks = blocks,
		.nblocks = vm->nslots,
		.nvcpus = vm->nvcpus,
		.cbit = vm->cbit ? SEV_CBIT : 0,
		.npages = set ? hcp_set__npages(set) : 0,
		.words = set ? hcp_set__words(set) : NULL,
	};
	unsigned int i;
	int err, ret = -1;

	vcpus = calloc(vm->nvcpus, sizeof(*vcpus));
	if (!vcpus)
		return fail("out of memory");
	for (i = 0; i < vm->nslots; i++)
		blocks[i] = (struct hcg_dump_block){
			.gpa = vm->slots[i].gpa,
			.size = vm->slots[i].size,
			.mem = vm->slots[i].hva,
		};
	for (i = 0; i < vm->nvcpus; i++)
		if (ioctl(vm->vcpus[i].fd, KVM_GET_REGS, &vcpus[i].regs) ||
		    ioctl(vm->vcpus[i].fd, KVM_GET_SREGS, &vcpus[i].sregs)) {
			fail_errno("registers of vCPU %u", i);
			goto out;
		}
	d.vcpus = vcpus;
	err = hcg_dump_write(fd, &d);
	if (err)
		fail("--dump '%s': %s", path, strerror(-err));
	else
		ret = 0;
out:
	free(vcpus);
	return ret;
}

int dump(struct vm *vm, const char *path)
{
	int fd, ret;

	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_errno("--dump '%s'", path);
	ret = write_dump(vm, fd, path);
	if (close(fd) && !ret)
		ret = fail_errno("--dump '%s'", path);
	return ret;
}
