/* SPDX-License-Identifier: GPL-2.0 */
/* What a program says to the plugins that count (plugin.h): a nop for everybody else. */
#ifndef HCB_MARK_H
#define HCB_MARK_H

/* nopl 0xNN504348(%rax), NN being the mark */
#define MARK_BYTES	0x0f, 0x1f, 0x80, 0x48, 0x43, 0x50
#define MARK(n)		asm volatile(".byte 0x0f, 0x1f, 0x80, 0x48, 0x43, 0x50, " #n ::: "memory")

#endif /* HCB_MARK_H */
