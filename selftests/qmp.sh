# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The distribution's QEMU and its monitor, for tests.  Source it after tap.sh.
# shellcheck disable=SC2154	# work and patience are tap.sh's

# start_qemu OPTIONS...: QEMU, with KVM and paused; its process is $pid.

start_qemu()
{
	# QMP goes by a socket pair that bash makes.
	coproc monitor { exec qemu-system-x86_64 -accel kvm -m 64 -S -nodefaults -no-user-config \
		-display none -qmp stdio "$@" 2> "$work/qemu.err"; }
	# shellcheck disable=SC2154	# coproc sets it
	pid=$monitor_PID
	children+=("$pid")
	# Bash hides a coproc's own descriptors from the pipelines that qmp() stands in.
	exec {qmp_to}>&"${monitor[1]}" {qmp_from}<&"${monitor[0]}"
	: > "$work/events"
	qmp qmp_capabilities
}

# A line of the monitor; its events are kept.
qmp_line()
{
	read -r -t $((60 * patience)) -u "$qmp_from" line || { cat "$work/qemu.err" >&2; return 1; }
	[[ $line != *'"event"'* ]] || echo "$line" >> "$work/events"
}

# qmp COMMAND [ARGUMENTS]: prints the answer.
qmp()
{
	local line
	echo "{ \"execute\": \"$1\", \"arguments\": ${2:-{\}} }" >&"$qmp_to"
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
	until grep "$1" "$work/events"; do
		qmp_line || return
	done
	sed -i "0,/$1/{/$1/d}" "$work/events"
}
