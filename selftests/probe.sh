#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What hcpolicy probe says of a machine is what the other commands find there: with
# BPF's JIT off, with a file that is no policy, and under lockdown, as Secure Boot
# sets it.  Nothing takes that back until the machine ends: run this last.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
plan 10

name=hcst-probe
jit=/proc/sys/net/core/bpf_jit_enable
lockdown=/sys/kernel/security/lockdown
python=(/usr/bin/python3 -IS)	# the distribution's, and nothing but its own modules

# probe says LINE, a regular expression, and whether policies can be attached: says LINE can|cannot
says()
{
	hcpolicy probe > "$work/probe"
	cat "$work/probe"
	grep -qE "^$1" "$work/probe" && grep -q "^policies $2 be attached here" "$work/probe"
}
row()
{
	hcpolicy probe -j | "${python[@]}" -c '
import json, sys
print(next(str(c["ok"]) for c in json.load(sys.stdin)["checks"] if c["name"] == sys.argv[1]))' "$1"
}

# A policy for a VM that waits for its guest: start NAME
start()
{
	"$bin/hcvm" --guest "$bin/hcguest.elf" --incoming "unix:$work/$1" < /dev/null > "$work/vm" 2>&1 &
	children+=($!)
	within 30 test -S "$work/$1" && hcpolicy attach bitmap --pid $! --name "$1"
}

# A whole life of a policy: hcvm attaches it, the guest asks, the set is right.
interpreted()
{
	"$bin/hcvm" --guest "$bin/hcguest.elf" --mem 16M --policy bitmap --name $name-jit \
		< "$work/jit-in" > "$work/jit" 2>&1 &
	children+=($!)
	exec {console}> "$work/jit-in"
	within 30 grep -q ready "$work/jit" && echo 'loop 6 map 0x300000 30000 0 expect 0' >&"$console" &&
		within 30 grep '^ok 0' "$work/jit" &&
		same '[{"gfn":768,"npages":30000}]' hcpolicy ranges $name-jit -j &&
		hcpolicy show $name-jit | grep -q '^state *complete$' &&
		hcpolicy show $name-jit | grep -q '^counter *handled *6$' || { cat "$work/jit"; return 1; }
}

cp "$HCPOLICY_PATH/bitmap.bpf.o" "$work/" && echo 'no policy' > "$work/junk.bpf.o"
cp "$top/build/selftests/nomember.bpf.o" "$work/"
not_policies()
{
	HCPOLICY_PATH=$work says "ok  policies   bitmap; policy 'junk': $work/junk.bpf.o is not a BPF object; policy 'nomember': .*no map_gpa_range" can
}

closed()
{
	hcpolicy show $name > "$work/show" && cat "$work/show" &&
		grep -q '^counters *none: closed by lockdown (integrity): .*KVM_GET_STATS_FD (QEMU: query-stats)' "$work/show" &&
		hcpolicy show $name -j | grep -q '"no counters: closed by lockdown'
}

locked_down() { start $name-late && hcpolicy ranges $name-late && hcpolicy list | grep "^$name-late .* awaits a restore"; }

check "a VM gets a policy" start $name
check "probe says that policies can be attached, and counters read" says 'ok  debugfs' can
check "a file that is no policy is none, and probe says why" not_policies

off="probe says that the JIT is off, and that policies run all the same"
run="they do, and the set is right"
on="the JIT is on again"
if mkfifo "$work/jit-in" && was=$(cat $jit) && echo 0 > $jit 2>/dev/null; then
	check "$off" says 'no  BPF JIT    off: policies run all the same, more slowly' can
	check "$run" interpreted
	echo "$was" > $jit
	check "$on" says "ok  BPF JIT    net.core.bpf_jit_enable = $was" can
else
	skip "this kernel has no BPF without the JIT" "$off" "$run" "$on"
fi

[ -e $lockdown ] || mount -t securityfs securityfs /sys/kernel/security 2> /dev/null
closed="under lockdown show says that the counters are closed, and who can read them"
no="probe says no there, with the same reason"
json="and in JSON"
still="policies are attached and their sets are read as before"
if echo integrity > $lockdown 2> /dev/null; then
	check "$closed" closed
	check "$no" says 'no  debugfs    no counters in hcpolicy show: closed by lockdown \(integrity\)' can
	check "$json" same False row debugfs
	check "$still" locked_down
else
	skip "this kernel has no lockdown" "$closed" "$no" "$json" "$still"
fi
finish
