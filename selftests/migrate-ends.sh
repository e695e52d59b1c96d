#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How a migration of hcvm ends that does not come to its end: by ready=, by limit=, or,
# if it is tied, with its client; and that none of these counts after COMMIT.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/machines.sh
. "${BASH_SOURCE[0]%/*}/machines.sh"
plan 12

hcvm=$bin/hcvm-test		# --drive and stops=
machine=(--guest "$bin/hcguest.elf" --mem 16M --smp 1 --encrypt --drive)
# The same, but the guest has to say that it can be migrated.
says_ready=("${machine[@]}" --sev-lookalike)

begin() { launch "$1" && control "$1" work 1 300 1; }
# Those that keep their machine are there for more than one test.
there() { [ -n "${pids[$1]-}" ] || begin "$1"; }

# moves NAME ADDRESS OPTIONS...: NAME migrates meanwhile.  Without a timeout: it is killed.
moves()
{
	"$hcvm" migrate "$work/$1.c" "$2" "${@:3}" > "$work/said" 2>&1 &
	client=$!
	children+=("$client")
}
client_ended() { ! kill -0 "$client" 2>/dev/null; }

# kept NAME TEXT: the client has ended with TEXT, and NAME has its machine
kept()
{
	within 120 client_ended || { echo "it goes on"; cat "$work/said"; return 1; }
	wait "$client" && return 1
	cat "$work/said"
	tail -n 1 "$work/said" | grep "$2" && same running control "$1" status
}

# told NAME TEXT: this target has ended with TEXT
told()
{
	ended "$1" 1 || return
	grep "the peer says: .*$2" "$work/$1.err" || { cat "$work/$1.err"; return 1; }
}

never_ready()
{
	local machine=("${says_ready[@]}") client
	there mute && await never-b && moves mute "${at[never-b]}" ready=2 rounds=1 &&
		kept mute 'not ready .* for ready=2 seconds in all' &&
		told never-b 'ready=2 seconds in all' && works mute
}

# The guest's operations: guest/mailbox.h.  At each step it is not what it was before.
steps()
{
	local i msr=0x4b564d08
	for ((i = 1; i <= 24; i++)); do echo "10:$msr:$((i % 2))" "4:$i"; done
}
step() { control "$1" go-on 0 && control "$1" wait 0; }

# Nothing ever fits, so it is only the guest that matters; no time by itself is too long.
again_and_again()
{
	local machine=("${says_ready[@]}") client i
	# shellcheck disable=SC2046
	launch again && control again wait 0 && control again batch 0 $(steps) &&
		same 'step 1' control again wait 0 && await again-b || return
	moves again "${at[again-b]}" bandwidth=64K downtime=1 rounds=1000000 ready=1
	for ((i = 0; i < 22; i++)); do
		step again || return
		! client_ended || break
	done
	kept again 'for ready=1 seconds in all' && told again-b 'ready=1' && quit again
}

# Ready whenever a round begins, and at no stop.
never_at_the_stop()
{
	local machine=("${says_ready[@]}") client line i=0
	# shellcheck disable=SC2046
	launch never-at && control never-at wait 0 && control never-at batch 0 $(steps) &&
		same 'step 1' control never-at wait 0 && await never-at-b || return
	rm -f "$work/said"; mkfifo "$work/said"
	moves never-at "${at[never-at-b]}" rounds=1 ready=1 'stops=stop:*,back:*'
	while read -r line; do
		echo "$line"
		case $line in 'at '*) ;; *) continue;; esac
		[ $((i += 1)) -lt 23 ] || { control never-at cancel; control never-at go; break; }
		step never-at && control never-at go || return
	done < "$work/said"
	rm "$work/said"
	within 120 client_ended && [ "$i" -gt 2 ] && told never-at-b 'for ready=1 seconds in all' &&
		same running control never-at status && quit never-at
}

# With this bandwidth it would take minutes.
slow=(bandwidth=64K rounds=1000)
over_the_limit()
{
	local client
	there home && await over-b && moves home "${at[over-b]}" "${slow[@]}" limit=2 &&
		kept home 'not through within limit=2 seconds' && told over-b 'limit=2 seconds' &&
		works home
}

# bad HOW: a target that is no good, at $work/HOW
bad() { bad_peer listen "$work/$1" "$1"; }
no_answer()
{
	local client
	bad_peer full "$work/full" 4446 && bad stall && there home || return
	moves home tcp:127.0.0.1:4446 timeout=3600 limit=1 &&
		kept home 'cannot connect to .*: .*within limit=1 seconds' || return
	moves home "unix:$work/stall" timeout=3600 limit=1 &&
		kept home 'not through within limit=1 seconds' || return
	await silent || return
	bad_peer lose "$work/silent.r" "$work/silent.m" READY stall &&
		moves home "unix:$work/silent.r" timeout=3600 limit=4 &&
		kept home 'not through within limit=4 seconds' && works home
}

