/* SPDX-License-Identifier: GPL-2.0 */
/* What a program says to the plugins that count (plugin.h): a nop for everybody else. */
#ifndef HCB_MARK_H
#define HCB_MARK_H

/* nopl 0xNN504348(%rax), NN being the mark.  The plugins know those of x86 only. */
#define MARK_BYTES	0x0f, 0x1f, 0x80, 0x48, 0x43, 0x50
#ifdef __x86_64__
#define MARK(n)		asm volatile(".byte 0x0f, 0x1f, 0x80, 0x48, 0x43, 0x50, " #n ::: "memory")
#else
#define MARK(n)
#endif

#endif /* HCB_MARK_H */
