#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kill -9 of the source, the target or the loader at HCP_KILLS (50) seeded moments of a
# migration, while two vCPUs convert and write: what is left goes on or ends, no pin
# stays, and the guest's own check finds its memory right wherever it runs.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/machines.sh
. "${BASH_SOURCE[0]%/*}/machines.sh"

moments=${HCP_KILLS:-50}
RANDOM=${HCP_SEED:-$((SECONDS + $(date +%s) % 30000))}
seed=$RANDOM
RANDOM=$seed
plan 3
echo "# HCP_SEED=$seed"

pins=/sys/fs/bpf/hcpolicy
declare -A kills
client=
kills=([source]=0 [target]=0 [loader]=0)
outcomes=()

hcvm=$bin/hcvm-test		# --drive
machine=(--guest "$bin/hcguest.elf" --mem 16M --smp 2 --drive --encrypt)

runs() { [ "$(control "$1" status 2> /dev/null)" = running ]; }
settled() { gone "$1" || runs "$1"; }

# end NAME...: no process may stay
end()
{
	local name
	for name; do
		gone "$name" || control "$name" quit > /dev/null 2>&1
		within 20 gone "$name" || { echo "$name is stuck"; return 1; }
		wait "${pids[$name]}" 2> /dev/null
	done
	return 0
}

# The moment of kill $1 is $2 ms after the migration began.
after_source()
{
	within 20 settled target || { echo "target neither runs nor ends"; return 1; }
	gone target && { outcomes+=(source-killed:lost-with-its-host); return; }
	outcomes+=(source-killed:went-on-in-target)
	clean target
}

after_target()
{
	wait "$client"
	if settled source && gone source; then
		outcomes+=(target-killed:after-the-end)
		return
	fi
	if ! runs source; then
		# It was told to run and has not said that it does: the operator decides.
		control source resume || return
		outcomes+=(target-killed:resumed-by-hand)
	else
		outcomes+=(target-killed:went-on-in-source)
	fi
	clean source
}

after_loader()
{
	wait "$client" || { cat "$work/client"; return 1; }
	within 20 runs target || { echo "target does not run"; return 1; }
	# Whatever the loader had come to, its VM is gone: nothing of it may be in the way.
	hcpolicy attach bitmap --pid "${pids[target]}" --name kills > "$work/again" 2>&1 ||
		{ cat "$work/again"; return 1; }
	hcpolicy detach kills || return
	outcomes+=(loader-killed:migrated)
	clean target
}

moment()
{
	local victims=(source target loader) victim delay keeper
	victim=${victims[RANDOM % 3]}
	delay=$((RANDOM % 800))
	kills[$victim]=$((kills[$victim] + 1))
	keeper=(--policy bitmap)
	[ "$victim" != loader ] || keeper=()

	launch source "${keeper[@]}" ${keeper:+--name kills-source} || return
	await_at target "unix:$work/in" "${keeper[@]}" ${keeper:+--name kills-target} || return
	control source work $((RANDOM + 1)) 64 > /dev/null || return
	"$bin/hcvm" migrate "$work/source.c" "unix:$work/in" bandwidth=4M downtime=50 > "$work/client" 2>&1 &
	client=$!
	if [ "$victim" = loader ]; then
		"$bin/hcpolicy" attach bitmap --pid "${pids[source]}" --name kills > /dev/null 2>&1 &
		pids[loader]=$!
	fi
	sleep "$((delay / 1000)).$(printf %03d $((delay % 1000)))"
	kill -9 "${pids[$victim]}" 2> /dev/null
	wait "${pids[$victim]}" 2> /dev/null
	"after_$victim" || { echo "moment $1: $victim, ${delay} ms"; cat "$work"/*.err "$work/client"; return 1; }
	wait "$client" 2> /dev/null
	end source target || return
	rm -f "$work/in" "$work"/*.c
	# A command that meets the pins of a dead VM removes them.
	hcpolicy list > /dev/null 2>&1
	[ -z "$(ls -A "$pins" 2> /dev/null)" ] || { echo "moment $1: $victim: pins stay"; return 1; }
}

all()
{
	local n
	for ((n = 1; n <= moments; n++)); do
		moment "$n" || return
		[ $((n % 10)) != 0 ] || echo "# $n of $moments" >&3
	done
}

exec 3>&1
check "kill -9 at $moments moments leaves no stuck process, no pin and no corrupt guest" all
printf '%s\n' "${outcomes[@]}" | sort | uniq -c | sed 's/^/#/'
check "each of source, target and loader was killed" \
	[ "$((kills[source] && kills[target] && kills[loader]))" = 1 ]
check "a guest went on after a kill" grep -q went-on <(printf '%s\n' "${outcomes[@]}")
finish
