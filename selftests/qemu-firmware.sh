#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The distribution's EFI firmware and Linux, which believe that they run under SEV, on QEMU with
# the object hcpolicy.  This firmware makes no requests, and so Linux never says that it can be migrated.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/qmp.sh
. "${BASH_SOURCE[0]%/*}/qmp.sh"
# shellcheck source=selftests/hcp-qemu.sh
. "${BASH_SOURCE[0]%/*}/hcp-qemu.sh"
plan 7

kernel=$("$top/scripts/guest-kernel")
limit=900
# With KVM's own interrupt controller the emulator of this machine ends at an assertion
# (docs/qemu.md).  So QEMU has the controller.
accel=,kernel-irqchip=off
features+=,+kvm-migration-control,kvm-asyncpf=off,kvm-asyncpf-int=off,kvm-pv-eoi=off,kvm-steal-time=off
keeper+=,x-sev-lookalike=on

starts()
{
	cp /usr/share/OVMF/OVMF_VARS_4M.fd "$work/vars" &&
		boot 512 -drive if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd \
			-drive "if=pflash,format=raw,unit=1,file=$work/vars" -kernel "$kernel" \
			-initrd "$top/build/guest-initrd.cpio.gz" -append 'console=ttyS0 panic=-1 hcvm.work=line' &&
		qmp cont
}
firmware_is_there() { says 'efi: EFI v[0-9.]* by '; }
up() { says HCVM-GUEST-UP && said 'Memory Encryption Features active: AMD SEV'; }
judged() { linux_judged 512; }
not_ready() { same false member ready && gives 1 'guest is not ready' migrate "unix:$work/none"; }

check "a VM with firmware starts, its set kept by a policy" starts
check "Linux finds the firmware" firmware_is_there
check "Linux is up, and believes that it runs under SEV" up
check "the set is what its page tables say" judged
check "Linux says that the firmware does not permit a migration" said 'EFI live migration variable not found'
check "so the guest is not migrated" not_ready
check "QEMU ends" quits
finish
