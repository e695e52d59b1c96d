#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The counters that hcpolicy shows are those of the policy's VM and of no other, and
# where there are none it says why.  And the file by which that is known: "hcpolicy" in
# a VM's folder in debugfs names the policy that the VM has now.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
debugfs=/sys/kernel/debug/kvm
counter() { hcpolicy show "$1" | sed -n "s/^counter *$2 *//p"; }

# A process with a VM or two (two_vms.c), which answers.
start()
{
	coproc vms { exec "$top/build/selftests/two_vms"; }
	# shellcheck disable=SC2154	# coproc sets it
	pid=$vms_PID
	# Bash hides a coproc's own descriptors from subshells.
	exec {ask}>&"${vms[1]}" {answer}<&"${vms[0]}"
	children+=("$pid")
	read -r -t $((60 * patience)) -u "$answer" line && vm_fd=${line##* }
}
say() { echo "$1" >&"$ask" && read -r -t $((60 * patience)) -u "$answer" line && echo "$line"; }

# Its guest asks N times; hcpolicy show NAME counts them: asks N NAME
asks()
{
	local i
	for ((i = 0; i < $1; i++)); do
		say run || return
	done
	same "$1" counter "$2" handled
}

# Run again as the first process of a container, which has a process number of its own for it.
if [ "${1-}" = inside ]; then
	start && [ ! -e "$debugfs/$pid-$vm_fd" ] || { echo "its folder is $pid-$vm_fd"; exit 1; }
	hcpolicy attach bitmap --pid "$pid" --name hcst-inside && asks 2 hcst-inside || exit 1
	hcpolicy detach hcst-inside
	exit
fi

plan 12

one=hcst-counters-1 two=hcst-counters-2
start || { echo "Bail out! no VM"; exit 1; }
folder=$debugfs/$pid-$vm_fd

says() { grep -qE "$1" "$folder/hcpolicy" || { cat "$folder/hcpolicy"; return 1; }; }
attach() { hcpolicy attach bitmap --pid "$pid" --vm-fd "$vm_fd" --name "$1"; }
names_policy() { attach $one && says '^link [1-9][0-9]* policy bitmap$'; }
second()
{
	say second && moved=${line##* } && attach $two && [ "$moved" != "$vm_fd" ]
}
none()
{
	hcpolicy show $two > "$work/two" && cat "$work/two" &&
		grep -q '^counters *none: KVM has made no folder in debugfs for this VM' "$work/two" &&
		! grep -q '^counter ' "$work/two" && hcpolicy show $two -j > "$work/two.json" &&
		grep -q '"no counters: KVM has made no folder' "$work/two.json" &&
		! grep -q '"counters"' "$work/two.json"
}
replaced()
{
	local before
	before=$(cat "$folder/hcpolicy")
	hcpolicy replace $one "$top/build/selftests/echo.bpf.o" &&
		same "${before/bitmap/echo}" cat "$folder/hcpolicy" && same 3 counter $one handled
}
empty() { [ -e "$folder/hcpolicy" ] && same '' cat "$folder/hcpolicy"; }
detached() { hcpolicy detach $one && empty; }
only_reads() { same 444 stat -c %a "$folder/hcpolicy"; }

# An open file keeps no VM: with its process it goes, and the file says nothing any more.
held_open()
{
	local file

	attach $one && exec {file}< "$folder/hcpolicy" || return
	kill "$pid" && within 60 eval "[ ! -e $folder ]" || { ls $debugfs; return 1; }
	! cat <&"$file" 2> "$work/gone" && exec {file}<&- && cat "$work/gone"
}

# While others read, policies come and go and VMs end.
storm()
{
	local readers=() i failed=0

	for i in 1 2; do
		while :; do cat $debugfs/*-*/hcpolicy; done > /dev/null 2>&1 &
		readers+=($!)
	done
	children+=("${readers[@]}")
	for i in 1 2 3 4 5 6; do
		start && attach $one && { [ $((i % 2)) = 0 ] || hcpolicy detach $one; } || failed=1
		kill "$pid" && wait "$pid" 2>/dev/null
		within 60 eval "[ ! -e $debugfs/$pid-$vm_fd ]" || failed=1
		[ $((i % 2)) = 1 ] || hcpolicy list > /dev/null
	done
	kill "${readers[@]}"
	return $failed
}

# Debugfs is the host's there as well; only /proc and the process numbers are its own.
container() { unshare --pid --fork --mount-proc "$0" inside; }

check "a VM's file is empty before a policy is attached" empty
check "and only to be read" only_reads
check "with a policy it names the link and the policy" names_policy
check "three requests of the VM are counted" asks 3 $one
check "a second VM gets a number that was the first one's" second
check "it has no counters, and show says why" none
check "the first one's are its own still" same 3 counter $one handled
check "after a replace the link is the same and the name is not" replaced
check "after a detach the file is empty again" detached
hcpolicy detach $two > /dev/null
check "who has the file open keeps no VM" held_open
check "readers meet policies that come and go" storm
check "a VM in a container has its own counters too" container
finish
