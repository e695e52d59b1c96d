# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A test guest at whose console the test asks, and what the set says then.  Source it after tap.sh.
# The test sets:
#
#	answers		a file: what the guest says
#	name		the attachment
#
# and, if it does not call starts, which does that:
#
#	console		a descriptor: the guest reads there
#	pid		the VMM
# shellcheck disable=SC2154	# these

# A guest that runs, and asks.
starts()
{
	mkfifo "$work/console" && exec {console}<> "$work/console" || return
	"$bin/hcvm" --guest "$bin/hcguest.elf" --mem 16M < "$work/console" > "$answers" 2>&1 &
	pid=$!
	children+=("$pid")
	within 60 grep -q ready "$answers" || { cat "$answers"; return 1; }
}

# leaves NAME: that of a VM which has been killed, and which no command has seen end
leaves()
{
	local vm
	"$bin/hcvm" --guest "$bin/hcguest.elf" --mem 16M --incoming "unix:$work/left" < /dev/null > "$work/left-said" 2>&1 &
	vm=$!
	children+=("$vm")
	within 60 [ -S "$work/left" ] && hcpolicy attach bitmap --pid "$vm" --name "$1" || { cat "$work/left-said"; return 1; }
	{ kill -KILL "$vm" && wait "$vm"; } 2> /dev/null
	within 60 [ ! -e "/proc/$vm" ]
}

# ask COMMAND: the guest's next answer is ok
asked=0
ask()
{
	asked=$((asked + 1))
	echo "$1 expect 0" >&"$console"
	within 120 eval "[ \"\$(grep -c '^ok 0' '$answers')\" = $asked ]" || { cat "$answers"; return 1; }
}

# Of a process that was told to stop: when it has.
halt() { kill -STOP "$pid" && within 60 eval "! grep -v ') T' /proc/$pid/task/*/stat"; }
go_on() { kill -CONT "$pid"; }

ranges() { hcpolicy ranges $name -j; }
complete() { hcpolicy show $name | grep -qE '^state +complete$' || { hcpolicy show $name; return 1; }; }
