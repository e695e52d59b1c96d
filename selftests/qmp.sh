# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# QEMUs and their monitors, for tests.  Source it after tap.sh.
#
#	vm		whom the functions are about; on NAME FUNCTION...: about this one
#	qemu_program=()	what runs: by default the distribution's QEMU
# shellcheck disable=SC2154	# work and patience are tap.sh's

vm=vm
qemu_program=(qemu-system-x86_64 -accel kvm -m 64)
declare -A pids qmp_to qmp_from

on() { local vm=$1; shift; "$@"; }

# start_qemu OPTIONS...: it waits for cont; its process is $pid.
start_qemu()
{
	local fifo=$work/$vm.qmp to from
	rm -f "$fifo".*
	mkfifo "$fifo.in" "$fifo.out" || return
	# Opened for both, a pipe waits for nobody.
	exec {to}<> "$fifo.in"
	"${qemu_program[@]}" -S -nodefaults -no-user-config -display none -qmp stdio "$@" \
		< "$fifo.in" > "$fifo.out" 2> "$work/$vm.err" &
	pid=$!
	children+=("$pid")
	exec {from}< "$fifo.out"
	# shellcheck disable=SC2034	# for who sources this
	pids[$vm]=$pid qmp_to[$vm]=$to qmp_from[$vm]=$from
	: > "$work/$vm.events"
	qmp qmp_capabilities
}

# A line of the monitor; its events are kept.
qmp_line()
{
	read -r -t $((60 * patience)) -u "${qmp_from[$vm]}" line || { cat "$work/$vm.err" >&2; return 1; }
	[[ $line != *'"event"'* ]] || echo "$line" >> "$work/$vm.events"
}

# qmp COMMAND [ARGUMENTS]: prints the answer.
qmp()
{
	local line
	echo "{ \"execute\": \"$1\", \"arguments\": ${2:-{\}} }" >&"${qmp_to[$vm]}"
	while qmp_line; do
		case $line in
		*'"return"'*) echo "$line"; return 0;;
		*'"error"'*) echo "$line" >&2; return 1;;
		esac
	done
	return 1
}

# event WORDS: waits for an event with these words, which may have come; then it is forgotten.
event()
{
	local line
	until grep "$1" "$work/$vm.events"; do
		qmp_line || return
	done
	sed -i "0,/$1/{/$1/d}" "$work/$vm.events"
}
