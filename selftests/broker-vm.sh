#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# hcpolicyd as its unit starts it, by its socket and with its capability alone; and hcvm as a user
# without privileges, whom the kernel kills for a call of bpf(2).
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
plan 7

socket=/run/hcst-broker
conf=/run/hcst-broker.conf
chmod 0666 /dev/kvm
chmod 0777 "$work"

# In place of the unit: a /proc with processes only, and no capability but the unit's.
starts()
{
	echo 'user:1000 notify 64G 2 *' > $conf
	unshare --mount bash -c "mount -t proc -o subset=pid proc /proc &&
		exec setpriv --bounding-set=-all,+sys_admin --no-new-privs systemd-socket-activate --seqpacket \
			--listen=$socket -E HCPOLICY_PATH -- '$bin/hcpolicyd' --conf $conf" > "$work/broker" 2>&1 &
	children+=("$!")
	within 60 grep "Listening on" "$work/broker" && chmod 0666 $socket
}

# vm NAME OPTIONS...: one of Alice's, whose messages go to $work/NAME
vm()
{
	local name=$1
	shift
	setpriv --reuid=1000 --regid=1000 --clear-groups "$top/build/selftests/without_bpf" \
		"$bin/hcvm" --guest "$bin/hcguest.elf" --mem 16M --policy notify --broker $socket --name "hcst-$name" \
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
		gives 0 'migrated|runs' setpriv --reuid=1000 --regid=1000 --clear-groups "$bin/hcvm" migrate \
			"$work/a.control" "unix:$work/in" && wait "$a"
}
arrived() { within 60 eval 'hcpolicy list | grep "^hcst-b .* yes "'; }
no_name() { [ -z "$(ls -A /sys/fs/bpf/hcpolicy)" ]; }
nothing_left() { kill "$pid" && within 60 no_name; }

check "the broker starts by its socket" starts
check "hcvm gets a policy without privileges and without bpf(2)" runs
check "the policy keeps the set" shares
check "hcvm migrates to another by the sets of both" migrates
check "whose set is complete" arrived
check "a user without a rule gets a refusal that hcvm prints" gives 1 'no rule allows this user a policy' \
	setpriv --reuid=1001 --regid=1001 --clear-groups "$bin/hcvm" --guest "$bin/hcguest.elf" --mem 16M --policy notify \
	--broker $socket
check "after the VMs' end nothing is left" nothing_left
finish
