# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Machines of hcvm that migrate, for tests.  Source it after tap.sh.
#
#	machine=(OPTIONS...)	what all of them are
#	source_of=(OPTIONS...)	how the set is kept, for instance --policy bitmap

# shellcheck disable=SC2154	# top, bin, work, patience and children are tap.sh's
hcvm=$bin/hcvm
machine=()
declare -A pids at

# launch NAME OPTIONS...: until it answers
launch()
{
	local name=$1
	shift
	"$hcvm" "${machine[@]}" --control "$work/$name.c" "$@" \
		< /dev/null > "$work/$name.console" 2> "$work/$name.err" &
	pids[$name]=$!
	children+=($!)
	until_it "$name" test -e "$work/$name.c"
}

# until_it NAME COMMAND...: succeeds, as long as the machine lives
until_it()
{
	local end=$((SECONDS + 60 * patience))
	until "${@:2}"; do
		kill -0 "${pids[$1]}" 2>/dev/null && [ "$SECONDS" -lt "$end" ] ||
			{ echo "$1 did not come up"; cat "$work/$1.err"; return 1; }
		sleep 0.05
	done
}

# await NAME OPTIONS...: a machine that waits for another one
await() { await_at "$1" "unix:$work/$1.m" "${@:2}"; }

# await_at NAME ADDRESS OPTIONS...: the same, there
await_at()
{
	at[$1]=$2
	launch "$1" --incoming "$2" "${@:3}" && until_it "$1" grep -q 'waiting at' "$work/$1.err"
}

control() { timeout $((120 * patience)) "$hcvm" control "$work/$1.c" "${@:2}"; }

gone() { ! kill -0 "${pids[$1]}" 2>/dev/null; }

# ended NAME STATUS: it ends, and so
ended()
{
	local status
	within 900 gone "$1" || { echo "$1 goes on"; cat "$work/$1.err"; return 1; }
	wait "${pids[$1]}"
	status=$?
	[ "$status" = "$2" ] || { echo "$1 ended with $status"; cat "$work/$1.err"; return 1; }
}

# move FROM TO OPTIONS...: TO waits already
move()
{
	timeout $((120 * patience)) "$hcvm" migrate "$work/$1.c" "${at[$2]}" "${@:3}" ||
		{ echo "status $?"; cat "$work/$1.err" "$work/$2.err"; return 1; }
}

# hop FROM TO OPTIONS...: and FROM is gone
hop() { await "$2" "${keeper[@]}" && move "$@" && ended "$1" 0; }

quit() { control "$1" quit && ended "$1" 0; }

# works NAME: its guest gets on
works()
{
	local before
	before=$(control "$1" look) || return
	within 60 differs "$before" "$1"
}
differs() { [ "$(control "$2" look)" != "$1" ]; }

# stands_still NAME TO STOP OPTIONS...: NAME, of the test build, migrates to TO, until go
stands_still()
{
	timeout $((120 * patience)) "$hcvm" migrate "$work/$1.c" "${at[$2]}" "stops=$3" "${@:4}" \
		> "$work/said" 2>&1 &
	# shellcheck disable=SC2034	# for who sources this
	client=$!
	within 60 grep -qx "at ${3%%,*}" "$work/said" || { cat "$work/said"; return 1; }
}

# bad_peer HOW PATH...: selftests/bad_peer.c in the background, which has made PATH when this returns
bad_peer()
{
	"$top/build/selftests/bad_peer" "$@" &
	children+=($!)
	within 60 test -e "$2"
}

# clean NAME: the guest verifies all its pages; it must be at work
clean() { control "$1" stop && control "$1" check; }

# value NAME KEY, of what hcvm counted
value() { sed -n "s/^hcvm: $2 //p" "$work/$1.err" | tail -n 1; }
