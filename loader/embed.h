/* SPDX-License-Identifier: GPL-2.0 */
/* A file as part of the program: from NAME to NAME_end.  hcpolicyd has this file too. */
#ifndef EMBED_H
#define EMBED_H

#define EMBED(name, file)				\
asm(".pushsection .rodata\n"				\
	".balign 8\n"					\
	#name ": .incbin \"" file "\"\n"		\
	#name "_end:\n"				\
	".popsection");					\
extern const char name[], name##_end[]

#endif /* EMBED_H */
