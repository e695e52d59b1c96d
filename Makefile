# SPDX-License-Identifier: GPL-2.0
# hcpolicy: see README.md.  Each folder has a Makefile of its own and works alone.
TOP := $(CURDIR)
include config.mk

.PHONY: all demo check check-debug check-upstream bench check-unit modules setup lint install clean help FORCE
.DEFAULT_GOAL := all

all: libhcpolicy bpf-progs guest loader vmm selftests	## build everything but the kernel modules

.PHONY: libhcpolicy bpf-progs guest loader vmm selftests
bpf-progs loader: libhcpolicy
vmm: libhcpolicy guest
selftests: bpf-progs loader vmm
libhcpolicy bpf-progs guest loader vmm selftests:
	$(Q)$(MAKE) --no-print-directory -C $@

modules:	## build KVM with the hook for the stock kernel RELEASE
	$(Q)$(MAKE) --no-print-directory -C kernel

setup:	## install what is missing (as root), or say what to run
	$(Q)scripts/setup

demo: setup	## a stock Linux guest, a policy, and the proof that the set is right
	$(Q)$(MAKE) --no-print-directory all modules
	$(Q)vmm/demo

check: setup	## every test: units here, the rest on the real hook in a VM
	$(Q)$(MAKE) --no-print-directory all modules
	$(Q)$(MAKE) --no-print-directory -C bench
	$(Q)scripts/tally $(UNIT_TESTS) $(VM_TESTS) 'bench/run --test'

# Whole guests boot on one processor: see selftests/run.
VM_TESTS = '$(MAKE) --no-print-directory -C libhcpolicy check-hook' \
	   'scripts/vm-run --smp 2 --mem 4G -- selftests/run $(KERNEL_TESTS)' \
	   'scripts/vm-run --smp 2 -- selftests/with-psc-trigger selftests/run snp_doors' \
	   'scripts/vm-run --smp 1 --mem 3G -- selftests/run set_model unload qemu.sh views.sh linux.sh storm'
KERNEL_TESTS = verdicts private_mem attach_errors lifetime hostile complete userfault upheaval
UNIT_TESTS = $(foreach dir,libhcpolicy guest loader,'$(MAKE) --no-print-directory -C $(dir) check')
check-unit: libhcpolicy guest loader	## the tests that need no VM
	$(Q)scripts/tally $(UNIT_TESTS)

check-debug: setup	## every test in a VM again, on a kernel that checks itself (slow)
	$(Q)$(MAKE) --no-print-directory all
	$(Q)kernel/build-debug $(BUILD)/debug-kernel
	$(Q)scripts/check-debug $(VM_TESTS)

check-upstream: setup	## upstream's KVM selftests on four kinds of KVM: by hand (slow)
	$(Q)$(MAKE) --no-print-directory all modules
	$(Q)$(MAKE) --no-print-directory -C kernel pristine
	$(Q)$(MAKE) --no-print-directory -C selftests/upstream
	$(Q)selftests/upstream/check $(RELEASE)

bench: setup	## instructions per request, counted
	$(Q)$(MAKE) --no-print-directory all modules
	$(Q)$(MAKE) --no-print-directory -C bench
	$(Q)bench/run

lint: setup	## checkpatch, sparse and W=1 on the kernel part
	$(Q)$(MAKE) --no-print-directory -C kernel lint

install: libhcpolicy bpf-progs loader vmm	## DESTDIR, PREFIX and LIBDIR as usual
	$(Q)for dir in libhcpolicy bpf-progs loader vmm; do \
		$(MAKE) --no-print-directory -C $$dir install || exit; done

clean:	## remove build/
	$(Q)rm -rf $(BUILD)

help:	## this
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile
