// SPDX-License-Identifier: GPL-2.0
/*
 * The VM, its memory and its interrupt controllers.  RAM is one host mapping,
 * cut into at most two slots around the hole below 4 GiB.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm.h"

/* Three pages that KVM on Intel wants, in the hole below 4 GiB. */
#define TSS_ADDR	0xfffbd000UL

static int open_kvm(struct vm *vm)
{
	int version;

	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0) {
		switch (errno) {
		case ENOENT:
			return fail("no /dev/kvm here: modprobe kvm-amd or kvm-intel; without svm or vmx in /proc/cpuinfo run hcvm inside the source tree's scripts/vm-run");
		case ENODEV:
			return fail("/dev/kvm has no driver behind it: modprobe kvm-amd or kvm-intel, or run hcvm inside the source tree's scripts/vm-run");
		case EACCES:
			return fail("may not open /dev/kvm: run as root, or join the group kvm");
		}
		return fail_errno("/dev/kvm");
	}
	version = ioctl(vm->kvm_fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		return fail("/dev/kvm: API version %d instead of %d", version, KVM_API_VERSION);
	return 0;
}

static int set_slot(struct vm *vm, int number, uint64_t gpa, const struct memslot *slot, bool log)
{
	struct kvm_userspace_memory_region region = {
		.slot = number,
		.flags = log ? KVM_MEM_LOG_DIRTY_PAGES : 0,
		.guest_phys_addr = gpa,
		.memory_size = slot->size,
		.userspace_addr = (uintptr_t)slot->hva,
	};

	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
		return fail_errno("KVM refuses memory slot %d, guest address 0x%llx, %llu MiB",
				  number, (unsigned long long)gpa,
				  (unsigned long long)(slot->size / MIB));
	return 0;
}

static int set_slots(struct vm *vm, const struct memslot *slot, bool log)
{
	if (set_slot(vm, slot->number, slot->gpa, slot, log))
		return -1;
	if (slot->alias >= 0)
		return set_slot(vm, slot->alias, slot->gpa | vm->cbit, slot, log);
	return 0;
}

static int add_ram(struct vm *vm, uint64_t gpa, uint64_t size, uint8_t *hva)
{
	struct memslot *slot = &vm->slots[vm->nslots];

	*slot = (struct memslot){ .gpa = gpa, .size = size, .hva = hva,
				  .number = vm->next_slot++, .alias = -1 };
	/*
	 * The alias has the same memory at the address with the C-bit.  Under SEV a CPU fetches
	 * instructions and walks page tables as private even without that bit, and the guest relies
	 * on that.  Here nothing is encrypted, so both addresses must show the same bytes.
	 */
	if (vm->cbit)
		slot->alias = vm->next_slot++;
	if (set_slots(vm, slot, false))
		return -1;
	vm->nslots++;
	return 0;
}

int vm_add_ram(struct vm *vm)
{
	uint64_t mem = vm->cfg->mem;
	uint64_t low = mem < LOW_RAM_END ? mem : LOW_RAM_END;
	uint8_t *hva;

	/* Aligned for huge pages, which cost far fewer faults. */
	hva = mmap(NULL, mem + 2 * MIB, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (hva == MAP_FAILED)
		return fail_errno("no %llu MiB for the guest's memory",
				  (unsigned long long)(mem / MIB));
	hva = (uint8_t *)(((uintptr_t)hva + 2 * MIB - 1) & ~(2 * MIB - 1));
	madvise(hva, mem, MADV_HUGEPAGE);

	if (add_ram(vm, 0, low, hva))
		return -1;
	return mem > low ? add_ram(vm, HIGH_RAM_START, mem - low, hva + low) : 0;
}

static int create_irqchip(struct vm *vm)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	/* Needed on Intel only, and harmless elsewhere. */
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, TSS_ADDR))
		return fail_errno("KVM_SET_TSS_ADDR");
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0))
		return fail_errno("KVM_CREATE_IRQCHIP");
	if (ioctl(vm->fd, KVM_CREATE_PIT2, &pit))
		return fail_errno("KVM_CREATE_PIT2");
	return 0;
}

int vm_open(struct vm *vm, const struct vm_config *cfg)
{
	memset(vm, 0, sizeof(*vm));
	vm->cfg = cfg;
	vm->state = VM_PAUSED;
	vm->arrival = cfg->incoming ? ARRIVAL_AWAITED : ARRIVAL_NONE;
	pthread_mutex_init(&vm->lock, NULL);
	pthread_mutex_init(&vm->dev_lock, NULL);
	pthread_cond_init(&vm->cond, NULL);

	if (open_kvm(vm))
		return -1;
	vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		return fail_errno("KVM_CREATE_VM");
	vm->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->end_fd < 0)
		return fail_errno("eventfd");
	return create_irqchip(vm);
}

uint64_t vm_max_gpa(const struct vm *vm)
{
	const struct memslot *last = &vm->slots[vm->nslots - 1];

	return last->gpa + last->size;
}

void *vm_hva(const struct vm *vm, uint64_t gpa, uint64_t size)
{
	const struct memslot *slot;

	for (slot = vm->slots; slot < vm->slots + vm->nslots; slot++)
		if (gpa >= slot->gpa && gpa - slot->gpa < slot->size &&
		    size <= slot->size - (gpa - slot->gpa))
			return slot->hva + (gpa - slot->gpa);
	return NULL;
}

/* Bit n is page n.  Whole words, as in KVM's dirty logs. */
static uint64_t *new_bitmap(const struct memslot *slot)
{
	return calloc((slot->size / PAGE_SIZE + 63) / 64, sizeof(uint64_t));
}

int vm_log_dirty(struct vm *vm, bool on)
{
	struct memslot *slot;

	for (slot = vm->slots; slot < vm->slots + vm->nslots; slot++) {
		/* The bitmap stays when logging stops: a device may be using it in vm_wrote(). */
		if (on && !slot->wrote)
			__atomic_store_n(&slot->wrote, new_bitmap(slot), __ATOMIC_RELEASE);
		if (on && !slot->wrote)
			return fail("out of memory");
		if (set_slots(vm, slot, on))
			return -1;
	}
	return 0;
}

void vm_wrote(struct vm *vm, uint64_t gpa, uint64_t size)
{
	uint64_t page, end, *wrote;
	struct memslot *slot;

	for (slot = vm->slots; slot < vm->slots + vm->nslots; slot++) {
		wrote = __atomic_load_n(&slot->wrote, __ATOMIC_ACQUIRE);
		if (!wrote || gpa < slot->gpa || gpa - slot->gpa >= slot->size)
			continue;
		end = (gpa - slot->gpa + size + PAGE_SIZE - 1) / PAGE_SIZE;
		for (page = (gpa - slot->gpa) / PAGE_SIZE; page < end; page++)
			__atomic_fetch_or(&wrote[page / 64], 1ULL << page % 64, __ATOMIC_SEQ_CST);
	}
}

int vm_add_dev(struct vm *vm, const struct dev *dev)
{
	if (vm->ndevs == MAX_DEVS)
		return fail("no room for the device at port 0x%x", dev->port);
	vm->devs[vm->ndevs++] = *dev;
	return 0;
}

void vm_irq(struct vm *vm, unsigned int gsi, bool level)
{
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	ioctl(vm->fd, KVM_IRQ_LINE, &irq);
}
