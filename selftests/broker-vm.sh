#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# hcvm as a user without privileges, whom the kernel kills for a call of bpf(2), and its policy by
# hcpolicyd.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/hcpolicyd.sh
. "${BASH_SOURCE[0]%/*}/hcpolicyd.sh"
plan 8

# vm NAME OPTIONS...: its messages go to $work/NAME
as_user 1000
vm()
{
	local name=$1
	shift
	"${as[@]}" "$bin/hcvm" --guest "$bin/hcguest.elf" --mem 16M --policy notify --broker $socket --name "hcst-$name" \
		--control "$work/$name.control" "$@" < /dev/null > "$work/$name" 2>&1 &
	pid=$!
	children+=("$pid")
}
attached() { within 120 [ -d "/sys/fs/bpf/hcpolicy/hcst-$1" ] || { cat "$work/$1" "$work/broker"; return 1; }; }

runs() { vm a --append 'work 0x400 1024 1 0' && a=$pid && attached a && hcpolicy list | grep '^hcst-a .* yes '; }
shares() { within 60 eval 'hcpolicy ranges hcst-a | grep 0x'; }
migrates()
{
	vm b --incoming "unix:$work/in" && attached b && within 60 [ -S "$work/in" ] &&
		gives 0 'migrated|runs' "${as[@]}" "$bin/hcvm" migrate "$work/a.control" "unix:$work/in" && wait "$a"
}
arrived() { within 60 eval 'hcpolicy list | grep "^hcst-b .* yes "'; }
# The library has said why, in the broker and here.
refused_once()
{
	gives 1 "so 'nosuch' cannot be set" "${as[@]}" "$bin/hcvm" --guest "$bin/hcguest.elf" --mem 16M \
		--policy notify --param nosuch=1 --broker $socket || return
	same 1 grep -c "so 'nosuch' cannot be set" "$work/broker" || { cat "$work/broker"; return 1; }
	grep "of user 1000: refused: .*so 'nosuch' cannot be set" "$work/broker"
}
refused()
{
	local as
	as_user 1001
	gives 1 'no rule of /run/hcst-broker.conf allows user 1001 a policy: ask' "${as[@]}" "$bin/hcvm" --guest "$bin/hcguest.elf" --mem 16M \
		--policy notify --broker $socket && grep -x "hcvm: --broker $socket: the VM gets no policy 'notify'" "$work/run" &&
		! grep -i 'not permitted' "$work/run" && grep 'of user 1001: refused: no rule of /run/hcst-broker.conf allows' "$work/broker"
}
nothing_left() { kill "$pid" && within 60 no_name; }

check "the broker starts by its socket" broker_starts 'user:1000 notify 64G 2 *'
check "hcvm gets a policy without privileges and without bpf(2)" runs
check "the policy keeps the set" shares
check "hcvm migrates to another by the sets of both" migrates
check "whose set is complete" arrived
check "a user without a rule gets a refusal that hcvm prints" refused
check "one that asks for what the policy does not have, too, and the journal says it once" refused_once
check "after the VMs' end nothing is left" nothing_left
finish
