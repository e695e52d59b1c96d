/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VM of arm64 that boots Linux, and offers it MEM_SHARE and MEM_UNSHARE: one vCPU, a GICv3, PSCI by
 * KVM, a serial port for early messages, and a virtio console that has a restricted DMA pool.
 * A surprise fails the test.
 */
#ifndef HCST_ARM_BOARD_H
#define HCST_ARM_BOARD_H

#include <stdint.h>

#include "virtio_console.h"
#include "vm.h"

/* Memory begins at 0.  The pool is in it. */
#define BOARD_MEM	(256ULL << 20)
#define BOARD_POOL	(128ULL << 20)
#define BOARD_POOL_SIZE	(2ULL << 20)

struct arm_board {
	struct vm *vm;
	struct vcpu *vcpu;
	struct virtio_console console;
	char log[64 << 10];	/* the kernel's messages, with a 0 at their end */
	size_t log_len, line;	/* where the last line begins */
};

/* With this kernel (Image) and initramfs; it has not run yet. */
struct arm_board *arm_board_new(const char *kernel, const char *initrd);
/* Until the guest ends the VM: KVM_SYSTEM_EVENT_*.  What its kernel says is in the output, too. */
uint32_t arm_board_run(struct arm_board *b);

#endif /* HCST_ARM_BOARD_H */
