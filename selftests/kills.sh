#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kill -9 of the source, the target or the loader at HCP_KILLS (50) seeded moments of a
# migration, while two vCPUs convert and write: what is left goes on or ends, no pin
# stays, and the guest's own check finds its memory right wherever it runs.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"

moments=${HCP_KILLS:-50}
RANDOM=${HCP_SEED:-$((SECONDS + $(date +%s) % 30000))}
seed=$RANDOM
RANDOM=$seed
plan 3
echo "# HCP_SEED=$seed"

pins=/sys/fs/bpf/hcpolicy
declare -A pid kills
client=
kills=([source]=0 [target]=0 [loader]=0)
outcomes=()

hcpolicy() { "$bin/hcpolicy" "$@"; }
ctl() { "$bin/hcvm" control "$work/$1" "${@:2}"; }

# start NAME OPTIONS...: a machine, which answers when this returns
start()
{
	rm -f "$work/$1"
	"$bin/hcvm-test" --guest "$bin/hcguest.elf" --mem 16M --smp 2 --drive --encrypt --control "$work/$1" \
		"${@:2}" < /dev/null > "$work/$1.log" 2>&1 &
	pid[$1]=$!
	children+=($!)
	within 20 ctl "$1" status || { cat "$work/$1.log"; return 1; }
}

runs() { [ "$(ctl "$1" status 2> /dev/null)" = running ]; }
ended() { ! kill -0 "${pid[$1]}" 2> /dev/null; }
settled() { ended "$1" || runs "$1"; }

# The guest's own verdict, in machine $1.
clean() { ctl "$1" stop && ctl "$1" check; }

# end NAME...: no process may stay
end()
{
	local name
	for name; do
		ended "$name" || ctl "$name" quit > /dev/null 2>&1
		within 20 ended "$name" || { echo "$name is stuck"; return 1; }
		wait "${pid[$name]}" 2> /dev/null
	done
	return 0
}

# The moment of kill $1 is $2 ms after the migration began.
after_source()
{
	within 20 settled target || { echo "target neither runs nor ends"; return 1; }
	ended target && { outcomes+=(source-killed:lost-with-its-host); return; }
	outcomes+=(source-killed:went-on-in-target)
	clean target
}

after_target()
{
	wait "$client"
	if settled source && ended source; then
		outcomes+=(target-killed:after-the-end)
		return
	fi
	if ! runs source; then
		# It was told to run and has not said that it does: the operator decides.
		ctl source resume || return
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
	hcpolicy attach bitmap --pid "${pid[target]}" --name kills > "$work/again" 2>&1 ||
		{ cat "$work/again"; return 1; }
	hcpolicy detach kills || return
	outcomes+=(loader-killed:migrated)
	clean target
}

moment()
{
	local victims=(source target loader) victim delay book
	victim=${victims[RANDOM % 3]}
	delay=$((RANDOM % 800))
	kills[$victim]=$((kills[$victim] + 1))
	book=(--policy bitmap)
	[ "$victim" != loader ] || book=()

	start source "${book[@]}" ${book:+--name kills-source} || return
	start target "${book[@]}" ${book:+--name kills-target} --incoming "unix:$work/in" || return
	ctl source work $((RANDOM + 1)) 64 > /dev/null || return
	"$bin/hcvm" migrate "$work/source" "unix:$work/in" bandwidth=4M downtime=50 > "$work/client" 2>&1 &
	client=$!
	if [ "$victim" = loader ]; then
		"$bin/hcpolicy" attach bitmap --pid "${pid[source]}" --name kills > /dev/null 2>&1 &
		pid[loader]=$!
	fi
	sleep "$((delay / 1000)).$(printf %03d $((delay % 1000)))"
	kill -9 "${pid[$victim]}" 2> /dev/null
	wait "${pid[$victim]}" 2> /dev/null
	"after_$victim" || { echo "moment $1: $victim, ${delay} ms"; cat "$work"/*.log "$work/client"; return 1; }
	wait "$client" 2> /dev/null
	end source target || return
	rm -f "$work/in"
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
