#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The conformance kit on QEMU with the object hcpolicy: random migrations of a guest that
# encrypts and converts, by the right rule and by wrong ones.
# HCP_MIGRATIONS=N: how often it migrates by a policy, and how often by exits (default 5);
# HCP_PLAYS=N: how often each wrong rule is tried (default 1).
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/qmp.sh
. "${BASH_SOURCE[0]%/*}/qmp.sh"
# shellcheck source=selftests/hcp-qemu.sh
. "${BASH_SOURCE[0]%/*}/hcp-qemu.sh"

# The others are for qemu-plays.sh: a guest that writes what it has converted hides them.
wrong=(unbooked drop-leftovers)
plan $((6 + ${#wrong[@]}))

export QEMU=$HCP_QEMU KIT_SECONDS=$((600 * patience))
times=${HCP_MIGRATIONS:-5} plays=${HCP_PLAYS:-1}
seed=${HCP_SEED:-$RANDOM}
echo "# HCP_SEED=$seed"

# kit WORDS OPTIONS...: with these properties of the object
kit() { env QEMU_HCPOLICY="$1" "$top/build/kit/run" --seed "$seed" "${@:2}" "$top/build/kit/drivers/qemu"; }
# No page was wrong, and it was a test.
converted() { grep -E '^all in all: written [0-9]+, conversions [1-9][0-9]*, refused 0, encrypted$' "$work/run"; }
with_ring() { QEMU_ACCEL=kvm,dirty-ring-size=4096 kit "$policy" --times 2; }
caught()
{
	local i
	# What is lost can be the guest's own memory: then it dies.
	for ((i = 1; i <= plays; i++)); do
		echo "# $i of $plays"
		gives 1 '^FAIL' kit "$policy,x-wrong=$1" --times 5 || return
		seed=$((seed + 1))
	done
}

check "a guest that encrypts and converts survives $times migrations, its set kept by a policy" \
	gives 0 '^PASS$' kit "$policy" --times "$times"
check "it did encrypt and convert" converted
check "and so it does with its set kept by exits" gives 0 '^PASS$' kit "$exits" --times "$times"
check "it did encrypt and convert there" converted
for order in "${wrong[@]}"; do
	check "the wrong rule '$order' is caught $plays times of $plays" caught "$order"
done
check "the guest survives migrations with a dirty ring" \
	gives 0 '^PASS$' with_ring
check "it did encrypt and convert there, too" converted
finish
