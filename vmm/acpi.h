/* SPDX-License-Identifier: GPL-2.0 */
/* The ports that the ACPI tables describe and ports.c implements, and the tables' address. */
#ifndef HCVM_ACPI_H
#define HCVM_ACPI_H

#include "vm.h"

#define ACPI_RSDP_GPA		0xf0000

/* PM1a: status and enable, two bytes each, then control, two bytes. */
#define ACPI_PM_PORT		0x600
#define ACPI_PM_ENABLE		2
#define ACPI_PM_CONTROL		4
#define ACPI_PM_SIZE		6
#define ACPI_SCI_EN		1
#define ACPI_S5			5

/* Write the tables into guest memory, below 1 MiB.  Call this before the guest starts. */
int acpi_write(struct vm *vm);

#endif /* HCVM_ACPI_H */
