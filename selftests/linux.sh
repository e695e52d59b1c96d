#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The distribution's Linux as a guest that believes it runs under SEV: the set
# against the guest's own page tables.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
plan 9

kernel=$("$top/scripts/guest-kernel")

# run_linux DIR OPTIONS...: until it has come up, flipped some pages, and ended
run_linux()
{
	local dir=$work/$1 status
	shift
	mkdir "$dir"
	timeout $((300 * patience)) "$bin/hcvm" --kernel "$kernel" --initrd "$top/build/guest-initrd.cpio.gz" \
		--append 'console=ttyS0 panic=-1 hcvm.work=cpus' --mem 512M --smp 2 \
		--sev-lookalike --dump "$dir/core" "$@" \
		< /dev/null > "$dir/console" 2> "$dir/messages"
	status=$?
	tail -n 5 "$dir/console"
	cat "$dir/messages"
	[ "$status" = 0 ] && grep -q 'HCVM-GUEST-END 0' "$dir/console" &&
		grep -qx 'hcvm: end exit' "$dir/messages"	# a panic ends with 0 as well
}

# value DIR KEY, of what hcvm counted
value() { sed -n "s/^hcvm: $2 //p" "$work/$1/messages" | head -n 1; }
oracle() { "$bin/hcp-oracle" "$work/$1/core"; }
believes_sev() { grep 'Memory Encryption Features active: AMD SEV' "$work/policy/console"; }
handled_all()
{
	cat "$work/policy/messages"
	[ "$(value policy hcpolicy_handled)" -gt 500 ] &&
		[ "$(value policy exits-hypercall)" = 0 ] &&
		[ "$(value policy hcpolicy_default)" = 0 ]
}
# A page in the middle of memory, flipped in the set, and nothing else.
notices()
{
	local gfn=$1
	"$bin/hcp-oracle" --flip "$gfn" "$work/policy/core" > "$work/flipped"
	[ $? = 1 ] || { cat "$work/flipped"; return 1; }
	grep -iqw "$(printf 0x%x "$gfn")" "$work/flipped" &&
		grep -q 'missing [01], extra [01]' "$work/flipped" || { cat "$work/flipped"; return 1; }
}

all_exit() { cat "$work/exits/messages"; [ "$(value exits exits-hypercall)" -gt 500 ]; }
left_behind() { ls -R /sys/fs/bpf; [ ! -e /sys/fs/bpf/hcpolicy/hcst-linux ]; }

check "Linux runs with the bitmap policy" run_linux policy --policy bitmap --name hcst-linux
check "Linux believes that it runs under SEV" believes_sev
check "the policy handled every request of Linux and nothing exited" handled_all
check "the policy's set is what Linux's page tables say" oracle policy
check "the oracle notices a page that the set has too much" notices $((0x1234))
check "Linux runs with the set from the VMM's exits" run_linux exits
check "the exits' set is what Linux's page tables say" oracle exits
check "without a policy every request exits" all_exit
check "hcvm leaves no policy behind" left_behind
finish
