#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What hcpolicy probe says of KVM when the one that is loaded is not the one that is installed, as
# after an installation or a removal of hcpolicy-dkms; and that its remedy, typed in, is one.
# Nobody else may have a VM meanwhile: run starts this without its own.
# What it lays over /lib/modules, nobody else sees.
set -u
[ -n "${HCST_OWN_MOUNTS-}" ] || HCST_OWN_MOUNTS=1 exec unshare --mount "$0"
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/hook-state.sh
. "${BASH_SOURCE[0]%/*}/hook-state.sh"
plan 9

modules=/lib/modules/$(uname -r)
ours=$top/build/modules/$(uname -r)
vendor=kvm_amd
! grep -qw vmx /proc/cpuinfo || vendor=kvm_intel

# Laid over the machine's, in memory: the stock KVM, and what it needs.
lay_modules()
{
	(cd "$modules" && cp -r --parents -t "$work" modules.{order,builtin,builtin.modinfo} \
		kernel/{arch/x86/kvm,virt,drivers/crypto/ccp}) &&
		mount -t tmpfs modules "$modules" && cp -r "$work"/{kernel,modules.*} "$modules" && depmod
}
install_ours() { mkdir -p "$modules/updates/dkms" && cp "$ours"/*.ko "$modules/updates/dkms" && depmod; }
remove_ours() { rm -r "$modules/updates" && depmod; }
unload() { modprobe -r $vendor kvm && [ ! -e /sys/module/kvm ]; }
in_json()
{
	hcpolicy probe -j > "$work/json"
	cat "$work/json"
	grep -q '"name":"hook","ok":false,"needed":true,"text":"the kvm that is loaded has no hook, but' "$work/json"
}

names=("probe says that KVM is not loaded, and what to type"
	"that loads the hook"
	"a removal changes nothing that runs, and probe says what comes after a reboot"
	"stock KVM runs, the hook is not installed: probe says where it comes from"
	"KVM is not loaded, the hook is not installed: the same"
	"stock KVM runs, the hook is installed: probe says what to type"
	"the same in JSON"
	"typed in while a VM runs, it fails and changes nothing"
	"typed in without a VM, it brings the hook")
if [ ! -e /sys/module/kvm/initstate ]; then
	skip "KVM is built in here" "${names[@]}"
	finish
fi

again()
{
	says 0 'calls policies' && ! grep 'until a reboot' "$work/run" && remove_ours &&
		says 0 'calls policies, but only until a reboot: the modules on disk have no hook'
}
stock() { unload && modprobe $vendor && says 1 "on $(uname -r) has no hook: on a kernel 6.12 of Debian, install hcpolicy-dkms"; }
# A VM of hcvm without a policy, which waits for its guest.
busy()
{
	"$bin/hcvm" --guest "$bin/hcguest.elf" --incoming "unix:$work/vm" < /dev/null > "$work/vm.log" 2>&1 &
	children+=($!)
	within 30 test -S "$work/vm" || { cat "$work/vm.log"; return 1; }
	! remedy && says 1 'no VM running, modprobe -r' && kill -0 $! && kill $! && ! wait $!
}

lay_modules && install_ours && unload || exit
check "${names[0]}" says 1 "kvm is not loaded: modprobe $vendor, which has the hook"
modprobe $vendor
check "${names[1]}" says 0 'calls policies'
check "${names[2]}" again
check "${names[3]}" stock
unload
check "${names[4]}" says 1 "kvm is not loaded, and the one for $(uname -r) has no hook: on a kernel 6.12 of Debian, install"
modprobe $vendor && install_ours
check "${names[5]}" says 1 "no VM running, modprobe -r $vendor kvm && modprobe $vendor"
check "${names[6]}" in_json
check "${names[7]}" busy
check "${names[8]}" eval 'within 30 remedy && says 0 "calls policies"'
finish
