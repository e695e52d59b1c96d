// SPDX-License-Identifier: GPL-2.0
/*
 * hcvm: a small complete VMM, which shows how a VMM uses libhcpolicy.  Where to start reading:
 *
 *	hcvm.c			the program: creates a VM, boots it, waits for its end
 *	vm.[ch]			what a VM is: memory, interrupt controllers, devices
 *	vcpu.c, exits.c		the vCPU threads, and which file answers which exit
 *	linux.c, guest.c	load what runs in it: a Linux kernel, or a guest ELF
 *	keeper.c		keeps the shared-page set, by a policy or by exits
 *	control.c		commands, such as `migrate`
 *	migrate.c, rounds.c	the source of a migration
 *	incoming.c		its target
 *	hello.c, state.c	what both VMs must have in common, and what a VM's state is
 *	frames.h, conn.c	the format of a migration, and the connection that carries it
 */
#include "hcvm.h"

int main(int argc, char **argv)
{
	return hcvm(argc, argv, &hcvm_ops);
}
