#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Wrong orders of a migration, played step by step: guest and host each stop at named
# points, so that the bad moment comes every time.  The guest's own check has to catch
# each wrong order, and to find nothing in the same play by the right rule.
#
# Each play is two migrations: a book that is wrong shows in the next one.
# HCP_PLAYS=N: how often each is played (default 1; check-long: 10).
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/machines.sh
. "${BASH_SOURCE[0]%/*}/machines.sh"

hcvm=$bin/hcvm-test
times=${HCP_PLAYS:-1}
machine=(--guest "$bin/hcguest.elf" --mem 8M --smp 1 --encrypt --drive)
keeper=()

# The guest's operations (guest/mailbox.h) on the page that the plays are about.
p=0x500000 q=0x501000
private=5:$p:1:16 shared=5:$p:1:0			# asked for, then written
ask_private=0:$p:1:16 ask_shared=0:$p:1:0		# only asked for
write=6:$p:1 write_q=6:$q:1 private_q=5:$q:1:16 verify=7:$p:1
write_shared=8:$p:1:0					# only written
ready=10:0x4b564d08:1 write_alias=11:$p:1		# the C-bit's address, of the same memory

# play ORDER STOPS ROUNDS DO... -- BATCH...: the host stops at STOPS; at each of them
# the guest goes on by one step, if DO is step; if it can, for try; or is only let go, for push.
play()
{
	local order=$1 stops=$2 rounds=$3 dos=() dont line client a=p$((runs += 1))
	shift 3
	while [ "$1" != -- ]; do dos+=("$1"); shift; done
	shift
	launch "$a-a" --wrong "$order" && control "$a-a" wait 0 &&
		control "$a-a" batch 0 "$@" && control "$a-a" wait 0 && await "$a-b" || return 9
	[ "${dos[0]-}" != first ] || {
		control "$a-a" go-on 0 && control "$a-a" wait 0 || return 9
		dos=("${dos[@]:1}")
	}
	rm -f "$work/said"; mkfifo "$work/said"
	timeout $((120 * patience)) "$hcvm" migrate "$work/$a-a.c" "unix:$work/$a-b.m" \
		"rounds=$rounds" ${stops:+"stops=$stops"} > "$work/said" 2>&1 &
	client=$!
	while read -r line; do
		echo "# $line"
		case $line in 'at '*) ;; *) continue;; esac
		dont=${dos[0]-}
		dos=("${dos[@]:1}")
		case $dont in
		step)	control "$a-a" go-on 0 && control "$a-a" wait 0 || return 9;;
		push)	control "$a-a" go-on 0 || return 9;;
		try)	! control "$a-a" go-on 0 || control "$a-a" wait 0 || return 9;;
		esac
		[ "$dont" != push ] || sleep 1
		control "$a-a" go || return 9
	done < "$work/said"
	wait "$client" && ended "$a-a" 0 && control "$a-b" wait 0 || return 9
	await "$a-c" && move "$a-b" "$a-c" && ended "$a-b" 0 || return 9
	# What is left of the batch; a guest that died steps no more.
	until line=$(control "$a-c" wait 0); [[ $line = 'done '* ]]; do
		[[ $line = 'step '* ]] && control "$a-c" go-on 0 || { echo "$line"; return 9; }
	done
	control "$a-c" look
	line=$?
	quit "$a-c" || return 9
	return $line
}
runs=0

# Each with the order as its first argument.
ask_and_ask_back()
{
	play "$1" cleared:1,round:2 2 step step -- \
		$private 4:1 $ask_shared 4:2 $ask_private 4:3 $verify
}
convert_after_snapshot() { play "$1" snapshot:1 2 step -- $private 4:1 $shared 4:2 $verify; }
convert_before_stop() { play "$1" stop:2 1 step -- $private 4:1 $shared 4:2 $verify; }
ask_back_between_reads()
{
	play "$1" status:1,page=$p 2 first step -- \
		$shared 4:1 $ask_private 4:2 $ask_shared 4:3 $verify
}
write_is_left_over()
{
	play "$1" leave,round:2,round:3 2 step step -- \
		$private $private_q 4:1 $write 4:2 $write_q 4:3 $verify
}
request_at_the_stop() { play "$1" stop:2 1 push -- $private 4:1 $shared 4:2 $verify; }
# By the right rule the machine stands still then, and the guest cannot go on.  It would
# arrive with an old stack, too, and do again what it did: so it verifies before as well.
write_in_last_round()
{
	play "$1" stop:2,status:3,page=$p 1 step try -- \
		$private 4:1 $write 4:2 $verify $write 4:3 $verify
}
write_by_alias()
{
	local plain=("${machine[@]}") machine
	machine=("${plain[@]}" --sev-lookalike)
	play "$1" round:2 2 step -- $ready $private 4:1 $write_alias 4:2 $verify
}
convert_before() { play "$1" "" 1 -- $shared 4:1 $verify; }
# The guest's own wrong order, and the right one: scenario 1 of the three races.
guests_order() { play none "" 1 first -- $private 4:1 "$1" 4:2 "$2" 4:3 $verify; }

caught=0 clean=0 table=()
# Every time: status 1 is the guest's verdict, all else is a play that went wrong.
repeat()
{
	local want=$1 i status
	shift
	for ((i = 0; i < times; i++)); do
		"$@"
		status=$?
		[ "$status" = "$want" ] && continue
		echo "time $((i + 1)) of $times: status $status instead of $want"
		tail -n 4 "$work"/p"$runs"-*.err
		return 1
	done
}

plays=(
	"no-xor ask_and_ask_back"
	"status-first convert_after_snapshot"
	"old-snapshot convert_before_stop"
	"read-twice ask_back_between_reads"
	"drop-leftovers write_is_left_over"
	"late-exit request_at_the_stop"
	"running-last-round write_in_last_round"
	"unbooked convert_before"
	"no-alias write_by_alias"
)
[ $# = 0 ] || mapfile -t plays < <(printf '%s\n' "${plays[@]}" | grep -E "$1")
plan $((2 * ${#plays[@]} + 2))
for line in "${plays[@]}"; do
	read -r order name <<< "$line"
	before=$failed
	check "$name: the wrong order $order is caught $times times of $times" repeat 1 "$name" "$order"
	caught=$([ "$failed" = "$before" ] && echo "$times/$times" || echo no)
	before=$failed
	check "$name: the right rule is clean" repeat 0 "$name" none
	clean=$([ "$failed" = "$before" ] && echo "$times/$times" || echo no)
	table+=("$(printf '%-20s %-26s caught %-6s right rule clean %s' \
		"$order" "$name" "$caught" "$clean")")
done
check "a guest that writes and asks afterwards is caught" repeat 1 guests_order $write_shared $ask_shared
check "a guest that asks and writes afterwards is clean" repeat 0 guests_order $ask_shared $write_shared
printf '# %s\n' "${table[@]}"
finish
