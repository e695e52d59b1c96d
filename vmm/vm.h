/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hcvm's objects.  All state of a VM hangs off struct vm.
 *
 * Threads: one per vCPU, the main thread, which owns everything else, and with
 * --control one that answers commands and one for the migration that is under way.
 * vm->lock guards vm->state, the end, arrival, migration, in_doubt and each vCPU's parked and
 * held; vm->dev_lock guards the devices, and whatever hcvm writes into guest memory.
 * dev_lock is taken before lock.  Whatever reads or writes the state of a vCPU (registers,
 * statistics) does so while it is parked: vm_pause() returns when every vCPU is
 * out of KVM_RUN with no exit pending.
 */
#ifndef HCVM_VM_H
#define HCVM_VM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <linux/kvm.h>

#define PAGE_SIZE		4096ULL
#define KIB			1024ULL
#define MIB			(1024 * KIB)
#define GIB			(1024 * MIB)

#define MAX_VCPUS		64
#define MAX_SLOTS		4
#define MAX_DEVS		8

/* Where guest RAM ends below 4 GiB, and goes on above. */
#define LOW_RAM_END		(3 * GIB)
#define HIGH_RAM_START		(4 * GIB)

/* The port that a guest writes its status to, and is ended by. */
#define EXIT_PORT		0xf4

struct vm;

/*
 * A block of RAM.  With --sev-lookalike each has an alias, a second slot on the
 * same host memory at gpa | C-bit: dirty logs of both count for one page.
 */
struct memslot {
	uint64_t gpa;
	uint64_t size;
	uint8_t *hva;
	int number;		/* KVM's */
	int alias;		/* KVM's number of the second slot, -1: none */
	uint64_t *wrote;	/* while dirty pages are logged: those that hcvm wrote itself */
};

/* A device behind I/O ports; what it remembers is plain data in state. */
struct dev {
	uint16_t port;
	uint16_t nports;
	void (*in)(struct vm *vm, void *state, uint16_t port, uint8_t *data, unsigned int size);
	void (*out)(struct vm *vm, void *state, uint16_t port, const uint8_t *data,
		    unsigned int size);
	void *state;
	size_t state_size;
	/* Can this come from another machine?  NULL: anything can. */
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
	bool held;		/* stays parked though the VM runs */
	uint32_t parts_loaded;	/* of its state, by a migration */
	uint64_t exits[NR_EXIT_KINDS];
};

enum vm_state { VM_PAUSED, VM_RUNNING, VM_QUIT };

/* Why the machine stopped; an error has been printed. */
enum vm_end {
	END_NONE,
	END_EXIT,		/* the guest wrote a status to EXIT_PORT */
	END_POWEROFF,
	END_RESET,
	END_TRIPLE_FAULT,
	END_SIGNAL,
	END_QUIT,		/* by the control socket */
	END_MIGRATED,		/* it runs somewhere else now */
	END_ERROR,
};

/* Where a machine is that comes from another hcvm. */
enum vm_arrival {
	ARRIVAL_NONE,		/* here: it has run, or began here */
	ARRIVAL_AWAITED,
	ARRIVAL_STARTED,	/* its state is coming */
	ARRIVAL_COMMITTED,	/* ours; the source may know that, and it runs in a moment */
};

struct vm_config {
	const char *kernel, *initrd, *append, *guest;
	const char *policy, *name, *label, *dump;
	const char *control, *incoming;
	uint64_t mem;
	unsigned int smp;
	bool sev, encrypt, drive;
};

struct book;
struct control;
struct migration;

struct vm {
	const struct vm_config *cfg;
	int kvm_fd, fd;
	size_t run_size;

	struct memslot slots[MAX_SLOTS];
	unsigned int nslots;
	int next_slot;		/* KVM's next free slot number */
	uint64_t cbit;		/* as a mask, 0: none */

	struct vcpu vcpus[MAX_VCPUS];
	unsigned int nvcpus, nthreads;

	pthread_mutex_t dev_lock;
	struct dev devs[MAX_DEVS];
	unsigned int ndevs;

	struct book *book;	/* the shared-page set, NULL: nobody keeps one */
	uint64_t migration_control;	/* MSR_KVM_MIGRATION_CONTROL */
	uint64_t key;		/* of a guest that encrypts its memory, 0: it does not */
	uint32_t parts_loaded;	/* of the VM's state, by a migration */
	uint32_t chips_loaded, devs_loaded;	/* the same, by index */
	struct control *control;

