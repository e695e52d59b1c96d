# SPDX-License-Identifier: GPL-2.0
# hcpolicy: see README.md.  Each folder has a Makefile of its own and works alone.
TOP := $(CURDIR)
include config.mk

.PHONY: all deb check-deb demo check check-long check-debug check-qemu check-trixie check-dkms check-libvirt check-upstream check-arm64 bench bench-quick check-unit modules setup kit lint install clean help FORCE
.DEFAULT_GOAL := all

# A machine of arm64 gets what its tests use.
ifeq ($(ARCH),arm64)
all: libhcpolicy bpf-progs guest loader selftests
else
all: libhcpolicy bpf-progs guest loader broker vmm examples selftests man	## build everything but the kernel modules (ARCH=arm64: for a machine of arm64)
endif

.PHONY: libhcpolicy bpf-progs guest loader broker vmm examples selftests man
libhcpolicy:	## the library
bpf-progs: libhcpolicy	## the policies
guest:	## the test guest
loader: libhcpolicy guest	## the hcpolicy command
broker: libhcpolicy	## hcpolicyd, which attaches for VMMs that may not
vmm: libhcpolicy guest	## hcvm, the small VMM
examples: libhcpolicy	## programs to copy
selftests: bpf-progs loader $(if $(filter x86,$(ARCH)),broker vmm)	## the selftests' own programs
ifeq ($(ARCH),arm64)
# The BPF objects are x86's.  What their makes share is there before several of them run at once.
.PHONY: bpf-of-x86
libhcpolicy: bpf-of-x86
bpf-of-x86:
	$(Q)$(MAKE) --no-print-directory ARCH=x86 BUILD=$(TOP)/build bpf-progs
endif
libhcpolicy bpf-progs guest loader broker vmm examples selftests:
	$(Q)$(MAKE) --no-print-directory -C $@

man:	## the manual pages, for `hcpolicy help` too
	$(Q)$(MAKE) --no-print-directory -C docs/man

modules:	## build KVM with the hook for the stock kernel RELEASE
	$(Q)$(MAKE) --no-print-directory -C kernel

# A target and not the folder of that name.  For x86 there are modules, and check-debug's kernel.
.PHONY: kernel
kernel: $(if $(filter arm64,$(ARCH)),setup)	## ARCH=arm64: a whole kernel with the hook, for scripts/vm-run --arch arm64
	$(Q)[ "$(ARCH)" = arm64 ] || { echo "make kernel is for ARCH=arm64; for x86 there is make modules" >&2; exit 1; }
	$(Q)kernel/build-arm64 $(RELEASE) $(TOP)/build/arm64-kernel/$(RELEASE)

setup:	## install what is missing (as root), or say what to run
	$(Q)scripts/setup

demo: setup	## a stock Linux guest, a policy, and the proof that the set is right
	$(Q)$(MAKE) --no-print-directory all modules
	$(Q)vmm/demo

check: setup	## every test: units here, the rest on the real hook in a VM
	$(Q)$(MAKE) --no-print-directory all modules kit tests
	$(Q)$(MAKE) --no-print-directory -C bench
	$(Q)DEB_BUILD_OPTIONS=nocheck scripts/deb
	$(Q)scripts/tally -j 2 $(UNIT_TESTS) $(VM_TESTS) scripts/tests/vm-run.sh bench/run

# The programs of tests that a machine runs, which cannot build there.
.PHONY: tests
tests: libhcpolicy
	$(Q)$(MAKE) --no-print-directory -C libhcpolicy tests
	$(Q)$(MAKE) --no-print-directory -C guest tests

