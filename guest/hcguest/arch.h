/* SPDX-License-Identifier: GPL-2.0 */
/* What each architecture has of its own, in x86/ and arm64/: the CPU, the doorbell, the calls. */
#ifndef HCP_GUEST_ARCH_H
#define HCP_GUEST_ARCH_H

#include "../mailbox.h"

/* The doorbell: what the VMM answers, and what it is told. */
uint32_t doorbell_ask(void);
void doorbell_ring(uint32_t event);

/* Ask for pages to be shared (attrs is 0) or private: as HCG_ASK answers. */
int64_t arch_ask(unsigned int index, uint64_t gpa, uint64_t npages, uint64_t attrs);

/* Carry out an operation that is this architecture's alone.  0: it has none of that number. */
int arch_op(unsigned int index, struct hcg_request *r);

/* Wait for an interrupt, though none is let in. */
void cpu_halt(void);

/* Tell the VMM, if there is a way, and shut down. */
_Noreturn void cpu_exit(uint32_t code);

#endif /* HCP_GUEST_ARCH_H */
