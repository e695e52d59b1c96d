// SPDX-License-Identifier: GPL-2.0
/* without_bpf COMMAND...: run it, and kill it if it calls bpf(2). */
#include <stdio.h>
#include <unistd.h>

#include "no_bpf.h"

int main(int argc, char **argv)
{
	CHECK_CMP(argc, >, 1);
	no_bpf();
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
