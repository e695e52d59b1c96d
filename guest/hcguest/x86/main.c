// SPDX-License-Identifier: GPL-2.0
/*
 * hcguest: a freestanding guest that makes the requests it is told to make, and
 * checks the answers.  It boots as a PVH ELF (qemu-system-x86_64 -kernel, hcvm
 * --guest, or guest/x86/load.c).
 *
 * If the VMM answers the doorbell port, commands come by mailbox: commands.c.
 * Otherwise vCPU 0 takes text commands from its command line and COM1 (script.c),
 * and the other vCPUs halt.
 *
 * A VMM starts further vCPUs directly at the entry of the ELF note HCGUEST
 * (boot.h); nobody sends a SIPI.
 *
 * An exception that nobody asked for is reported by doorbell and on COM1; the
 * guest then exits with code 63.
 */
#include <stddef.h>

#include "../../boot.h"
#include "../arch.h"
#include "../commands.h"
#include "cpu.h"
#include "script.h"

void guest_main(unsigned int index, const struct hvm_start_info *si);

void guest_main(unsigned int index, const struct hvm_start_info *si)
{
	cpu_init(index);
	if (doorbell_ask() == HCG_MAGIC)
		commands_run(index);
	if (!index)
		script_run(si && si->magic == HVM_START_MAGIC ?
			   (const char *)si->cmdline_paddr : NULL);
	for (;;)
		cpu_halt();
}
