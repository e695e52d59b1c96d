#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The distribution's QEMU, as it is, running the test guest, with a policy that
# is attached from outside by the process id, before the guest's first
# instruction.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/qmp.sh
. "${BASH_SOURCE[0]%/*}/qmp.sh"
plan 10

name=hcst-qemu
commands='share 0x100000 16 expect 0'
commands+=';private 0x104000 2 expect 0'
commands+=';map 0x3ffff000 70000 0 expect 0'
commands+=';map 0x40000000 1 0x10 expect 0'
commands+=';random 7 500 256 expect 0'
commands+=';map 0x0 256 0x10 expect 0'
commands+=';map 0x1001 1 0 expect -22'
answered() { [ "$(grep -c '^ok 0\|^ok -22' "$work/serial")" = 7 ] || { cat "$work/serial"; return 1; }; }
complete() { hcpolicy show "$name" | grep -qE '^state +complete$' || { hcpolicy show "$name"; return 1; }; }
counters()
{
	qmp query-stats '{ "target": "vcpu", "providers": [ { "provider": "kvm", "names":
		[ "hcpolicy_handled", "hcpolicy_default" ] } ] }' > "$work/stats" || return
	cat "$work/stats"
	grep -q '"name": "hcpolicy_handled", "value": 505\b' "$work/stats" &&
		grep -q '"name": "hcpolicy_default", "value": 0\b' "$work/stats"
}
gone()
{
	hcpolicy list -j > "$work/list" || return
	! grep -q "\"$name\"" "$work/list" && [ ! -e "/sys/fs/bpf/hcpolicy/$name" ]
}
waits() { qmp query-status | grep '"prelaunch"'; }
quit() { qmp quit && wait "$pid"; }

start_qemu -serial "file:$work/serial" -kernel "$bin/hcguest.elf" -append "$commands" > /dev/null
check "QEMU starts and waits" waits
check "a policy attaches by the process id" hcpolicy attach bitmap --pid "$pid" --name "$name" --max-gpa 2G
check "a second one is refused" eval "! hcpolicy attach bitmap --pid $pid --name $name-2"
check "the guest starts" qmp cont
check "the policy answers all that the guest asks" within 60 answered
check "the set is what the guest asked for" same \
	'[{"gfn":256,"npages":4},{"gfn":262,"npages":10},{"gfn":262143,"npages":1},{"gfn":262145,"npages":69998}]' \
	hcpolicy ranges "$name" -j
check "the set is complete" complete
check "QEMU shows KVM's counters" counters
check "QEMU ends" quit
check "and the policy with it" within 60 gone
finish
