#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The distribution's Linux, which believes that it runs under SEV, migrates while it
# writes files; in the other process it goes on, takes CPUs away and brings them back,
# which converts pages, and then the set is what its page tables say.  (It converts
# before as it boots; but when a CPU goes, Linux takes back that it can be migrated.)
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/machines.sh
. "${BASH_SOURCE[0]%/*}/machines.sh"
plan 5

kernel=$("$top/scripts/guest-kernel")
machine=(--kernel "$kernel" --initrd "$top/build/guest-initrd.cpio.gz" --mem 256M --smp 2
	--append 'console=ttyS0 panic=-1 hcvm.work=busy' --sev-lookalike)
keeper=(--policy bitmap)

rounds() { grep -c HCVM-GUEST-ROUND "$work/$1.console"; }
busy() { [ "$(rounds "$1")" -ge "$2" ]; }
boots()
{
	launch linux-a "${keeper[@]}" || return
	within 200 busy linux-a 2 && return
	tail "$work/linux-a.console"
	return 1
}
migrates()
{
	await linux-b "${keeper[@]}" --dump "$work/core" && move linux-a linux-b && ended linux-a 0
}
goes_on()
{
	within 100 busy linux-b 2 || { tail "$work/linux-a.console" "$work/linux-b.console"; return 1; }
	ended linux-b 0 || return
	tail -n 3 "$work/linux-b.console"
	grep 'HCVM-GUEST-END 0' "$work/linux-b.console" && grep 'ROUND 64' "$work/linux-b.console"
}
waited() { grep 'migration-ready 1' "$work/linux-a.err"; }
oracle() { "$bin/hcp-oracle" "$work/core"; }

check "Linux runs and writes" boots
check "Linux migrates meanwhile" migrates
check "Linux goes on in the other process, and ends well" goes_on
check "Linux had said that it can be migrated" waited
check "the set there is what Linux's page tables say" oracle
finish
