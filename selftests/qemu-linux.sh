#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The distribution's Linux, which believes that it runs under SEV, on QEMU with the object
# hcpolicy: is the set what its page tables say, before a migration and after it?
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/qmp.sh
. "${BASH_SOURCE[0]%/*}/qmp.sh"
# shellcheck source=selftests/hcp-qemu.sh
. "${BASH_SOURCE[0]%/*}/hcp-qemu.sh"
plan 19

kernel=$("$top/scripts/guest-kernel")
initrd=$top/build/guest-initrd.cpio.gz
features+=,+kvm-migration-control
limit=600
with_module=$work/initrd
# It shares a page when it is loaded: migrate-linux.sh has more about it.
{ cat "$initrd"; cd "${kernel%/*}" && echo ptp_kvm.ko | cpio -o -H newc --quiet | gzip -1; } > "$with_module"

# linux WORDS OPTIONS...: paused when it has powered off
linux()
{
	keeper=${keeper:+$keeper,}x-sev-lookalike=on boot 256 -kernel "$kernel" -initrd "$with_module" \
		-append "console=ttyS0 panic=-1 $1" -action shutdown=pause "${@:2}"
}
comes_up() { linux "$1" && qmp cont && says HCVM-GUEST-UP; }
believes_sev() { said 'Memory Encryption Features active: AMD SEV'; }

# The set against the page tables of a guest that is stopped, and at rest.
judged()
{
	qmp stop && complete && member ranges | grep -o '"gfn":[0-9]*,"npages":[0-9]*' |
		sed 's/[^0-9,]//g; s/,/ /' > "$work/$vm.ranges" &&
		qmp dump-guest-memory "{ \"paging\": false, \"protocol\": \"file:$work/$vm.core\",
			\"begin\": 0, \"length\": $((256 << 20)) }" || return
	gives 0 '; set: [0-9]{3,} shared; missing 0, extra 0$' \
		"$bin/hcp-oracle" --ranges "$work/$vm.ranges" "$work/$vm.core" && cat "$work/run"
}
# It would say if not.
notices()
{
	gives 1 'missing [01], extra [01]$' "$bin/hcp-oracle" --flip 0x1234 --ranges "$work/$vm.ranges" "$work/$vm.core" &&
		grep -w 0x1234 "$work/run"
}
ends() { event SHUTDOWN.*guest-shutdown && said 'HCVM-GUEST-END 0' || { tail "$work/$vm.says"; return 1; }; }
ends_by_line() { qmp cont && tell '' && ends && judged; }
moves() { on "$1" qmp cont && move "$1" "$2" linux "$rest"; }
gone() { on "$1" quits && on "$2" quits && rm -f "$work"/*.core; }

rest=hcvm.work=line
for how in policy exits; do
	keeper=${!how} a=$how-a b=$how-b
	check "Linux boots, its set kept by $how" on $a comes_up $rest
	check "it believes that it runs under SEV" on $a believes_sev
	check "the set is what its page tables say" on $a judged
	check "it migrates" moves $a $b
	check "the set there is what its page tables say" on $b judged
	check "and so it is when it ends, which it does well" on $b ends_by_line
	[ $how != policy ] || check "the oracle notices a page that the set has too much" on $b notices
	check "QEMU ends" gone $a $b
done

# Rounds of work, in each of which it converts a page.
keeper=$policy
busy="no-kvmclock hcvm.work=busy"
rounds() { says "HCVM-GUEST-ROUND $1\\b"; }
# The requests that the policy has answered so far.
answered() { cat /sys/kernel/debug/kvm/"${pids[$1]}"-*/hcpolicy_handled; }
begins() { comes_up "$busy" && rounds 2 && bandwidth $((16 << 20)); }
converts() { answered busy-a > "$work/before" && move busy-a busy-b linux "$busy"; }
goes_on() { qmp cont && rounds 40 && ends && judged; }
converted()
{
	local during there
	during=$(($(answered busy-a) - $(<"$work/before")))
	there=$(answered busy-b)
	echo "$during requests while it migrated, $there after it"
	[ "$during" -ge 2 ] && [ "$there" -ge 4 ]
}
check "Linux runs, writes and converts" on busy-a begins
check "it migrates meanwhile" converts
check "it goes on there, ends well, and the set is what its page tables say" on busy-b goes_on
check "it converted while it migrated, and after it" converted
finish
