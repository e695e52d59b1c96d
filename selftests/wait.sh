#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# hcpolicy attach --wait: the process is there before its VM is.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/asked.sh
. "${BASH_SOURCE[0]%/*}/asked.sh"
plan 6

name=hcst-wait
answers=$work/vm

# becomes [OPTION]...: a process that becomes QEMU when a line comes, with a VM that does not run
becomes()
{
	rm -f "$work/go" && mkfifo "$work/go" && exec {go}<> "$work/go" || return
	# shellcheck disable=SC2016	# for the inner bash
	bash -c 'read -r _ && exec qemu-system-x86_64 -accel kvm -m 64 -display none -S "$@"' qemu -serial none -monitor none "$@" \
		< "$work/go" > "$work/vmm" 2>&1 &
	pid=$!
	children+=("$pid")
}
# Attach in the background.  It waits when it has loaded the policy.
waits()
{
	"$bin/hcpolicy" attach bitmap --pid "$pid" --name $name "$@" > "$work/said" 2>&1 &
	waiter=$!
	children+=("$waiter")
	within 60 has_loaded || { cat "$work/said"; return 1; }
}
has_loaded() { readlink "/proc/$waiter/fd/"* | grep -q bpf-prog; }
comes() { echo >&"$go" && wait "$waiter" || { cat "$work/said" "$work/vmm"; return 1; }; }
ends() { hcpolicy detach $name && kill "$pid"; }

waited() { becomes && waits --wait && comes && complete && ends; }
in_its_time() { becomes && waits --wait=600 && comes && complete && ends; }
arrives()
{
	becomes -incoming defer && waits --wait && comes && grep 'attaching with --incoming' "$work/said" &&
		hcpolicy show $name | grep -xE 'state +not complete: awaits a restore' && ends
}
too_long()
{
	becomes && gives 1 'has no KVM VM open: waited 1 second for one$' hcpolicy attach bitmap --pid "$pid" --name $name --wait=1 &&
		gives 1 'descriptor 0 is no KVM VM: waited 2 seconds for it' hcpolicy attach bitmap --pid "$pid" --name $name --vm-fd 0 --wait=2 &&
		gives 1 'has no KVM VM open$' hcpolicy attach bitmap --pid "$pid" --name $name
}
ended()
{
	waits --wait && kill "$pid" && ! wait "$waiter" && grep "process $pid has ended, and had no KVM VM" "$work/said" || { cat "$work/said"; return 1; }
}
late()
{
	starts && gives 0 'attached after the guest started' hcpolicy attach bitmap --pid "$pid" --name $name --wait &&
		hcpolicy show $name | grep -xE 'state +not complete: attached or restored late'
}

check "it waits for the VM of a process, with the policy loaded, and the set is complete" waited
check "also for a limited time" in_its_time
check "it sees then that a guest will arrive" arrives
check "the limit ends it" too_long
check "so does the end of the process" ended
check "of a VM that has run already it says so" late
finish
