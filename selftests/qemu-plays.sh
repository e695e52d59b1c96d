#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Wrong orders of a migration, on QEMU with the object hcpolicy, played so that the bad moment
# comes every time: the guest converts two pages during the first round, one that is sent and one
# that is still to be sent.  It does not write them again, so no dirty log helps.
#
# The guest keeps 8 bytes in each page as they are, without encryption.  While the page is private
# they do not survive a migration, which encrypts them for the target.  When the page is shared
# they do, whenever it became so.
# HCP_PLAYS=N: how often each is played (default 1).
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/qmp.sh
. "${BASH_SOURCE[0]%/*}/qmp.sh"
# shellcheck source=selftests/hcp-qemu.sh
. "${BASH_SOURCE[0]%/*}/hcp-qemu.sh"
plan 5

keeper_of=$policy times=${HCP_PLAYS:-1} plays=0
early=0x500000 late=0x1e00000 value=0x1122334455667788

# sent N: pages, in the order of their addresses
sent()
{
	qmp query-migrate > "$work/$vm.migrate" && grep -q '"status": "active"' "$work/$vm.migrate" &&
		[[ $(<"$work/$vm.migrate") =~ \"normal\":\ ([0-9]+) ]] && ((BASH_REMATCH[1] >= $1))
}
# A round begins once what is left fits into the downtime: with this one, not before the late page is sent.
begins()
{
	hcguest encrypt && qmp cont && says '^ok 0' &&
		tell "write $early $value" && tell "write $late $value" &&
		ask "private $late 1" && bandwidth 500000 &&
		qmp migrate-set-parameters '{ "downtime-limit": 1 }'
}
# reads PAGE N: the guest says what is in it, as its N-th answer
reads() { tell "read $1" && says '^ret' "$2"; }

# play ORDER: prints which pages are right on the target; status 9 if it was no play
play()
{
	local a=a$((plays += 1)) b=b$plays right='' got
	keeper=${keeper_of:+$keeper_of,}x-wrong=$1
	on $a begins && on $b hcguest encrypt -incoming "unix:$work/$b.m" &&
		on $a migrate "unix:$work/$b.m" && on $a within 200 sent 1500 &&
		on $a ask "share $early 1" && on $a ask "share $late 1" || return 9
	# The late one is page 7680.  The first 1024 are shared, and may be zero and not counted.
	! on $a sent 6400 && on $a status_is active && on $a bandwidth $((1 << 30)) &&
		on $a becomes completed && on $b lands && on $b qmp cont || return 9
	on $b reads $early 1 && on $b reads $late 2 || return 9
	mapfile -t got < <(sed -n 's/^ret \([0-9-]*\).*/\1/p' "$work/$b.says")
	[ "${got[0]}" != $((value)) ] || right+=' early'
	[ "${got[1]}" != $((value)) ] || right+=' late'
	on $a quits && on $b quits || return 9
	echo "order '$1': right:$right"
	[ "$right" = "${2:+ $2}" ]
}
# repeated ORDER RIGHT: each time these pages only are right
repeated()
{
	local i
	for ((i = 1; i <= times; i++)); do
		play "$@" || { echo "in play $i of $times, status $?"; return 1; }
	done
}

check "by the right rule both pages arrive" repeated nothing 'early late'
check "and so they do with the set kept by exits" eval "keeper_of=$exits repeated nothing 'early late'"
check "who forgets requests is caught $times times of $times" repeated unbooked ''
check "who takes the status of the round's begin is caught, too" repeated early ''
check "who does not compare the status with that of the last send is caught, too" repeated no-xor late
finish
