#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The set that QEMU with the object hcpolicy shows, by QMP, HMP and the hcpolicy command; what
# resets it, and what makes it incomplete.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/qmp.sh
. "${BASH_SOURCE[0]%/*}/qmp.sh"
# shellcheck source=selftests/hcp-qemu.sh
. "${BASH_SOURCE[0]%/*}/hcp-qemu.sh"
plan 17

starts() { hcguest '' && qmp cont && says '^hcguest: ready'; }
shares() { ask 'map 0x100000 16 0' && ask 'map 0x400000 1 0' && ask 'map 0x104000 2 0x10'; }
three='[{"gfn":256,"npages":4},{"gfn":262,"npages":10},{"gfn":1024,"npages":1}]'
shares_three() { shares && ranges "$three"; }
ranges() { same "$1" member ranges && complete; }
shown()
{
	qmp human-monitor-command '{ "command-line": "info shared-pages" }' > "$work/shown"
	cat "$work/shown"
	grep '15 pages shared' "$work/shown" && grep '0x0*100000\b.*\b4\b' "$work/shown" &&
		grep '0x0*106000\b.*\b10\b' "$work/shown" && grep '0x0*400000\b.*\b1\b' "$work/shown"
}

# SeaBIOS finds that it has run before, and resets the VM once more.
new_life() { says '^hcguest: ready' "$1" && ranges '[]'; }
resets() { qmp system_reset && event '"RESET"' && new_life 2; }
# Over its own code: a triple fault.
resets_itself() { tell 'fill 0x100000 0x10000 0' && event '"RESET"' && new_life 3; }
paused() { qmp stop && qmp system_reset && event '"RESET"' && ranges '[]'; }
shares_one() { ask 'map 0x200000 1 0' && ranges '[{"gfn":512,"npages":1}]'; }

for how in policy exits; do
	keeper=${!how} vm=$how
	check "a guest starts, its set kept by $how" starts
	check "it shares pages, and query-hcpolicy has them" shares_three
	check "info shared-pages shows them" shown
	check "after system_reset the set is empty, and complete" resets
	check "it has what the new guest shares, and that only" shares_one
	check "so it is after a reset that the guest makes" eval 'resets_itself && shares_one'
	check "and of a VM that is paused" paused
done

# What the hcpolicy command says of QEMU's policy, and does to it.
name=hcst-qemu-set
keeper=$policy,name=$name vm=named
shares_named() { starts && shares_three && same "$three" hcpolicy ranges "$name" -j; }
detached() { hcpolicy detach "$name" && event '"HCPOLICY_' && same false member complete; }
not_migrated() { gives 1 'set.*not complete' migrate "unix:$work/none" && runs; }
check "the hcpolicy command shows the same set" shares_named
check "the policy is detached: an event says that the set is not complete any more" detached
check "so the guest is not migrated, and goes on" not_migrated
finish
