/* SPDX-License-Identifier: GPL-2.0 */
/* What the guest can do: the operations of mailbox.h, whoever asked for them. */
#ifndef HCP_GUEST_OPS_H
#define HCP_GUEST_OPS_H

#include "../mailbox.h"

/* Carry out one operation on vCPU index and set its ret. */
void op_do(unsigned int index, struct hcg_request *r);

/* Does ret differ from what the operation expects? */
int op_failed(const struct hcg_request *r);

/* Ask for all that the guest keeps to itself to be shared: the hypercall's answer. */
int64_t op_share_own(unsigned int index);

#endif /* HCP_GUEST_OPS_H */
