/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a guest says to the page state change trigger (psc_trigger.c): numbers of
 * VMMCALLs that no hypervisor uses.
 */
#ifndef HCST_PSC_TRIGGER_H
#define HCST_PSC_TRIGGER_H

#define HCST_PSC_MSR	0x68630000	/* a0: what the guest writes to the GHCB MSR */
#define HCST_PSC_BUFFER	0x68630001	/* a0: GPA of the buffer, page-aligned */
#define HCST_PSC_RESULT	0x68630002	/* returns what the last one answered */
#define HCST_PSC_END	0x68630003	/* after the last HCST_PSC_BUFFER */

#define HCST_PSC_MAX	253		/* entries in a buffer */

#endif /* HCST_PSC_TRIGGER_H */
