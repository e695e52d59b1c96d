// SPDX-License-Identifier: GPL-2.0
/*
 * The least ACPI from which Linux finds its other processors (MADT) and how to power off
 * and reset (FADT, and _S5_ in the DSDT).  The tables describe only what ports.c and KVM's
 * interrupt controllers implement.
 */
#include <stddef.h>
#include <string.h>

#include "acpi.h"
#include "util.h"

#define LOCAL_APIC_ADDR		0xfee00000
#define IO_APIC_ADDR		0xfec00000
#define SCI_IRQ			9

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t ext_checksum;
	uint8_t reserved[3];
} __attribute__((packed));

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem[6];
	char oem_table[8];
	uint32_t oem_revision;
	char creator[4];
	uint32_t creator_revision;
} __attribute__((packed));

struct xsdt {
	struct header h;
	uint64_t tables[2];
} __attribute__((packed));

struct address {
	uint8_t space, width, offset, access;
	uint64_t address;
} __attribute__((packed));

struct fadt {
	struct header h;
	uint32_t facs, dsdt;
	uint8_t model, profile;
	uint16_t sci;
	uint32_t smi_port;
	uint8_t smi_values[4];
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control;
	uint32_t timer, gpe0, gpe1;
	uint8_t event_len, control_len, pm2_len, timer_len, gpe0_len, gpe1_len, gpe1_base;
	uint8_t cst;
	uint16_t c2_latency, c3_latency;
	uint8_t unused[6];
	uint8_t day_alarm, month_alarm, century;
	uint16_t boot_flags;
	uint8_t reserved;
	uint32_t flags;
	struct address reset;
	uint8_t reset_value;
	uint8_t unused2[3];
	uint64_t x_facs, x_dsdt;
	struct address x_blocks[8];
} __attribute__((packed));
_Static_assert(sizeof(struct fadt) == 244, "the FADT of ACPI 2.0");

#define BOOT_NO_VGA		(1 << 2)
#define BOOT_NO_ASPM		(1 << 4)
#define BOOT_NO_RTC		(1 << 5)
#define FADT_WBINVD		(1 << 0)
#define FADT_NO_POWER_BUTTON	(1 << 4)
#define FADT_NO_SLEEP_BUTTON	(1 << 5)
#define FADT_RESET_REG		(1 << 10)

struct facs {
	char signature[4];
	uint32_t length;
	uint8_t zero[24];
	uint8_t version;
	uint8_t zero2[31];
} __attribute__((packed));

/* Name (_S5_, Package () { ACPI_S5, ACPI_S5, 0, 0 }) */
static const uint8_t aml[] = {
	0x08, '_', 'S', '5', '_', 0x12, 0x08, 0x04, 0x0a, ACPI_S5, 0x0a, ACPI_S5, 0x00, 0x00,
};

struct dsdt {
	struct header h;
	uint8_t aml[sizeof(aml)];
} __attribute__((packed));

struct madt {
	struct header h;
	uint32_t lapic;
	uint32_t flags;		/* 1: there is an 8259 too */
	struct {
		uint8_t type, length, id, reserved;
		uint32_t address, gsi_base;
	} __attribute__((packed)) ioapic;
	struct {
		uint8_t type, length, id, apic_id;
		uint32_t flags;	/* 1: enabled */
	} __attribute__((packed)) cpus[MAX_VCPUS];
} __attribute__((packed));

struct tables {
	struct rsdp rsdp;
	uint8_t pad[28];	/* the FACS wants 64 bytes of alignment */
	struct facs facs;
	struct xsdt xsdt;
	struct fadt fadt;
	struct dsdt dsdt;
	struct madt madt;
} __attribute__((packed));
_Static_assert(offsetof(struct tables, facs) % 64 == 0, "the FACS is aligned");

#define GPA(member)	((uint32_t)(ACPI_RSDP_GPA + offsetof(struct tables, member)))

