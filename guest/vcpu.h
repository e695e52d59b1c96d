/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For VMMs that tell the test guest by mailbox what to do (mailbox.h): a vCPU, its run to the next
 * doorbell, and its exits.  All of KVM, none of a VMM's own; x86/ and arm64/ have one each.
 */
#ifndef HCP_GUEST_VCPU_H
#define HCP_GUEST_VCPU_H

#include <stdint.h>
#include <linux/kvm.h>

/*
 * A new vCPU's descriptor, or a negative errno.  x86: its CPUID is what KVM supports, but with
 * phys_bits bits of physical address.  arm64: these are the VM's, from KVM_CREATE_VM.
 */
int hcguest_new_vcpu(int kvm_fd, int vm_fd, unsigned int id, unsigned int phys_bits);

/*
 * Run until the guest rings the doorbell with more than the question for the magic: what it has
 * written.  Or minus the exit reason of what is the caller's affair: KVM_EXIT_HYPERCALL,
 * KVM_EXIT_INTR (a signal), another port or address, ...  INT64_MIN: KVM_RUN failed, see errno.
 */
int64_t hcguest_run(int vcpu_fd, struct kvm_run *run);

/* The guest's requests (HCG_ASK) exit; tell so before a vCPU runs.  0 or a negative errno. */
int hcguest_enable_exits(int vm_fd);

/* A request that exits: KVM_EXIT_HYPERCALL.  attrs: 0 or 0x10, x86: all that the guest gave. */
struct hcguest_exit {
	uint64_t gpa, npages, attrs;
};

/* Take a vCPU's request, and answer it.  0 or a negative errno; -ENOMSG: it is none of these. */
int hcguest_take_exit(int vcpu_fd, struct kvm_run *run, int64_t answer, struct hcguest_exit *e);

#endif /* HCP_GUEST_VCPU_H */
