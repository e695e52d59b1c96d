#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A VM that is reset, and one into which a guest will arrive: what nobody can see from
# outside is said by somebody, as docs/operating.md has it, or the set is not complete.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/qmp.sh
. "${BASH_SOURCE[0]%/*}/qmp.sh"
plan 17

name=hcst-reset
state() { hcpolicy show "$name" | grep -E "^state +$1\$" || { hcpolicy show "$name"; return 1; }; }
ranges() { same "$1" hcpolicy ranges "$name" -j; }

# start [OPTIONS...]: QEMU's guest takes its commands from the console.
# shellcheck disable=SC2120	# the eval below gives some
start()
{
	rm -f "$work"/ser.* "$work/console"
	mkfifo "$work/ser.in" "$work/ser.out"
	start_qemu -kernel "$bin/hcguest.elf" -chardev "pipe,id=s,path=$work/ser" -serial chardev:s \
		-action reboot=shutdown,shutdown=pause "$@" || return
	cat "$work/ser.out" > "$work/console" &
	exec {console}> "$work/ser.in"
}
ready() { [ "$(grep -c ready "$work/console")" = "$1" ]; }
answered() { [ "$(grep -c '^ok 0' "$work/console")" = "$1" ]; }

attached()
{
	hcpolicy attach bitmap --pid "$pid" --name "$name" > "$work/said" 2>&1 &&
		grep 'this rests on two things' "$work/said" || { cat "$work/said"; return 1; }
}
shares_16() { qmp cont && within 60 ready 1 && echo "map 0x100000 16 0 expect 0" >&"$console" && within 60 answered 1; }

# The middle of the recipe: the VM is paused, and was reset.
say_so() { kill -STOP "$pid" && hcpolicy reset "$name" && kill -CONT "$pid"; }

reset_now()
{
	qmp set-action '{ "reboot": "reset" }' && qmp system_reset && event '"RESET"' &&
		qmp set-action '{ "reboot": "shutdown" }' && say_so && state complete && ranges '[]' &&
		qmp cont
}
operator_resets() { qmp stop && reset_now; }

# boots N: the guest says for the N-th time that it is ready.  SeaBIOS resets the VM once more
# when it finds that it has run before: that is a reset like any other.
is_up()
{
	local status
	ready "$1" && return
	status=$(qmp query-status) || return
	[[ $status != *'"shutdown"'* ]] || reset_now
	return 1
}
boots() { within 60 is_up "$1" || { cat "$work/console"; return 1; }; }
guest_resets_itself()
{
	# Over its own code: a triple fault.
	echo 'fill 0x100000 0x10000 0' >&"$console"
	event '"SHUTDOWN".*guest-reset'
}
shares_one()
{
	boots "$1" && echo "map $2 1 0 expect 0" >&"$console" && within 60 answered "$1" &&
		ranges "[{\"gfn\":$(($2 / 4096)),\"npages\":1}]" && state complete
}
saved() { kill -STOP "$pid" && within 60 hcpolicy save "$name" "$work/set" && kill -CONT "$pid"; }
quits() { qmp quit && wait "$pid"; }

check "QEMU waits" start
check "attach says what complete rests on" attached
check "the guest shares 16 pages" shares_16
check "no reset is taken of a VM that may be running" gives 1 'kill -STOP' hcpolicy reset $name
check "the operator resets it by the recipe: nothing is shared" operator_resets
check "and the new guest's pages are all that there is" shares_one 2 0x200000
check "a guest that resets itself stops" guest_resets_itself
check "the recipe goes on from there" reset_now
check "and again there is nothing of the old guest" shares_one 3 0x300000
check "the set can be saved" saved
check "QEMU ends" quits

awaits() { hcpolicy attach bitmap --pid "$pid" --name "$name" && state 'not complete: awaits a restore'; }
stopped() { kill -STOP "$pid"; within 60 eval "! hcpolicy save '$name' '$work/none' 2>&1 | grep 'kill -STOP'"; }
not_saved() { stopped; gives 1 'awaits a restore' hcpolicy save $name "$work/none"; }
brought() { hcpolicy restore $name "$work/set" --with-its-guest && state complete && ranges '[{"gfn":768,"npages":1}]'; }

check "the target of a migration is recognised: its set awaits a restore" \
	eval 'start -incoming defer && awaits'
check "it is not saved" not_saved
check "nor ended by a reset before the guest is there" gives 1 --arrived hcpolicy reset $name
check "a restore ends that" brought

# Another one, which goes on before its set is there: what it asks for would be written over.
arrives_and_runs()
{
	kill -CONT "$pid" && qmp quit && wait "$pid"
	start && hcpolicy attach bitmap --pid "$pid" --name "$name-2" --incoming && shares_16 && kill -STOP "$pid"
}
restored_over()
{
	hcpolicy restore "$name-2" "$work/set" --with-its-guest > "$work/said" 2>&1 &&
		grep 'has asked for pages here already' "$work/said" &&
		hcpolicy show "$name-2" | grep '^state *not complete: attached or restored late' ||
		{ cat "$work/said"; return 1; }
}
check "a guest that runs before its set is there asks for pages" arrives_and_runs
check "and the restore that comes then is not complete" restored_over
kill -CONT "$pid"
finish
