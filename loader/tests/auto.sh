#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# hcpolicy auto: which rule of auto.conf it takes, for a process that has no VM.  There is no policy nosuch, so
# it fails when it has found the rule.  selftests/auto.sh has the rest.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/../../selftests/tap.sh"
plan 13

conf=$work/auto.conf
uid=$(id -u) gid=$(id -g) user=$(id -un)
cgroup=$(sed -n 's/^0:://p' /proc/self/cgroup)
sleep 600 &
pid=$!
children+=("$pid")
within 60 grep -qx sleep "/proc/$pid/comm" || exit
command=$(realpath "/proc/$pid/exe")

auto() { hcpolicy auto --pid "${1:-$pid}" --conf "$conf"; }
# takes LINE RULE...: is it the rule of that line?
takes()
{
	local line=$1
	shift
	printf '%s\n' "$@" > "$conf"
	gives 1 "process $pid gets no policy, but should have 'nosuch' by $conf:$line\$" auto
}
fits() { takes 1 "$1"; }
fits_not()
{
	echo "$1" > "$conf"
	gives 0 "^process $pid \(sleep\) gets no policy: no rule of $conf is for user $uid, control group $cgroup, command $command\$" auto
}
wrong() { printf '\n%s\n' "$1" > "$conf"; gives 1 "$conf:2: '$2" auto && gives 1 'gets no policy, as the rules are wrong' auto; }
short() { printf '\n%s\n' "$1" > "$conf"; gives 1 "$conf:2: the rule ends too early and has no $2.* \(a rule is: who, control group, command, policy, largest set" auto; }

nothing()
{
	: > "$conf" && same '' auto && printf '\n \t# * * * nosuch 1G\n' > "$conf" && same '' auto
}
no_file()
{
	rm -f "$conf"
	gives 1 "$conf: No such file" auto && gives 1 "process $pid gets no policy" auto || return
	[ -e /etc/hcpolicy/auto.conf ] || same '' hcpolicy auto --pid "$pid"
}
# Its path is the user's to choose, and must not become a line of its own.
one_line()
{
	local name=$'a\nb: policy' other
	cp "$command" "$work/$name" && { "$work/$name" 600 & } && other=$! && children+=("$other") && echo '* /nowhere * nosuch 1G' > "$conf" &&
		within 60 gives 0 'command .*/a\?b: policy$' auto "$other" && same 1 grep -c '' "$work/run"
}
users() { fits "user:$uid * * nosuch 1G" && fits "user:$user * * nosuch 1G" && fits '* * * nosuch 1G' && fits_not "user:$((uid + 1)) * * nosuch 1G"; }
groups_too()
{
	local one
	fits_not "group:$((gid + 70000)) * * nosuch 1G" || return
	for one in $(id -G) $(id -Gn); do
		fits "group:$one * * nosuch 1G" || return
	done
}
cgroups()
{
	fits "* $cgroup * nosuch 1G" && fits '* /* * nosuch 1G' && fits_not "* ${cgroup}x * nosuch 1G" && fits_not '* /nowhere/* * nosuch 1G' &&
		fits_not "* $cgroup\\* * nosuch 1G"
}
commands()
{
	local name=${command##*/}
	fits "* * $name nosuch 1G" && fits "* * ${name%?}? nosuch 1G" && fits "* * $command nosuch 1G" && fits "* * */$name nosuch 1G" &&
		fits_not "* * /$name nosuch 1G" && fits_not "* * ${name}x nosuch 1G" && fits_not "* * x* nosuch 1G"
}
# A unit's name has \x2d for a dash.
backslash()
{
	local name='a\x2db' other
	cp "$command" "$work/$name" && { "$work/$name" 600 & } && other=$! && children+=("$other") &&
		echo "* * $name nosuch 1G" > "$conf" && within 60 gives 1 "process $other gets no policy, but should have" auto "$other"
}
first()
{
	takes 3 '# a comment' "user:$((uid + 1)) * * other 1G" '* * * nosuch 1G' '* * * other 1G' &&
		printf '%s\n' "* * ${command##*/} - # none" '* * * nosuch 1G' > "$conf" &&
		gives 0 "^process $pid \(sleep\) gets no policy, by $conf:1\$" auto
}
# The rest of the file does not count either: it may be what the wrong line was to prevent.
lines()
{
	wrong 'user:nobody-here * * a 1G' user:nobody-here && wrong 'alice * * a 1G' alice && wrong '* slice * a 1G' slice &&
		short '*' 'control group: wanted a pattern' && short '* *' 'command: wanted a pattern' && short '* * *' 'policy: wanted its name' && short '* * * a' 'size of a set: wanted' &&
		wrong '* * * a big' big && wrong '* * * a 0' 0 && wrong '* * * - 1G' 1G && wrong '* * * a 1G key' key && wrong '* * * a 1G =1' =1 && wrong '* * * a incoming' incoming &&
		printf '%s\n' '* * * nosuch 1G' '* * * a' > "$conf" && gives 1 "$conf:2" auto && ! grep nosuch "$work/run"
}
parameters()
{
	fits '* * * nosuch 1G incoming' && fits '* * * nosuch 1G ceiling=5 incoming' || return
	echo '* * * quota 1G ceiling=5 nosuch=1' > "$conf"
	gives 1 "has no parameter 'nosuch'" auto && echo '* * * quota 1G ceiling=x' > "$conf" && gives 1 "'x' is not a number" auto
}
# KVM names the thread that made the VM.
threads()
{
	local thread process
	exec {out}< <(exec python3 -IS -c 'import os, threading, time
threading.Thread(target=lambda: (print(threading.get_native_id(), os.getpid(), flush=True), time.sleep(600)), daemon=True).start()
time.sleep(600)')
	children+=("$!")
	read -r thread process <&"$out" && [ "$thread" != "$process" ] && echo '* * python3* nosuch 1G' > "$conf" &&
		gives 1 "process $process gets no policy, but should have 'nosuch'" auto "$thread"
}
ended() { gives 1 'no process 2147483646: it has ended' auto 2147483646; }

check "without rules it does nothing, and says nothing" nothing
check "a file that was named and is not there is an error; the usual one may be missing" no_file
check "what a process is called cannot become a line" one_line
check "a rule is for a user" users
check "or for one of its groups" groups_too
check "for a control group" cgroups
check "for a command, by its path or the last part of it" commands
check "a backslash means itself" backslash
check "the first rule that fits counts, also one for no policy" first
check "a line that is wrong is named, and no rule counts" lines
check "a rule has the parameters of its policy" parameters
check "of a thread the process counts" threads
check "of a process that has ended it says so" ended
finish
