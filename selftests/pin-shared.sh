#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# examples/pin-shared.c: what it has mapped is what the guest shares, whatever events are lost.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
plan 6

name=hcst-pin
hcpolicy() { "$bin/hcpolicy" "$@"; }

guest()
{
	mkfifo "$work/in" && exec 9<> "$work/in"
	"$bin/hcvm" --guest "$bin/hcguest.elf" --mem 16M --policy notify --name $name \
		< "$work/in" >> "$work/console" 2>&1 &
	children+=($!)
	within 60 grep -q ready "$work/console"
}

# ask COMMAND: the guest does that, and all is answered as it expects
ask()
{
	: > "$work/console"
	echo "$1 expect 0" >&9
	within 300 grep -q '^ok' "$work/console" || { cat "$work/console"; return 1; }
}

begins()
{
	guest && ask 'random 1 100 0x1000' || return
	"$top/build/examples/pin-shared" $name >> "$work/said" 2>&1 &
	pinner=$!
	children+=("$pinner")
	within 60 grep '^begins: [1-9]' "$work/said"
}

# What it says when it is asked: as many bytes as the set has.
bytes() { hcpolicy show $name -j | sed 's/.*"shared_pages":\([0-9]*\).*/\1 * 4096/'; }
right()
{
	: > "$work/said"
	kill -USR1 "$pinner" && within 60 grep -q '^pinned' "$work/said"
	cat "$work/said"
	grep -q "^pinned $(($(bytes))) bytes in [0-9]* mappings, exactly what is shared$" "$work/said"
}
follows() { ask 'random 2 500 0x1000' && right && ! grep lost "$work/said"; }

# It sleeps while there are more events than there is room for.
lost()
{
	kill -STOP "$pinner" && ask 'random 3 2500 0x1000' && : > "$work/said" || return
	hcpolicy show $name | grep '^counted  *events_lost  *[1-9]' && kill -CONT "$pinner" &&
		within 60 grep '^events were lost: ' "$work/said" && right
}
while_it_runs() { ask 'random 4 2000 0x1000' && right; }
replaced()
{
	hcpolicy replace $name notify && within 60 grep '^replaced: ' "$work/said" &&
		ask 'random 5 200 0x1000' && right
}
ends()
{
	: > "$work/said"
	echo 'exit 0' >&9
	wait "$pinner" || { cat "$work/said"; return 1; }
	grep 'exactly what is shared$' "$work/said"
}

check "it begins with what is shared" begins
check "it follows the guest" follows
check "when events were lost it looks at the set again" lost
check "it keeps up with a guest that asks all the time" while_it_runs
check "it goes on with a replacement" replaced
check "it ends with the VM, and was right to the last" ends
finish