# A command for each machine of selftests/list.
machines = $(foreach m,$(1),'scripts/vm-run $(shell sed -n 's/^machine $(m) //p' selftests/list) selftests/run $(m)')
VM_TESTS = $(call machines,$(filter-out long arm qemu%,$(shell awk '$$1 == "machine" { print $$2 }' selftests/list)))
UNIT_TESTS = $(foreach dir,libhcpolicy guest loader broker docs/man models,'$(MAKE) --no-print-directory -C $(dir) check')
check-unit: libhcpolicy bpf-progs guest loader broker vmm	## the tests that need no VM
	$(Q)scripts/tally $(UNIT_TESTS)

check-long: setup	## 1,000 random migrations, wrong orders 10 times each, kill -9 at 50 moments (slow)
	$(Q)$(MAKE) --no-print-directory all modules
	$(Q)HCP_MIGRATIONS=1000 HCP_CUTS=100 HCP_PLAYS=10 VM_RUN_TIMEOUT=14400 scripts/tally -j 2 \
		$(call machines,migrate plays long)

check-debug: setup	## every test in a VM again, on a kernel that checks itself (slow)
	$(Q)$(MAKE) --no-print-directory all kit tests
	$(Q)kernel/build-debug $(RELEASE) $(BUILD)/debug-kernel/$(RELEASE)
	$(Q)scripts/check-debug $(RELEASE) -j 2 $(VM_TESTS)

# HCP_QEMU=PROGRAM tests that one, and builds none.
QEMU_VERSION ?= 7.2
check-qemu: setup	## QEMU with the patches of contrib/qemu (QEMU_VERSION=10.0), built and tested; LONG=1: 100 migrations (root)
	$(Q)$(MAKE) --no-print-directory all modules kit
	$(Q)HCP_QEMU=$${HCP_QEMU:-$$(contrib/qemu/build $(QEMU_VERSION))} && export HCP_QEMU && \
		$(if $(LONG),HCP_MIGRATIONS=50 HCP_PLAYS=10 VM_RUN_TIMEOUT=28800) scripts/tally -j 2 $(call machines,qemu-rule qemu)

# An ordinary VM's door is the same code in each mode.  Protected mode has EL2 between it and KVM.
ARM = 'scripts/vm-run --kvm-mode $(1) $(shell sed -n 's/^machine arm //p' selftests/list) selftests/run $(2)'
check-arm64: setup	## the hook on an emulated arm64, with KVM in each of its modes, and what a request costs
	$(Q)$(MAKE) --no-print-directory all
	$(Q)$(MAKE) --no-print-directory ARCH=arm64 all kernel
	$(Q)$(MAKE) --no-print-directory ARCH=arm64 -C bench
	$(Q)scripts/tally -j 2 $(call ARM,vhe,arm64) $(call ARM,nvhe,arm64) $(call ARM,protected,lifetime arm_door arm_linux)
	$(Q)scripts/vm-run --arch arm64 --icount -- build/arm64/bench/cost -1 none=none exit=exit bitmap=bitmap

check-trixie:	## the demo and every test on a fresh Debian 13, in a chroot (as root, slow)
	$(Q)scripts/check-trixie

check-upstream: setup	## upstream's KVM selftests on four kinds of KVM: by hand (slow)
	$(Q)$(MAKE) --no-print-directory all modules
	$(Q)$(MAKE) --no-print-directory -C kernel pristine
	$(Q)$(MAKE) --no-print-directory -C selftests/upstream
	$(Q)selftests/upstream/check $(RELEASE)

check-dkms: setup	## hcpolicy-dkms on Debian 12 and 13, from installation to removal: by hand, as root (slow)
	$(Q)$(MAKE) --no-print-directory all
	$(Q)DEB_BUILD_OPTIONS='$(DEB_BUILD_OPTIONS) nocheck' scripts/deb
	$(Q)scripts/tally $(foreach suite,bookworm trixie,'scripts/check-dkms $(suite)')

check-libvirt: setup	## libvirt of Debian 12 and 13 starts QEMUs with the hook for libvirt: by hand, as root (slow)
	$(Q)$(MAKE) --no-print-directory all modules
	$(Q)DEB_BUILD_OPTIONS='$(DEB_BUILD_OPTIONS) nocheck' scripts/deb
	$(Q)scripts/tally $(foreach suite,bookworm trixie,'scripts/check-libvirt $(suite)')

bench: setup bench-programs	## what it costs, counted, and the tables of README.md and docs/bench.md
	$(Q)VM_RUN_RELEASE=$(RELEASE) bench/measure
	$(Q)VM_RUN_RELEASE=$(RELEASE) bench/report --write
	$(if $(filter 6.12,$(RELEASE)),$(Q)bench/plot)

bench-quick: setup bench-programs	## one request only, in some minutes, and no table is written
	$(Q)VM_RUN_RELEASE=$(RELEASE) bench/measure --quick
	$(Q)VM_RUN_RELEASE=$(RELEASE) bench/report

.PHONY: bench-programs
bench-programs:
	$(Q)$(MAKE) --no-print-directory all modules
	$(Q)$(MAKE) --no-print-directory -C kernel native
	$(Q)$(MAKE) --no-print-directory -C bench

kit: setup guest	## the conformance kit: build/hcpolicy-kit-VERSION.tar.gz
	$(Q)$(MAKE) --no-print-directory -C kit

deb: setup	## the Debian packages, in build/deb
	$(Q)scripts/deb

check-deb:	## the packages on Debian 12 and 13: the same twice, lintian, piuparts (root; slow)
	$(Q)scripts/check-deb bookworm
	$(Q)scripts/check-deb trixie

lint: setup	## checkpatch, shellcheck, spelling, circles of files; sparse and W=1 on the kernel part
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/lint; status=$$?; $(MAKE) --no-print-directory -C kernel lint && exit $$status

compile_commands.json: FORCE	## for clangd and the like; wants bear, and builds all anew
	$(Q)bear --output $@ -- $(MAKE) --no-print-directory BUILD=$(BUILD)/$@ all tests

install:	## DESTDIR, PREFIX and LIBDIR as usual
	$(Q)for dir in libhcpolicy bpf-progs guest kit loader broker vmm docs/man; do \
		$(MAKE) --no-print-directory -C $$dir install || exit; done

clean:	## remove build/
	$(Q)rm -rf $(BUILD)

help:	## this
	@awk -F':.*## ' '/^[a-z_.-]+:.*## /{printf "  make %-25s %s\n", $$1, $$2}' Makefile
	@echo '  make -C kernel export          write the hook as a patch series (RELEASE=, OUT=)'
	@echo '  make -C kernel check-export    and check that every step of it applies and builds'
	@echo '  make -C kernel check-kselftest and build and run the kselftest in it'
