#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Whether a VM stands still while its set is saved: every process that could run its
# vCPUs counts, and what cannot be seen is not proved.  The VM is that of helpers.c, and
# its policy was attached to a helper.
# shellcheck disable=SC2016	# for the shells that are started
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
plan 27

name=hcst-stopped
saved=$work/saved
cgroup=/sys/fs/cgroup/$name

start()
{
	mkfifo "$work/to" || return
	"$top/build/selftests/helpers" < "$work/to" > "$work/pids" &
	children+=("$!")
	exec {to}> "$work/to"
	within 60 test -s "$work/pids" || return
	read -r vmm all vcpu memory < "$work/pids"
	children+=("$all" "$vcpu" "$memory")
	hcpolicy attach bitmap --pid "$all" --name $name && echo go >&"$to" &&
		within 60 eval "grep -q ') Z' /proc/$vmm/stat"
}

# All threads of these processes: stopped, or dead.
halt() { kill -STOP "$@" && within 60 eval '! cat $(printf "/proc/%s/task/*/stat " '"$*"') | grep -v ") [TZ]"'; }
go_on() { kill -CONT "$vmm" "$all" "$vcpu" "$memory"; }

# not_stopped OPTIONS PID...: all those and no others are to be stopped
not_stopped()
{
	local options=$1
	shift
	# shellcheck disable=SC2086
	gives 1 "(is|are) not stopped: kill -STOP $* first.*--running" hcpolicy save $name "$saved" $options
}

freeze()
{
	mkdir "$cgroup" && for pid in "$vmm" "$all" "$vcpu" "$memory"; do
		echo "$pid" > "$cgroup/cgroup.procs" || return
	done
	echo 1 > "$cgroup/cgroup.freeze" && within 60 grep -q 'frozen 1' "$cgroup/cgroup.events"
}
thaw() { echo 0 > "$cgroup/cgroup.freeze" && within 60 grep -q 'frozen 0' "$cgroup/cgroup.events"; }

# What the other reader of the stream says, not the writer.
complete() { hcpolicy restore $name "$saved" --with-its-guest | grep -q ', complete$'; }

says_running()
{
	hcpolicy save $name "$saved" --running > "$work/says" 2>&1 &&
		grep -q 'warning:.*not stopped: kill -STOP' "$work/says" &&
		grep -q 'not complete: saved while the guest may have been running' "$work/says" &&
		hcpolicy save $name "$saved" --running -j | grep -q '"complete":false,"reasons":\["saved while' ||
		{ cat "$work/says"; return 1; }
}
restored_running()
{
	halt "$vmm" "$all" "$vcpu" "$memory" &&
		gives 1 'not complete.*may have been running' hcpolicy restore $name "$saved" --with-its-guest &&
		hcpolicy restore $name "$saved" --with-its-guest --force > "$work/says" 2>&1 &&
		grep -q 'not complete: saved while' "$work/says" || { cat "$work/says"; return 1; }
}
stood_still_all_the_same()
{
	hcpolicy restore $name "$work/clean" --with-its-guest && hcpolicy save $name "$saved" --running && complete
}

restores_onto_running()
{
	go_on && gives 1 'not stopped' hcpolicy restore $name "$saved" &&
		gives 2 'do not go together' hcpolicy restore $name "$saved" --running --with-its-guest &&
		hcpolicy restore $name "$saved" --running > "$work/says" 2>&1 &&
		grep -q 'not complete: attached or restored late' "$work/says" || { cat "$work/says"; return 1; }
}

