/* SPDX-License-Identifier: GPL-2.0 */
/* How a VMM offers the calls of arm64.  The code is that of docs/integrating.md. */
#ifndef HCST_OFFER_H
#define HCST_OFFER_H

#include <linux/kvm.h>

int offer_calls(int vm_fd);
int answer_call(int vcpu_fd, const struct kvm_run *run);

#endif /* HCST_OFFER_H */
