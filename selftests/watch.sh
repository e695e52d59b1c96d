#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a policy's author and who watches a guest use: policies, verify, watch.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
plan 11

name=hcst-watch
export HCPOLICY_PATH=$top/build/bpf

# A guest that shares and hides again; it begins when a line comes.
machine()
{
	mkfifo "$work/in" && exec 9<> "$work/in"
	"$bin/hcvm" --kernel "$("$top/scripts/guest-kernel")" --initrd "$top/build/guest-initrd.cpio.gz" \
		--append 'console=ttyS0 panic=-1 hcvm.work=line' --mem 256M --sev-lookalike --policy notify \
		--name $name < "$work/in" > "$work/console" 2>&1 &
	pid=$!
	children+=("$pid")
	within 300 grep -q HCVM-GUEST-UP "$work/console" || { cat "$work/console"; return 1; }
}

each_verified()
{
	local policy n=0
	for policy in "$HCPOLICY_PATH"/*.bpf.o; do
		hcpolicy verify "$policy" > "$work/said" || { cat "$work/said"; return 1; }
		grep -Eq '^verifier +looked at [1-9][0-9]* instructions' "$work/said" || return
		n=$((n + 1))
	done
	[ "$n" -ge 7 ]
}
refused()
{
	hcpolicy verify "$top/build/obj/libhcpolicy/tests/broken.bpf.o" > "$work/said" 2>&1 && return 1
	cat "$work/said"
	grep 'the verifier does not accept it' "$work/said"
}
listed()
{
	hcpolicy policies > "$work/said" || return
	local policy
	for policy in bitmap exit-filter freeze hole notify quota throttle; do
		grep "^$policy  *[a-z]" "$work/said" || return
	done
	hcpolicy policies quota | grep '^  ceiling=65536  ' && hcpolicy policies quota -j | grep '"name":"ceiling"'
}
unknown() { ! hcpolicy attach quota --pid 1 --param celing=1 > "$work/said" 2>&1; }

watched() { grep -q "$1" "$work/watch"; }
watches()
{
	machine || return
	hcpolicy watch $name > "$work/watch" 2>&1 &
	watcher=$!
	children+=("$watcher")
	within 20 watched 'it begins: all that is shared:' && watched '^  0x.* pages$' || { cat "$work/watch"; return 1; }
}
goes_on()
{
	hcpolicy replace $name notify && within 60 watched 'the policy was replaced: all that is shared' &&
		grep -A 1 replaced "$work/watch" | grep '^  0x.* pages$' || { cat "$work/watch"; return 1; }
}
sees_the_end()
{
	echo >&9
	within 60 watched 'the policy has ended' || { cat "$work/watch" "$work/console"; return 1; }
	wait "$watcher" && grep -x 'the policy has ended, and its VM is gone' "$work/watch"
}
no_events()
{
	"$bin/hcvm" --guest "$bin/hcguest.elf" --mem 16M --incoming "unix:$work/m" --policy bitmap --name $name \
		< /dev/null > "$work/vm" 2>&1 &
	children+=($!)
	within 30 [ -S "$work/m" ] && ! hcpolicy watch $name > "$work/said" 2>&1 &&
		grep 'it sends no events' "$work/said"
}

# Two requests that it does not want, and one that it does.
told_params()
{
	"$bin/hcvm" --guest "$bin/hcguest.elf" --mem 16M --policy exit-filter --take-exits \
		--param on_hide=false --param least_pages=8 \
		--append 'map 0x500000 7 0 expect 0;map 0x500000 8 0 expect 0;map 0x500000 8 0x10 expect 0;exit 7' \
		< /dev/null > "$work/said" 2>&1
	[ $? = 7 ] && grep '^hcvm: exits-hypercall 1$' "$work/said" && grep '^hcvm: shared-pages 0$' "$work/said" &&
		grep '^hcvm: complete yes$' "$work/said" && return
	cat "$work/said"
	return 1
}
bad_params()
{
	local vm="$bin/hcvm --guest $bin/hcguest.elf --mem 16M"
	gives 1 "it has no parameter 'celing'; it has: .*ceiling" $vm --policy quota --param celing=1 &&
		gives 1 "'ceiling': '1x' is not a number" $vm --policy quota --param ceiling=1x &&
		gives 1 "'rate': 0 does not fit: 1 to" $vm --policy throttle --param burst=2 --param rate=0 &&
		gives 2 '--param ceiling: wanted KEY=VALUE' $vm --policy quota --param ceiling &&
		gives 2 '--param goes with --policy only' $vm --param ceiling=1 &&
		gives 2 '--take-exits goes with --policy only' $vm --take-exits
}

# The types of its variables are in the kernel, which shows them to CAP_SYS_ADMIN only.
no_right()
{
	local no="setpriv --bounding-set -sys_admin"
	local needs="to read its parameters and counters needs CAP_SYS_ADMIN"

	gives 1 "attachment '$name' .policy 'notify'.: $needs" $no "$bin/hcpolicy" tune $name x=1 &&
		gives 1 "attachment '$name' .policy 'notify'.: $needs" $no "$bin/hcpolicy" watch $name &&
		gives 0 '^parameter  not shown, as that needs CAP_SYS_ADMIN' $no "$bin/hcpolicy" show $name
}

check "verify loads each policy and says what the verifier looked at" each_verified
check "verify shows why the verifier refuses" refused
check "policies lists those there are, and the parameters of one" listed
check "a parameter that is not there is refused" unknown
check "hcvm has a policy with parameters, which takes its exits" told_params
check "hcvm names a parameter that is wrong" bad_params
check "watch begins with all that is shared" watches
check "without CAP_SYS_ADMIN tune, watch and show say that they need it" no_right
check "watch goes on with a replacement" goes_on
check "watch ends with the VM" sees_the_end
check "watch of a policy without events says what to do" no_events
finish
