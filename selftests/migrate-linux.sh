#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The distribution's Linux, which believes that it runs under SEV, migrates while it
# writes files and converts pages; in the other process it goes on, takes CPUs away and
# brings them back, and then the set is what its page tables say.  (When a CPU goes,
# Linux takes back for good that it can be migrated.)
#
# A stock Linux converts while it runs only for a driver: here ptp_kvm, whose every
# loading shares a page and, in want of a kvmclock, hides it again.  So a second Linux,
# which has a kvmclock, shows that the clock migrates; and that a migration which begins
# with the boot waits until Linux says that it is ready.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/machines.sh
. "${BASH_SOURCE[0]%/*}/machines.sh"
plan 10
exec 3>&1		# check captures what a test prints

kernel=$("$top/scripts/guest-kernel")
with_module=$work/initrd
{
	cat "$top/build/guest-initrd.cpio.gz"
	cd "${kernel%/*}" && echo ptp_kvm.ko | cpio -o -H newc --quiet | gzip -1
} > "$with_module"
keeper=(--policy bitmap)

# linux INITRD WORDS...: what the machines are from now on
linux()
{
	machine=(--kernel "$kernel" --initrd "$1" --mem 256M --smp 2 --sev-lookalike
		--append "console=ttyS0 panic=-1 hcvm.work=busy ${*:2}")
}

rounds() { grep -c HCVM-GUEST-ROUND "$work/$1.console"; }
busy() { [ "$(rounds "$1")" -ge "$2" ]; }
# With a bandwidth at which nothing ever fits, rounds follow until it is cancelled.
judged() { sed '1,/^waiting until the guest/d' "$work/early" | grep '^round [0-9]*:'; }
judged_again()
{
	local client
	await early "${keeper[@]}" && launch clock-a "${keeper[@]}" || return
	"$hcvm" migrate "$work/clock-a.c" "${at[early]}" bandwidth=64K downtime=1 rounds=1000000 ready=3600 \
		> "$work/early" 2>&1 &
	client=$!
	children+=("$client")
	within 600 judged || { cat "$work/early"; return 1; }
	control clock-a cancel || return
	wait "$client" && return 1
	cat "$work/early"
	same running control clock-a status && ended early 1
}
boots()
{
	[ -n "${pids[$1-a]-}" ] || launch "$1-a" "${keeper[@]}" || return
	within 600 busy "$1-a" 2 && return
	tail "$work/$1-a.console"
	return 1
}

# The requests that the policy has answered so far.
answered() { cat /sys/kernel/debug/kvm/"${pids[$1]}"-*/hcpolicy_handled; }

migrates()
{
	await "$1-b" "${keeper[@]}" --dump "$work/$1.core" || return
	answered "$1-a" > "$work/$1.before"
	move "$1-a" "$1-b" "${@:2}" && ended "$1-a" 0
}
goes_on()
{
	within 600 busy "$1-b" 2 || { tail "$work/$1-a.console" "$work/$1-b.console"; return 1; }
	ended "$1-b" 0 || return
	tail -n 3 "$work/$1-b.console"
	# A panic ends with 0 as well, by a reset.
	same exit value "$1-b" end && grep 'HCVM-GUEST-END 0' "$work/$1-b.console" && grep 'ROUND 40' "$work/$1-b.console"
}
converted()
{
	local during there
	during=$(($(value convert-a hcpolicy_handled) - $(<"$work/convert.before")))
	there=$(value convert-b hcpolicy_handled)
	echo "# $during requests while it migrated, $there after it, of $(<"$work/convert.before") before" >&3
	[ "$during" -ge 4 ] && [ "$there" -ge 4 ]
}
waited() { grep 'migration-ready 1' "$work/$1-a.err"; }
oracle() { "$bin/hcp-oracle" "$work/$1.core"; }

linux "$with_module" no-kvmclock
check "Linux runs, writes and converts" boots convert
check "Linux migrates meanwhile" migrates convert bandwidth=16M
check "Linux goes on in the other process, and ends well" goes_on convert
check "Linux converted while it migrated, and after it" converted
check "Linux had said that it can be migrated" waited convert
check "the set there is what Linux's page tables say" oracle convert

linux "$top/build/guest-initrd.cpio.gz"
check "what has to fit is judged again when Linux, early in its boot, says ready" judged_again
check "Linux with a kvmclock migrates" eval 'boots clock && migrates clock'
check "its clock goes on in the other process" goes_on clock
check "its set there is what its page tables say" oracle clock
finish