# It stands still in a round until then; what follows goes into the buffer, until that is full.
# The target, which waits for 10 s at most, does not read for a second when it is told.
told_by()
{
	local name=$1 limit=$2 began=$SECONDS
	stands_still "$name" "$name-b" status:1,page=0x500000 "limit=$limit" || return
	until [ $((SECONDS - began)) -gt "$limit" ]; do sleep 0.2; done
	kill -STOP "${pids[$name-b]}"
	control "$name" go
	sleep 1
	kill -CONT "${pids[$name-b]}"
	kept "$name" "limit=$limit seconds" && told "$name-b" "limit=$limit seconds"
}
# A slow machine may need more time to get there, and the target longer than the source has for a
# last word.
told_in_a_round()
{
	local client limit name
	for limit in 3 6 10 15 20; do
		name=deep$limit
		begin "$name" && await "$name-b" || return
		told_by "$name" "$limit" && quit "$name" && return
		grep "within limit=$limit" "$work/said" && quit "$name" || return
	done
	return 1
}

# The target runs, and before its answer has come the limit passes and the client is gone.
after_commit()
{
	local client limit
	for limit in 4 20 60; do
		begin "late$limit" && await "late$limit-b" || return
		bad_peer lose "$work/late$limit.r" "$work/late$limit-b.m" RUNNING "$((limit + 1))" || return
		moves "late$limit" "unix:$work/late$limit.r" tied "limit=$limit" timeout=120
		until_it "late$limit-b" same running control "late$limit-b" status && break
		grep "within limit=$limit" "$work/late$limit.err" || return
	done
	kill -9 "$client"
	ended "late$limit" 0 && works "late$limit-b" && clean "late$limit-b" && quit "late$limit-b"
}

# killed NAME: its client is gone, and so is the migration, which would go on for longer
killed()
{
	kill -9 "$client"
	within 60 same running control "$1" status && tail -n 1 "$work/$1.err" | grep 'tied to is gone'
}
tied_in_rounds()
{
	local client
	there home && await tied-b && moves home "${at[tied-b]}" "${slow[@]}" tied &&
		within 60 grep '^round' "$work/said" && killed home && told tied-b 'tied to is gone' &&
		works home
}
tied_to_the_peer()
{
	local client
	rm -f "$work/stall"
	bad stall && there home && moves home "unix:$work/stall" timeout=3600 tied &&
		within 60 eval 'control home status | grep migrating' && killed home &&
		clean home && quit home
}
tied_to_the_guest()
{
	local machine=("${says_ready[@]}") client
	there mute && await guest-b && moves mute "${at[guest-b]}" ready=3600 tied &&
		within 60 grep '^waiting until the guest' "$work/said" && killed mute &&
		told guest-b 'tied to is gone' && clean mute && quit mute
}

# goes_on NAME SIGNAL OPTIONS...: whatever its client does
goes_on()
{
	local client
	begin "$1" && await "$1-b" && moves "$1" "${at[$1-b]}" stops=round:2 "${@:3}" &&
		within 60 grep '^at round:2' "$work/said" && kill "$2" "$client" && control "$1" go &&
		ended "$1" 0 && works "$1-b" && clean "$1-b" && quit "$1-b" || return
	[ "$2" != -STOP ] || { kill -9 "$client"; wait "$client" 2>/dev/null; true; }
}
not_tied() { goes_on loose -KILL; }
does_not_read() { goes_on full -STOP tied; }

check "a guest that never says it is ready: ready= ends it, and the guest goes on" never_ready
check "all time in which the guest is not ready counts together" again_and_again
check "a guest that takes back at each stop that it is ready comes to that end too" never_at_the_stop
check "limit= ends a migration with a reason on both sides, and the guest goes on" over_the_limit
check "limit= counts while nobody answers, at the end too, when the guest is stopped" no_answer
check "the target is told in the middle of a round" told_in_a_round
check "neither limit nor a client that is gone counts after COMMIT" after_commit
check "a tied migration ends with its client" tied_in_rounds
check "it ends so while it waits for the peer" tied_to_the_peer
check "it ends so while it waits for the guest" tied_to_the_guest
check "a migration that is not tied goes on without its client" not_tied
check "a client that does not read is not gone" does_not_read
finish
