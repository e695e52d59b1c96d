// SPDX-License-Identifier: GPL-2.0
/*
 * Compares a VM and a process: owner.h.  Of the process nothing is read but pointers, which are only
 * compared.  What is followed is the broker's own file, which the broker holds open.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "owner.h"

/* As much as is needed of the kernel's. */
struct file {
	void *private_data;
} __attribute__((preserve_access_index));

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
} __attribute__((preserve_access_index));

struct files_struct {
	struct fdtable *fdt;
} __attribute__((preserve_access_index));

struct task_struct {
	void *mm;
	struct files_struct *files;
} __attribute__((preserve_access_index));

extern struct task_struct *bpf_task_from_pid(__s32 pid) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;

static __always_inline struct file *file_of(struct task_struct *task, __u32 fd)
{
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct file *file = NULL;

	if (fd < BPF_CORE_READ(fdt, max_fds))
		bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(fdt, fd) + fd);
	return file;
}

static __always_inline int compare(struct task_struct *process, const struct owner_query *query)
{
	struct file *file = file_of(bpf_get_current_task_btf(), query->vm_fd);
	void *kvm = BPF_CORE_READ(file, private_data), *mm = NULL;

	if (!file || file != file_of(process, query->named))
		return OWNER_OTHER_FILE;
	bpf_probe_read_kernel(&mm, sizeof(mm), kvm + query->mm_offset);
	return mm && mm == BPF_CORE_READ(process, mm) ? OWNER_IS : OWNER_OTHER_MM;
}

SEC("syscall")
int owner(struct owner_query *query)
{
	struct task_struct *process = bpf_task_from_pid(query->pid);
	int answer;

	if (!process)
		return OWNER_GONE;
	answer = compare(process, query);
	bpf_task_release(process);
	return answer;
}

char LICENSE[] SEC("license") = "GPL";