static uint8_t checksum(const void *p, size_t size)
{
	const uint8_t *b = p;
	uint8_t sum = 0;

	while (size--)
		sum += *b++;
	return -sum;
}

/* Fill in the header.  Write the rest of the table before: the checksum covers it. */
static void finish(struct header *h, const char *signature, uint8_t revision, size_t length)
{
	memcpy(h->signature, signature, 4);
	h->length = length;
	h->revision = revision;
	memcpy(h->oem, "HCVM  ", 6);
	memcpy(h->oem_table, "HCVM    ", 8);
	memcpy(h->creator, "HCVM", 4);
	h->checksum = checksum(h, length);
}

static void write_fadt(struct fadt *f)
{
	f->facs = GPA(facs);
	f->dsdt = GPA(dsdt);
	f->sci = SCI_IRQ;
	f->pm1a_event = ACPI_PM_PORT;
	f->event_len = ACPI_PM_CONTROL;
	f->pm1a_control = ACPI_PM_PORT + ACPI_PM_CONTROL;
	f->control_len = ACPI_PM_SIZE - ACPI_PM_CONTROL;
	/* No C2 and no C3. */
	f->c2_latency = 0xffff;
	f->c3_latency = 0xffff;
	f->boot_flags = BOOT_NO_VGA | BOOT_NO_ASPM | BOOT_NO_RTC;
	f->flags = FADT_WBINVD | FADT_NO_POWER_BUTTON | FADT_NO_SLEEP_BUTTON | FADT_RESET_REG;
	/* The keyboard controller's reset line. */
	f->reset = (struct address){ .space = 1, .width = 8, .address = 0x64 };
	f->reset_value = 0xfe;
	finish(&f->h, "FACP", 3, sizeof(*f));
}

static void write_madt(struct madt *m, unsigned int cpus)
{
	unsigned int i;

	m->lapic = LOCAL_APIC_ADDR;
	m->flags = 1;
	m->ioapic.type = 1;
	m->ioapic.length = sizeof(m->ioapic);
	m->ioapic.id = 0;
	m->ioapic.address = IO_APIC_ADDR;
	for (i = 0; i < cpus; i++) {
		m->cpus[i].length = sizeof(m->cpus[i]);
		m->cpus[i].id = i;
		m->cpus[i].apic_id = i;
		m->cpus[i].flags = 1;
	}
	finish(&m->h, "APIC", 3, offsetof(struct madt, cpus) + cpus * sizeof(m->cpus[0]));
}

int acpi_write(struct vm *vm)
{
	struct tables *t = vm_hva(vm, ACPI_RSDP_GPA, sizeof(*t));

	if (!t)
		return fail("no memory at 0x%x for the ACPI tables", ACPI_RSDP_GPA);

	memcpy(t->facs.signature, "FACS", 4);
	t->facs.length = sizeof(t->facs);
	t->facs.version = 1;
	memcpy(t->dsdt.aml, aml, sizeof(aml));
	finish(&t->dsdt.h, "DSDT", 2, sizeof(t->dsdt));
	write_fadt(&t->fadt);
	write_madt(&t->madt, vm->nvcpus);
	t->xsdt.tables[0] = GPA(fadt);
	t->xsdt.tables[1] = GPA(madt);
	finish(&t->xsdt.h, "XSDT", 1, sizeof(t->xsdt));

	memcpy(t->rsdp.signature, "RSD PTR ", 8);
	memcpy(t->rsdp.oem, "HCVM  ", 6);
	t->rsdp.revision = 2;
	t->rsdp.length = sizeof(t->rsdp);
	t->rsdp.xsdt = GPA(xsdt);
	t->rsdp.checksum = checksum(&t->rsdp, offsetof(struct rsdp, length));
	t->rsdp.ext_checksum = checksum(&t->rsdp, sizeof(t->rsdp));
	return 0;
}