	pthread_mutex_t lock;
	pthread_cond_t cond;
	enum vm_state state;
	enum vm_arrival arrival;
	struct migration *migration;	/* of this VM to somewhere else; NULL: none */
	bool in_doubt;		/* a target was told to run, and did not answer */
	enum vm_end end;
	int status;		/* what the guest wrote with END_EXIT */
	int end_fd;		/* eventfd: end is set */
};

/* util.c: each prints one line and gives -1, so that callers can return it. */
int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int fail_errno(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* vm.c: the VM and its memory. */
int vm_create(struct vm *vm, const struct vm_config *cfg);
void vm_destroy(struct vm *vm);
/* One past the highest guest address. */
uint64_t vm_max_gpa(const struct vm *vm);
/* Host address of [gpa, gpa + size), all in one slot; NULL: it is not RAM. */
void *vm_hva(const struct vm *vm, uint64_t gpa, uint64_t size);
/*
 * Log which pages are dirty, or do not; hcvm says itself what it wrote, afterwards.
 * It writes with dev_lock held, under which a migration stops the VM for good.
 */
int vm_log_dirty(struct vm *vm, bool on);
void vm_wrote(struct vm *vm, uint64_t gpa, uint64_t size);
int vm_add_dev(struct vm *vm, const struct dev *dev);
void vm_irq(struct vm *vm, unsigned int gsi, bool level);

/* vcpu.c: the threads. */
int vcpus_create(struct vm *vm);
/* Threads start parked; what runs before the first vm_resume() runs before the guest. */
int vcpus_start(struct vm *vm);
void vm_resume(struct vm *vm);
void vm_pause(struct vm *vm);
/* Of one vCPU, from its own exit or while it is parked: stay, or go on. */
void vcpu_hold(struct vcpu *vcpu, bool hold);
/* The vCPU whose exit this thread handles. */
struct vcpu *vcpu_self(void);
/* Ask for the end, from any thread; the first one counts. */
void vm_stop(struct vm *vm, enum vm_end end, int status);
/* Join the threads. */
void vcpus_quit(struct vm *vm);

/* devices */
int ports_init(struct vm *vm);
void ports_access(struct vm *vm, const struct kvm_run *run);
int serial_init(struct vm *vm);
/* How many of these bytes the receiver has taken; does not wait, so it may be none. */
unsigned int serial_receive(struct vm *vm, const uint8_t *data, unsigned int len);

/* booting */
int cpuid_setup(struct vm *vm);
/* The entry of a leaf (subleaf 0), added if it is not there. */
struct kvm_cpuid_entry2 *cpuid_leaf(struct kvm_cpuid2 *cpuid, uint32_t function);
int linux_load(struct vm *vm);
int guest_load(struct vm *vm);
int guest_key(struct vm *vm);
int acpi_write(struct vm *vm);

/* sev.c: a guest that believes that it runs under SEV. */
#define SEV_CBIT	39
int sev_setup(struct vm *vm);
void sev_cpuid(struct kvm_cpuid2 *cpuid);
/* Answers an MSR exit; false: the guest gets #GP. */
bool sev_msr(struct vm *vm, struct kvm_run *run);
/* book.c: the shared-page set by either of its sources. */
int book_open(struct vm *vm);
void book_close(struct vm *vm);
int64_t book_exit(struct vm *vm, uint64_t gpa, uint64_t npages, uint64_t attrs);
void book_report(const struct vm *vm);
struct hcp_set *book_set(const struct vm *vm);
/* Is it still kept?  Of a struct vm. */
bool book_kept(void *vm);

/* control.c: commands on a UNIX socket, and their client. */
int control_start(struct vm *vm);
void control_stop(struct vm *vm);
int control_client(const char *socket, int argc, char **argv);

/* incoming.c: take a machine over; when it returns 0, it is this one's to run. */
int incoming(struct vm *vm, int signal_fd);
/* Is the machine here?  Waits for one that is about to run. */
bool arrived(struct vm *vm);

/* driver.c: what tells a --guest what to do. */
int driver_init(struct vm *vm);
/* One command of the control socket, its answer to out; false: it is none. */
bool driver_command(struct vm *vm, int argc, char **argv, FILE *out);

/* args.c: the command line.  0, or the status to end with; -1: help was asked for. */
int parse_args(int argc, char **argv, struct vm_config *cfg);
bool parse_size(const char *text, uint64_t min, uint64_t *bytes);
bool parse_number(const char *text, unsigned int max, unsigned int *n);

/* report.c: what is told at the end; vCPUs parked. */
void report(struct vm *vm);
int dump(struct vm *vm, const char *path);

#endif /* HCVM_VM_H */
