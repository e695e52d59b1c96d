#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The test guest in an unmodified QEMU, told by its command line and by COM1:
#	boot.sh [kvm|tcg]
# KVM answers KVM_HC_MAP_GPA_RANGE with -1000 (KVM_ENOSYS); TCG has no hypercalls.
set -u
shopt -s extglob
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
plan 31

elf=$bin/hcguest.elf accel=${1:-kvm}
case $accel in
tcg) ret=no-hypervisor user=$ret;;
*) ret=-1000 user=-1;;	# -KVM_EPERM
esac

# shellcheck disable=SC2054	# the commas are QEMU's
qemu=(timeout $((60 * patience)) qemu-system-x86_64 -accel "$accel" -m 64 -kernel "$elf"
	-nodefaults -no-user-config -display none -no-reboot -serial stdio
	-device isa-debug-exit,iobase=0xf4,iosize=4)

guest() { "${qemu[@]}" -append "$1"; }
serial() { printf '%s\n' "$@" | "${qemu[@]}"; }

check 'it boots and exits' gives 1 '^hcguest: ready' guest 'exit'
check 'the exit code' gives 43 ready guest 'exit 21'
check 'a request' gives 1 "^ret $ret" guest 'map 0x100000 16 0; exit'
check 'an expected answer' gives 1 "^ok $ret" guest "map 0x100000 16 0x10 expect $ret; exit"
check 'an unexpected answer' gives 3 "^FAIL ret $ret, expected 5" guest 'map 0x100000 16 0 expect 5; exit'
check 'pages are shared by name' gives 1 "^ok $ret" guest "share 0x100000 16 expect $ret; exit"
check 'and made private, in a loop' gives 1 "^ok $ret" guest "loop 3 private 0x100000 16 expect $ret; exit"
check 'a name that has no attributes takes none' gives 3 "^FAIL unknown option '0'" guest 'share 0x100000 16 0; exit'
check 'VMCALL' gives 1 "^ok $ret" guest "map 0 1 0 vmcall expect $ret; exit"
check 'VMMCALL' gives 1 "^ok $ret" guest "map 0 1 0 vmmcall expect $ret; exit"
check 'a request from CPL 3' gives 1 "^ok $user" guest "map 0 1 0 user expect $user; exit"
check 'another hypercall' gives 1 '^ret (-1000|no-hypervisor)' guest 'call 999 1 2 3; exit'
check 'a loop' gives 1 "^ok $ret" guest "loop 1000 map 0x1000 1 0 expect $ret; exit"
check 'random requests' gives 1 "^ok $ret" guest "random 42 1000 65536 expect $ret; exit"
check 'random requests, unexpected' gives 3 "^FAIL request 0: ret $ret, expected 7" guest 'random 42 10 100 expect 7; exit'
check 'memory' gives 1 '^ok 77' guest 'write 0x400000 77; read 0x400000 expect 77; exit'
check 'memory, filled' gives 1 '^ok 9' guest 'fill 0x400000 0x2000 9; read 0x401ff8 expect 9; exit'
check 'memory, not aligned' gives 1 '^ret bad-request' guest 'read 0x400001; exit'
check 'work, whether or not it may convert' gives 1 '^verdict: PASS' guest 'work 0x400 64 1 2000; check 0x400 64; verdict'
check 'work, and its pages are right' gives 1 '^ok 64' guest 'work 0x400 64 1 200; check 0x400 64; exit'
check 'a wrong page is named' gives 3 '^FAIL bad pages: 1, the first gfn 0x405: bad words: 1, the first at offset 0x10 is 0x4d instead of 0x' \
	guest 'work 0x400 64 1 200; write 0x405010 77; check 0x400 64; exit'
check 'a wrong page means a bad verdict' gives 3 '^verdict: FAIL' guest 'work 0x400 64 1 200; write 0x405010 77; check 0x400 64; verdict'
check 'work until COM1 says something' gives 1 '^verdict: PASS' serial 'work 0x400 64 1 0' 'check 0x400 64' verdict
check 'no encryption by a VMM that has no keys' gives 3 '^FAIL encrypt: the VMM ' guest 'encrypt; exit'
check 'work out of bounds' gives 3 '^FAIL work wants pages' guest 'work 0x3ff 1 1 1; exit'
check 'check out of bounds' gives 3 '^FAIL check wants pages' guest 'check 0x400 0x38001; exit'
check 'an unknown command' gives 3 "^FAIL unknown command 'frob'" guest 'frob 1; exit'
check 'too few numbers' gives 3 "^FAIL too few numbers for 'map'" guest 'map 1 2; exit'
check 'not a number' gives 3 "^FAIL not a number: '1x'" guest 'map 1x 2 3; exit'
# UD2 where a function of the guest begins, called next.
address=$(nm "$elf" | awk '$3 == "kernel_vmcall" { print $1 }')
check 'an exception is reported' gives 127 "^FAIL vCPU 0: exception 6 at 0x${address##*(0)}, error code 0x0" \
	guest "write 0x$address 0x0b0f; map 0 1 0 vmcall; exit"
check 'commands by COM1' gives 1 "^ok $ret" serial "map 0x1000 1 0 expect $ret" exit
finish
