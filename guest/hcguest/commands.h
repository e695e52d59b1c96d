/* SPDX-License-Identifier: GPL-2.0 */
/* Commands by mailbox. */
#ifndef HCP_GUEST_COMMANDS_H
#define HCP_GUEST_COMMANDS_H

/* All that vCPU index does, once the VMM has answered the doorbell. */
_Noreturn void commands_run(unsigned int index);

#endif /* HCP_GUEST_COMMANDS_H */
