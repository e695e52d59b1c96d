#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# hcpolicy auto: which rule of auto.conf it takes, for a process that has no VM.  There is no policy nosuch, so
# it fails when it has found the rule.  selftests/auto.sh has the rest.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/../../selftests/tap.sh"
plan 16

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
	gives 1 "process $pid \(.*\) gets no policy, but should have 'nosuch' by $conf:$line\$" auto
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
	gives 1 "$conf: No such file" auto && gives 1 "process $pid \(sleep\) gets no policy" auto || return
	[ -e /etc/hcpolicy/auto.conf ] || same "process $pid (sleep) gets no policy, as there is no /etc/hcpolicy/auto.conf" hcpolicy auto --pid "$pid"
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
		echo "* * $name nosuch 1G" > "$conf" && within 60 gives 1 "process $other \(.*\) gets no policy, but should have" auto "$other"
}
brackets()
{
	local good bad name=${command##*/}
	for good in "[${name::1}]*" "[!]]*" "[]${name::1}]*" '[[:alpha:]]*' "${name::2}[!x[:digit:]]*"; do
		fits "* /* $good nosuch 1G" || return
	done
	for bad in '[' 'a[b' '[]' '[!]' '[a[:digit:]' '[a]['; do
		wrong "* * $bad nosuch 1G" "${bad//[/\\[}' is no pattern: a \\[ is not closed" && wrong "* /x$bad * -" "/x${bad//[/\\[}' is no pattern" || return
	done
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
		wrong '* * * a big' big && wrong '* * * a 0' 0 && wrong '* * * a 64' "64' is no size of a set: wanted .*such as 64G" && wrong '* * * a 1023K' 1023K && fits '* * * nosuch 1M' && wrong '* * * - 1G' 1G && wrong '* * * a 1G key' key && wrong '* * * a 1G =1' =1 && wrong '* * * a incoming' incoming &&
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
		gives 1 "process $process \(.*\) gets no policy, but should have 'nosuch'" auto "$thread"
}
ended() { gives 1 'no process 2147483646: it has ended' auto 2147483646; }

# --- --check

check_rules() { hcpolicy auto --check --conf "$conf"; }
counted()
{
	printf '%s\n' '# who' '* * * bitmap 1G' 'user:0 /x * quota 1G ceiling=5 incoming' '* * * -' > "$conf" &&
		same "$conf: 3 rules, none is wrong" check_rules && echo '* * * bitmap 1G' > "$conf" && same "$conf: 1 rule, none is wrong" check_rules &&
		: > "$conf" && same "$conf: no rule, so no VM gets a policy by hcpolicy auto" check_rules || return
	[ -e /etc/hcpolicy/auto.conf ] ||
		same 'there is no /etc/hcpolicy/auto.conf, so no VM gets a policy by hcpolicy auto' hcpolicy auto --check
}
each_wrong()
{
	printf '%s\n' '* * * nosuch 1G' '* * * a' '* * * bitmap 1G' '* * * quota 1G a=1 ceiling=x' '* * * bitmap 5000T' > "$conf"
	gives 1 "^hcpolicy: $conf:1: policy 'nosuch': no nosuch.bpf.o in HCPOLICY_PATH" check_rules &&
		gives 1 "^hcpolicy: $conf:2: .* has no size" check_rules && gives 1 "$conf:4: .*it has no parameter 'a'; it has: .*ceiling" check_rules &&
		gives 1 "$conf:4: policy 'quota': parameter 'ceiling': 'x' is not a number" check_rules &&
		same '1 2 4 4 5' eval "sed 's,^hcpolicy: $conf:\([0-9]*\):.*,\1,' '$work/run' | xargs" &&
		rm "$conf" && gives 1 "$conf: No such file" check_rules && gives 2 'leave out --pid' hcpolicy auto --check --pid "$pid"
}

check "without rules it does nothing, and says nothing" nothing
check "a file that was named and is not there is an error; the usual one may be missing, which is said" no_file
check "what a process is called cannot become a line" one_line
check "a rule is for a user" users
check "or for one of its groups" groups_too
check "for a control group" cgroups
check "for a command, by its path or the last part of it" commands
check "a backslash means itself" backslash
check "a pattern has brackets, which are closed" brackets
check "the first rule that fits counts, also one for no policy" first
check "a line that is wrong is named, and no rule counts" lines
check "a rule has the parameters of its policy" parameters
check "of a thread the process counts" threads
check "of a process that has ended it says so" ended
check "--check counts rules that are right, and says what follows if there are none" counted
check "it names each line that is wrong, also by its policy and parameters" each_wrong
finish
