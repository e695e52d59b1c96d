/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a VM is.
 *
 * Threads: the main thread, and one per vCPU.  With --control there is one more that answers
 * commands, and one for the migration that is under way.
 *
 * Locks: vm->lock guards state, end, status, arrival, migration, migration->committing and in_doubt;
 * and each vCPU's parked, held and run->immediate_exit.  vm->dev_lock guards the devices, and what hcvm
 * writes into guest memory.  dev_lock is taken before lock.
 *
 * Other threads touch the registers and statistics of a vCPU only while it is parked.
 * vm_pause() returns when every vCPU is out of KVM_RUN with no exit pending.
 */
#ifndef HCVM_VM_H
#define HCVM_VM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <linux/kvm.h>

#include "util.h"

#define PAGE_SIZE		4096ULL

#define MAX_VCPUS		64
#define MAX_SLOTS		4
#define MAX_DEVS		8

/* Where guest RAM ends below 4 GiB, and goes on above. */
#define LOW_RAM_END		(3 * GIB)
#define HIGH_RAM_START		(4 * GIB)

/* A guest that writes its status to this port ends the VM. */
#define EXIT_PORT		0xf4

struct vm;

/*
 * A block of RAM.  With --sev-lookalike each has an alias: a second slot on the same host
 * memory, at gpa | C-bit.  A page is dirty if the dirty log of either says so.
 */
struct memslot {
	uint64_t gpa;
	uint64_t size;
	uint8_t *hva;
	int number;		/* KVM's number of the slot */
	int alias;		/* KVM's number of the second slot, -1: none */
	uint64_t *wrote;	/* a bit for each page that hcvm wrote itself: vm_wrote() */
};

/* A device behind I/O ports.  All that it remembers is in state, as plain data. */
struct dev {
	uint16_t port;
	uint16_t nports;
	void (*in)(struct vm *vm, void *state, uint16_t port, uint8_t *data, unsigned int size);
	void (*out)(struct vm *vm, void *state, uint16_t port, const uint8_t *data,
		    unsigned int size);
	void *state;
	size_t state_size;
	/*
	 * Is this a valid state?  A migration asks, because it does not trust what the source
	 * sends.  NULL: every state is valid.
	 */
	bool (*valid)(const void *state);
};

enum exit_kind { EXIT_IO, EXIT_MMIO, EXIT_HYPERCALL, EXIT_MSR, EXIT_OTHER, NR_EXIT_KINDS };

struct vcpu {
	struct vm *vm;
	unsigned int index;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool parked;
	bool held;		/* stays parked even while the VM runs: vcpu_hold() */
	uint32_t parts_loaded;	/* parts of its state that a migration has loaded */
	uint64_t exits[NR_EXIT_KINDS];
};

enum vm_state { VM_PAUSED, VM_RUNNING, VM_QUIT };

/* Why the VM has ended.  With END_ERROR, hcvm has already printed the error. */
enum end_reason {
	END_NONE,
	END_EXIT,		/* the guest wrote a status to EXIT_PORT */
	END_POWEROFF,
	END_RESET,
	END_TRIPLE_FAULT,
	END_SIGNAL,
	END_QUIT,		/* by a command of the control socket */
	END_MIGRATED,		/* it runs somewhere else now */
	END_ERROR,
};

/*
 * How far the arrival of a VM from another hcvm is (frames.h: COMMIT, ERROR).  The command `status`
 * says `incoming` while it is ARRIVAL_AWAITED, and `paused` after that until the VM runs.  The test
 * build's commands (selftests/hcvm/driver.c) wait while it is ARRIVAL_COMMITTED.
 */
enum vm_arrival {
	ARRIVAL_NONE,		/* the VM has arrived, or was started here */
	ARRIVAL_AWAITED,	/* --incoming: its state has not begun to come */
	ARRIVAL_STARTED,	/* its state is coming */
	ARRIVAL_COMMITTED,	/* the source has sent COMMIT, and given the VM up unless we say ERROR */
};

struct vm_config {
	const char *kernel, *initrd, *append, *guest;
	const char *policy, *name, *label, *broker, *dump;
	const char *control, *incoming;
	const char **params;	/* of the policy, KEY=VALUE */
	unsigned int nparams;
	uint64_t mem;
	unsigned int smp;
	bool sev, encrypt, take_exits;
};

struct control;
struct hcvm_ops;
struct keeper;
struct migration;

struct vm {
	const struct vm_config *cfg;
	const struct hcvm_ops *ops;
	int kvm_fd, fd;
	size_t run_size;

	struct memslot slots[MAX_SLOTS];
	unsigned int nslots;
	int next_slot;		/* KVM's next free slot number */
	uint64_t cbit;		/* as a mask; 0: none */

	struct vcpu vcpus[MAX_VCPUS];
	unsigned int nvcpus, nthreads;

	pthread_mutex_t dev_lock;
	struct dev devs[MAX_DEVS];
	unsigned int ndevs;

	struct keeper *keeper;	/* of the shared-page set, NULL: nobody keeps one */
	uint64_t migration_control;	/* MSR_KVM_MIGRATION_CONTROL */
	uint64_t key;		/* of --encrypt; 0: the guest has none */
	uint32_t parts_loaded;	/* parts of the VM's state that a migration has loaded */
	uint32_t chips_loaded;	/* of these parts, the chips, by their numbers */
	uint32_t devs_loaded;	/* and the devices, by their places in devs */
	struct control *control;

	pthread_mutex_t lock;
	pthread_cond_t cond;
	enum vm_state state;
	enum vm_arrival arrival;
	struct migration *migration;	/* the one from here that is under way; NULL: none */
	bool in_doubt;		/* COMMIT was sent to a target, which did not answer */
	enum end_reason end;
	int status;		/* with END_EXIT: what the guest wrote */
	int end_fd;		/* an eventfd: readable once end is set */
};

/* Make a VM without memory and vCPUs.  sev_setup() may follow, and then vm_add_ram(). */
int vm_open(struct vm *vm, const struct vm_config *cfg);
int vm_add_ram(struct vm *vm);
/* One past the highest guest address. */
uint64_t vm_max_gpa(const struct vm *vm);
/* Host address of [gpa, gpa + size), all in one slot; NULL: it is not RAM. */
void *vm_hva(const struct vm *vm, uint64_t gpa, uint64_t size);
/*
 * Start or stop the log of dirty pages.  KVM does not see what hcvm itself writes into guest
 * memory.  So hold dev_lock over each write and the call of vm_wrote() after it.  A migration holds
 * dev_lock from before its last round on, so it misses no such write.
 */
int vm_log_dirty(struct vm *vm, bool on);
void vm_wrote(struct vm *vm, uint64_t gpa, uint64_t size);
int vm_add_dev(struct vm *vm, const struct dev *dev);
void vm_irq(struct vm *vm, unsigned int gsi, bool level);

#endif /* HCVM_VM_H */
