// SPDX-License-Identifier: GPL-2.0
/*
 * end STATUS: end the VM by hcvm's exit port, so that hcvm ends with this status.
 * (A kernel without /dev/port still lets root do port I/O by ioperm.)
 */
#include <sys/syscall.h>

#define EXIT_PORT	0xf4

void _start(void);
void start(long *sp);

static long syscall3(long nr, long a, long b, long c)
{
	long ret;

	asm volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c)
		     : "rcx", "r11", "memory");
	return ret;
}

/* sp is the stack as the kernel leaves it: argc, argv[]. */
__attribute__((used))
void start(long *sp)
{
	const char *arg = sp[0] > 1 ? (const char *)sp[2] : "0";
	unsigned char status = 0;

	while (*arg >= '0' && *arg <= '9')
		status = status * 10 + *arg++ - '0';
	if (!syscall3(SYS_ioperm, EXIT_PORT, 1, 1))
		asm volatile("outb %0, %1" : : "a"(status), "Nd"((unsigned short)EXIT_PORT));
	syscall3(SYS_exit, 1, 0, 0);
}

asm(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start\n");
