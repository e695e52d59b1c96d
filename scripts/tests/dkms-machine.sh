#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What check-dkms does in the machine, whose system has the stock KVM and /debs, perhaps
# installed: the way to the hook, and the way back.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/../../selftests/tap.sh"
# shellcheck source=selftests/hook-state.sh
. "${BASH_SOURCE[0]%/*}/../../selftests/hook-state.sh"
# shellcheck disable=SC2154	# top and work are tap.sh's
plan 13

release=$(uname -r)
hcpolicy() { command hcpolicy "$@"; }
export PATH=$PATH:$bin

# The stock KVM, although ours may be installed.  Debian 13's dkms moves it away meanwhile.
load_stock()
{
	local name file
	modprobe -a irqbypass ccp || return
	for name in kvm kvm-amd; do
		file=$(find "/lib/modules/$release/kernel" "/var/lib/dkms/hcpolicy/original_module/$release" \
			-name "$name.ko.xz" 2>/dev/null)
		insmod "$file" || return
	done
}

start_vm()
{
	qemu-system-x86_64 -accel kvm -m 64 -S -nodefaults -no-user-config -display none \
		-daemonize -pidfile "$work/pid" && pid=$(cat "$work/pid") && children+=("$pid")
}
end_vm() { kill "$pid" && within 60 eval "! kill -0 $pid"; }
busy() { start_vm && ! remedy && kill -0 "$pid" && says 1 'no VM running, modprobe -r' && end_vm; }
installed() { dpkg -s hcpolicy-dkms 2>/dev/null | grep -q '^Status: install ok installed'; }
qemu_test() { gives 0 '^10 passed, 0 failed, 0 skipped' "$top/selftests/qemu.sh"; }
held_vm() { start_vm && hcpolicy attach bitmap --pid "$pid" --name held && hcpolicy list | grep held; }
remove() { gives 0 'still loaded: reboot; or, with no VM running: modprobe -r' dpkg -r hcpolicy-dkms; }
held_still() { kill -0 "$pid" && says 0 'only until a reboot' && hcpolicy show held && hcpolicy list | grep held; }
in_place() { modinfo -n "$1" | grep -x "/lib/modules/$release/kernel/.*"; }
left() { in_place kvm && in_place kvm_amd && in_place kvm_intel && in_place kvmgt && [ -z "$(find "/lib/modules/$release" -path '*updates*' -name '*.ko*')" ]; }
stock() { modprobe -r kvm_amd kvm && modprobe kvm_amd && says 1 "on $release has no hook: on a kernel 6.12"; }

check "the stock KVM is loaded" load_stock
if installed; then
	skip "they are installed already" "probe says where the hook comes from" "the packages are installed"
else
	check "probe says where the hook comes from" says 1 'install hcpolicy-dkms'
	check "the packages are installed" gives 0 'KVM that is loaded now is still the old one: reboot' \
		sh -c 'dpkg -i /debs/*.deb'
fi
check "probe says how to load the hook" says 1 "no VM running, modprobe -r kvm_amd kvm && modprobe kvm_amd"
check "typed in while a VM runs, that changes nothing" busy
check "typed in without a VM, it loads the hook" eval 'within 60 remedy && says 0 "calls policies"'
check "a policy is attached to a QEMU, and its set is right" qemu_test
check "kvmgt, whose symbol versions have to fit, is loaded" modprobe kvmgt
modprobe -r kvmgt
check "a VM with a policy runs" held_vm
check "the package is removed meanwhile, and says what to do" remove
check "the VM and its policy are as before, and probe says until when" held_still
check "no module is left, and those of the kernel are in their places" left
end_vm
check "the stock KVM is back" within 60 stock
finish
