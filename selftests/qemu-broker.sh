#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# QEMU with the object hcpolicy as a user without privileges, whom the kernel kills for a call of
# bpf(2), and its policy by hcpolicyd.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/qmp.sh
. "${BASH_SOURCE[0]%/*}/qmp.sh"
# shellcheck source=selftests/hcp-qemu.sh
. "${BASH_SOURCE[0]%/*}/hcp-qemu.sh"
# shellcheck source=selftests/hcpolicyd.sh
. "${BASH_SOURCE[0]%/*}/hcpolicyd.sh"
plan 16

as_user 1000
keeper=policy=bitmap,broker=$socket
# The cache may be root's alone.
cp -rL "${HCP_QEMU%/*}" "$work/qemu"
HCP_QEMU=$work/qemu/${HCP_QEMU##*/}

starts() { on a hcguest '' && on a qmp cont && on a says '^hcguest: ready'; }
unprivileged()
{
	local pid=${pids[a]}
	grep -qx $'CapEff:\t0*' "/proc/$pid/status" && grep -qx $'Seccomp:\t2' "/proc/$pid/status" &&
		! readlink "/proc/$pid/fd/"* | grep bpf-prog
}
listed() { same '"bitmap"' on "$1" member policy && hcpolicy list | grep -E "^${pids[$1]} .* bitmap .* yes "; }
ranges='[{"gfn":256,"npages":16},{"gfn":1024,"npages":1}]'
shares()
{
	on a ask 'map 0x100000 16 0' && on a ask 'map 0x400000 1 0' && same "$ranges" on a member ranges &&
		same "$ranges" hcpolicy ranges "${pids[a]}" -j && on a complete
}
resets()
{
	on a qmp system_reset && on a event '"RESET"' && on a says '^hcguest: ready' 2 &&
		same '[]' on a member ranges && same '[]' hcpolicy ranges "${pids[a]}" -j && on a complete
}
moves()
{
	on a quits && on b hcguest "$work_command" && on b qmp cont && on b works &&
		move b c hcguest '' && on c qmp cont && on c works
}
moved() { on c pages_right && on c complete && listed c; }
ends() { on b quits && on c quits && within 60 no_name; }

check "the broker starts by its socket" broker_starts 'user:1000 bitmap 4G 2' 'user:1001 bitmap 16M 1' \
	'user:1003 quota 4G 1 ceiling'
check "QEMU gets its policy without privileges and without bpf(2)" starts
check "it has neither a capability nor a program" unprivileged
check "the hcpolicy command lists it by QEMU's process, with a complete set" listed a
check "QEMU and the hcpolicy command show what the guest shares" shares
check "after system_reset both are empty" resets
check "a guest migrates to another QEMU by the sets of both" moves
check "where its pages are right, and its set is complete" moved
check "after the end of both nothing is left" ends

# What the rules do not allow: QEMU says so, and does not start.
vm=refused
refused() { gives 1 "$1" bad "${@:2}"; }
bad()
{
	local as
	as_user "$1"
	"${as[@]}" "$HCP_QEMU" -accel kvm -cpu host -m 32 -nodefaults -display none -S -object "hcpolicy,id=set,$2"
}
check "a user without a rule gets a refusal that QEMU prints" \
	refused 'hcpolicy: no rule of .* allows user 1002' 1002 "policy=bitmap,broker=$socket"
check "so does one whose set is too large" \
	refused 'a set up to 32 MiB is larger than .*at most 16 MiB' 1001 "policy=bitmap,broker=$socket"
check "and one who wants another parameter" \
	refused "parameter 'window_end' is not allowed" 1003 "policy=quota,params=window_end=1,broker=$socket"
check "where nobody listens, the message names the unit" \
	refused 'systemctl start hcpolicyd.socket' 1000 "policy=bitmap,broker=$work/nobody"
check "a broker without a policy makes no sense" refused "'broker' needs 'policy'" 1000 "broker=$socket"

vm=detached
# What a policy is to do goes along.
limited()
{
	local as
	as_user 1003
	keeper=policy=quota,params=ceiling=4,broker=$socket
	hcguest '' && qmp cont && says '^hcguest: ready' && ask 'map 0x100000 4 0' &&
		! ask 'map 0x200000 1 0'
}
loses_it()
{
	hcpolicy detach "${pids[$vm]}" && event '"HCPOLICY_INCOMPLETE".*detached' && same false member complete && quits
}
check "parameters go along" limited
check "the operator detaches it, and QEMU says that the set is not complete any more" loses_it
finish