# The VMM's main thread is dead: of all threads.
switches() { cat /proc/"$1"/task/*/status | grep ctxt_switches; }
# switched PID BEFORE: it has run since
switched() { [ "$(switches "$1")" != "$2" ]; }

# The file comes only when the VMM, which was let go on, is stopped again.
ran_meanwhile()
{
	local restorer pipe before

	halt "$vmm" "$all" "$vcpu" "$memory" && mkfifo "$work/pipe" && exec {pipe}<> "$work/pipe" || return
	"$bin/hcpolicy" restore $name "$work/pipe" --with-its-guest {pipe}>&- > "$work/refusal" 2>&1 &
	restorer=$!
	children+=("$restorer")
	within 60 eval "ls -l /proc/$restorer/fd | grep -q '$work/pipe'" || { cat "$work/refusal"; return 1; }
	before=$(switches "$vmm")
	kill -CONT "$vmm" && within 60 switched "$vmm" "$before" && halt "$vmm" && cat "$saved" >&"$pipe"
	exec {pipe}>&-
	! wait "$restorer" && grep -qE "process $vmm .*has run meanwhile" "$work/refusal" &&
		grep -q 'restore it again' "$work/refusal" || { cat "$work/refusal"; return 1; }
}
not_called_complete() { hcpolicy show $name | grep -q '^state *not complete: attached or restored late'; }

elsewhere() { unshare --pid --fork "$@"; }
without_ptrace() { setpriv --bounding-set -sys_ptrace "$@"; }

# A VMM and its attach in a namespace whose numbers /proc does not have.
attach_elsewhere()
{
	elsewhere bash -c '"$1/build/selftests/hold" > "$2" & pid=$!
		until [ -s "$2" ]; do sleep 0.1; done
		"$1/build/bin/hcpolicy" attach bitmap --pid $pid --name hcst-elsewhere
		status=$?; kill $pid; exit $status' - "$top" "$work/held"
}
attach_inside()
{
	rm -f "$work/held"
	elsewhere --mount-proc bash -c '"$1/build/selftests/hold" > "$2" & pid=$!
		until [ -s "$2" ]; do sleep 0.1; done
		"$1/build/bin/hcpolicy" attach bitmap --pid $pid --name hcst-inside
		status=$?; kill $pid; exit $status' - "$top" "$work/held"
}

# One that stays, in a namespace of its own, and what is said of it outside of that.
stays_inside()
{
	rm -f "$work/held" && mkfifo "$work/stay" && exec {stay}<> "$work/stay" || return
	elsewhere --mount-proc bash -c '"$1/build/selftests/hold" > "$2" & pid=$!
		until [ -s "$2" ]; do sleep 0.1; done
		"$1/build/bin/hcpolicy" attach bitmap --pid $pid --name hcst-inside && read -r _
		kill $pid' - "$top" "$work/held" < "$work/stay" > "$work/inside" 2>&1 &
	children+=("$!")
	within 60 grep -q 'is attached to' "$work/inside" || { cat "$work/inside"; return 1; }
}
its_link_ends()
{
	end_link hcst-inside &&
		hcpolicy list > "$work/list" 2>&1 && grep -q '^hcst-inside .* no .*detached' "$work/list" &&
		hcpolicy detach hcst-inside || { cat "$work/list"; return 1; }
}

closes()
{
	kill -CONT "$all" && kill -USR1 "$all" && within 60 eval "! ls -l /proc/$all/fd | grep -q kvm-vm" &&
		halt "$all"
}

check "a VMM has helper processes, and the policy of one" start
check "that one is stopped, and the VMM could run" eval "halt $all && not_stopped '' $vmm $vcpu $memory"
check "it is not forced either" not_stopped --force "$vmm" "$vcpu" "$memory"
check "and no file is left" test ! -e "$saved"
check "a stopped VMM, whose main thread has ended, is one" eval "halt $vmm && not_stopped '' $vcpu $memory"
check "who has a vCPU and no VM could run it" eval "halt $vcpu && not_stopped '' $memory"
check "and who has the memory of one that could; all are stopped" eval "halt $memory && hcpolicy save $name '$saved' && complete && cp '$saved' '$work/clean'"
check "not where others cannot be seen" gives 1 'outside of the pid namespace here.*--running' elsewhere --mount-proc "$bin/hcpolicy" save $name "$work/no"
check "nor by the numbers of another namespace" gives 1 '/proc here is of another pid namespace.*--running' elsewhere "$bin/hcpolicy" save $name "$work/no"
check "nor without the right to look" gives 1 'CAP_SYS_PTRACE' without_ptrace "$bin/hcpolicy" save $name "$work/no"
check "a frozen cgroup is as good as a signal" eval "freeze && go_on && hcpolicy save $name '$saved' && complete"
check "a thawed one is not" eval "thaw && not_stopped '' $vmm $all $vcpu $memory"
check "the set of a VM that runs is not complete, and says so" says_running
check "and so does its file" restored_running
check "--running is no lie of a VM that stood still" stood_still_all_the_same
check "nothing is restored onto a VM that runs, or late" restores_onto_running
check "that it went on and was stopped again is noticed" ran_meanwhile
check "and the set is not called complete" not_called_complete
check "no VM is taken by the numbers of another namespace" gives 1 '/proc here is of another pid namespace' attach_elsewhere
check "in a namespace of its own it is" attach_inside
check "a policy is attached in another namespace, and stays" stays_inside
check "whose process is not called gone" eval "hcpolicy show hcst-inside > '$work/says' && grep '^process .*(in another pid namespace)' '$work/says' || { cat '$work/says'; false; }"
check "nor another one of its number stopped" gives 1 'is in another pid namespace.*--running' hcpolicy save hcst-inside "$work/no"
check "nor is its name removed as a dead one's" its_link_ends
echo >&"$stay"
# shellcheck disable=SC2010	# /proc has no other names
vm_files() { ls -l "/proc/$all/fd" | grep -c kvm-vm; }
exchanges()
{
	local before
	before=$(vm_files)
	kill -CONT "$all" "$vmm" && kill -USR2 "$all" && sleep 1 && halt "$all" "$vcpu" &&
		same "$before" vm_files && gives 1 "process $vmm .*not stopped|processes $vmm .*not stopped" \
			hcpolicy save $name "$saved"
}
check "another VM by the number of the first does not hide who runs that" exchanges
check "the VM's descriptor is closed where it is known" eval "closes && gives 1 'not its VM any more.*--running' hcpolicy save $name '$saved'"
kill -KILL "$all" "$vcpu" "$memory" "$vmm"
check "a process that is gone proves nothing" eval "! hcpolicy save $name '$saved'"
finish
