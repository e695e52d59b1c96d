// SPDX-License-Identifier: GPL-2.0
/* hcvm: a small complete VMM, and how a VMM uses libhcpolicy. */
#include "hcvm.h"

int main(int argc, char **argv)
{
	return hcvm(argc, argv, &hcvm_ops);
}
