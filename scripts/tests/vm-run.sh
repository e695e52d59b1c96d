#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm-run --root, tried with this system itself, in one boot.  The machines of the other tests
# show the rest of vm-run.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/../../selftests/tap.sh"
plan 7

# shellcheck disable=SC2154	# top and work are tap.sh's
cd "$top" || exit
vm_run() { "$top/scripts/vm-run" "$@"; }
release=$(scripts/kernel-release "${VM_RUN_RELEASE:-6.12}") || exit
root=$(scripts/kernel-root "$release")
mark=hcpolicy-$$

boots()
{
	gives 41 '' vm_run --smp 1 --root "$root" --release "$release" -- bash -c "
		uname -r
		[ -e /dev/kvm ] || echo no KVM
		modprobe kvm_amd || modprobe kvm_intel
		[ ! -e /dev/kvm ] || echo KVM
		sha256sum README.md
		touch $mark || echo no $mark
		echo $mark > /etc/$mark && mv /etc/$mark /opt && rm -r /etc/apt && cat /opt/$mark
		exit 41" && mv "$work/run" "$work/boot"
}
said() { cat "$work/boot"; grep -qxF -- "$1" "$work/boot"; }
loads_kvm() { said 'no KVM' && said KVM; }
project() { said "$(sha256sum README.md)" && said "no $mark" && [ ! -e "$mark" ]; }
nothing_stays() { [ -e "$root/etc/apt" ] && [ ! -e "$root/etc/$mark" ] && [ ! -e "$root/opt/$mark" ]; }

check "it ends as the command does" boots
check "the kernel is that system's" said "$release"
check "no KVM is there until it is loaded" loads_kvm
check "the project is there, and cannot be written" project
check "the command can write everywhere else" said "$mark"
check "nothing of that stays" nothing_stays
mkdir "$work/boot-less"
check "a folder without a kernel is refused, and says what helps" \
	gives 123 'linux-image-amd64' vm_run --root "$work/boot-less" -- true
finish
