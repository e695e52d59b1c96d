#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# hcpolicy record: a trace has each request of one VM; replayed, it gives that VM's set; and what it
# has not, it says.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
plan 15

hcpolicy() { "$bin/hcpolicy" "$@"; }
echo=$top/build/selftests/echo.bpf.o
declare -A vm in

# --- guests, each with a console

# start NAME OPTIONS...: hcvm, which `tell NAME` writes to; it says NAME.console
start()
{
	local name=$1 console
	shift
	mkfifo "$work/$name.in" && exec {console}<> "$work/$name.in" || return
	"$bin/hcvm" "$@" < "$work/$name.in" > "$work/$name.console" 2>&1 &
	vm[$name]=$! in[$name]=$console
	children+=("$!")
}
tell() { printf '%s\n' "${@:2}" >&"${in[$1]}"; }
console() { grep -E "$2" "$work/$1.console" || { tail -n 40 "$work/$1.console"; return 1; }; }
# says_or_ends NAME PATTERN: says it, or has ended, and then nobody has to wait for it
says_or_ends() { console "$@" || ! kill -0 "${vm[$1]}"; }
# answers NAME N: its test guest has done N commands
answers() { [ "$(grep -cE '^(ret|ok|FAIL) ' "$work/$1.console")" = "$2" ] || { cat "$work/$1.console"; return 1; }; }
does() { tell "$1" "${@:3}" && within 300 answers "$1" "$2"; }

# --- recorders

# record NAME [TRACE]: from when this returns
record()
{
	local trace=$work/${2-$1}.trace
	"$bin/hcpolicy" record "hcst-$1" "$trace" > "$work/said" 2>&1 &	# itself: it gets signals
	recorder=$!
	children+=("$recorder")
	within 200 [ -s "$trace" ] || { cat "$work/said"; return 1; }
}
# ended STATUS PATTERN: the recorder has ended so
ended()
{
	local status=0
	wait "$recorder" || status=$?
	cat "$work/said"
	[ "$status" = "$1" ] && grep -qE -e "$2" "$work/said" || { echo "status $status"; return 1; }
}
interrupt() { kill -INT "$recorder" && ended 0 "^[0-9]+ requests? of 'hcst-.*' recorded to $work/$1.trace$"; }
# requests TRACE: but for the times, which differ
requests() { sed -n 's/ time=[0-9.]*$//; /^[^#]/p' "$work/$1.trace"; }
count() { requests "$1" | wc -l; }
comment() { grep -e "^# $2" "$work/$1.trace" || { tail -n 3 "$work/$1.trace"; return 1; }; }

# same_set VM TRACE: does the trace, replayed, give the set that the VM has?
same_set()
{
	hcpolicy ranges "hcst-$1" -j > "$work/want" && grep -q gfn "$work/want" || { echo "no set"; return 1; }
	hcpolicy try -q -j bitmap "$work/$2.trace" > "$work/tried" || { tail -n 3 "$work/tried"; return 1; }
	/usr/bin/python3 -IS -c '
import json, sys
want = json.load(open(sys.argv[1]))
got = json.loads(open(sys.argv[2]).readlines()[-1])["ranges"]
print(len(want), "ranges in the set,", len(got), "by the trace")
sys.exit(want != got)' "$work/want" "$work/tried"
}

# --- a stock Linux

# It stands still from its policy to its recorder, before it has asked for anything.
boots()
{
	start linux --kernel "$("$top/scripts/guest-kernel")" --initrd "$top/build/guest-initrd.cpio.gz" --mem 256M \
		--append 'console=ttyS0 panic=-1 hcvm.work=line' --sev-lookalike --policy bitmap --name hcst-linux
	within 200 [ -e /sys/fs/bpf/hcpolicy/hcst-linux/link ] && kill -STOP "${vm[linux]}" && record linux &&
		kill -CONT "${vm[linux]}" && within 600 says_or_ends linux HCVM-GUEST-UP && console linux HCVM-GUEST-UP
}
whole_boot()
{
	interrupt linux || return
	[ "$(count linux)" -gt 100 ] && ! grep recorded=set "$work/linux.trace" &&
		comment linux 'the end: interrupted, [0-9]* requests$' && same_set linux linux
}
middle()
{
	record linux late && interrupt late && [ "$(count late)" -gt 0 ] &&
		comment late 'the guest has run before: recorded=set ' &&
		! requests late | grep -v '^share 0x[0-9a-f]* [0-9]* recorded=set$' && same_set linux late
}
linux_ends() { kill "${vm[linux]}"; wait "${vm[linux]}"; [ $? -gt 128 ]; }

# --- the test guest; its VMM enables the exits only in VM two

two_guests()
{
	start one --guest "$bin/hcguest.elf" --mem 16M --policy bitmap --name hcst-one
	start two --guest "$bin/hcguest.elf" --mem 16M
	within 200 console one ready && within 200 console two ready &&
		hcpolicy attach "$echo" --pid "${vm[two]}" --name hcst-two
}
of_one_vm()
{
	record one && does two 1 'loop 50 map 0x300000 1 0' || return
	does one 3 'map 0x200000 3 0' 'map 0x201000 1 0x11' 'map 0 80000 0' || return
	hcpolicy replace hcst-one "$echo" &&
		does one 6 'map 0x1002000 2 0' 'map 0xff3000 1 0x10' 'map 0x1003000 1 0' &&
		hcpolicy replace hcst-one bitmap && does one 7 'map 0x201000 1 0' && interrupt one
}
each_line()
{
	local handled="status=0 verdict=handled" door="vcpu=0 door=hypercall"
	[ "$(grep -c '^# share 0x1002000 2 .* verdict=retry time=' "$work/one.trace")" = 2 ] &&
		diff -u - <(requests one) <<-END
		share 0x200000 3 $door attrs=0x0 $handled
		private 0x201000 1 $door attrs=0x11 $handled
		share 0x0 65536 $door attrs=0x0 $handled
		share 0x10000000 14464 $door attrs=0x0 $handled
		share 0x1002000 2 $door attrs=0x0 $handled
		private 0xff3000 1 $door attrs=0x10 status=-22 verdict=EINVAL answer=EACCES
		share 0x1003000 1 $door attrs=0x0 status=-1000 verdict=ENOSYS answer=3
		share 0x201000 1 $door attrs=0x0 $handled
	END
}
exits()
{
	record two exits && does two 3 'map 0x1001000 1 0' 'map 0x1000000 1 0x10' && interrupt exits || return
	comment exits 'not all that the guest shared before: the set is not complete: .*late' &&
		diff -u - <(requests exits | grep -v recorded=set) <<-END
			share 0x1001000 1 vcpu=0 door=hypercall attrs=0x0 verdict=exit answer=handled
			private 0x1000000 1 vcpu=0 door=hypercall attrs=0x10 verdict=exit
		END
}
# The recorder stands still for more requests than its buffer can hold.
losses()
{
	record one lossy && kill -STOP "$recorder" && does one 8 'random 42 70000 4096' || return
	kill -CONT "$recorder" && within 300 comment lossy 'lost [1-9][0-9]* requests$' &&
		does one 9 'map 0x7000 1 0' || return
	within 60 eval "tail -n 1 $work/lossy.trace | grep '^share 0x7000 '" && kill -INT "$recorder" &&
		ended 1 "hcpolicy: attachment 'hcst-one': [0-9]* of its requests were lost, as they came faster" || return
	local lost
	lost=$(sed -n 's/^# lost \([0-9]*\) requests$/\1/p' "$work/lossy.trace")
	echo "$(requests lossy | grep -vc recorded=set) recorded, $lost lost"
	[ "$(requests lossy | grep -vc recorded=set)" = $((70001 - lost)) ] &&
		tail -n 3 "$work/lossy.trace" | head -n 1 | grep "^# lost $lost "
}
many() { record one many && does one 10 'random 7 5000 4096' && interrupt many && same_set one many; }
killed()
{
	record one killed && does one 11 'map 0x9000 1 0' && within 60 grep -q '^share 0x9000 ' "$work/killed.trace" &&
		kill -KILL "$recorder" || return
	wait "$recorder"
	same_set one killed
}
full()
{
	mkdir "$work/small" && mount -t tmpfs -o size=64k none "$work/small" && record one small/full || return
	does one 12 'random 7 2000 4096' &&
		ended 1 "hcpolicy: $work/small/full.trace cannot be written: No space left on device"
	local status=$?
	tail -c 1 "$work/small/full.trace" > "$work/last" && cp "$work/small/full.trace" "$work/full.trace"
	umount -l "$work/small"
	[ "$status" = 0 ] && echo | cmp - "$work/last" && hcpolicy try -q bitmap "$work/full.trace"
}
refused()
{
	gives 1 "^hcpolicy: $work/one.trace is there already: name another file" \
		hcpolicy record hcst-one "$work/one.trace" &&
		gives 1 "^hcpolicy: $work/none/t cannot be written: No such" \
			hcpolicy record hcst-one "$work/none/t" &&
		gives 1 "^hcpolicy: standard output cannot be written: No space" \
			eval "hcpolicy record hcst-one - > /dev/full" &&
		gives 2 'standard output cannot have both' hcpolicy record hcst-one - -j &&
		gives 1 "attachment 'hcst-three'" hcpolicy record hcst-three "$work/three.trace" &&
		[ ! -e "$work/three.trace" ]
}
no_right()
{
	gives 1 "^hcpolicy: attachment 'hcst-one': to see its requests needs CAP_SYS_ADMIN" setpriv \
		--bounding-set -sys_admin --inh-caps -sys_admin "$bin/hcpolicy" record hcst-one "$work/no.trace" &&
		[ ! -e "$work/no.trace" ]
}
vm_ends()
{
	record one end && does one 13 'map 0xa000 1 0' && tell one exit && ended 0 'recorded to' || return
	tail -n 2 "$work/end.trace" | grep '^share 0xa000 ' && comment end 'the end: the policy has ended, '
}

check "a stock Linux boots while it is recorded" boots
check "its trace, replayed through bitmap, gives its set" whole_boot
check "a trace from the middle of its life begins with its set, and gives it too" middle
check "Linux ends" linux_ends
check "two guests run" two_guests
check "one is recorded, through two replaces of its policy" of_one_vm
check "the trace has its requests and no other's, and what became of each" each_line
check "and of those that exit, and of those that the policy would have handled" exits
check "what is lost is said where it is missing, and the status says it" losses
check "5,000 random requests, replayed, give the set" many
check "a recorder that is killed leaves what it has seen" killed
check "a full disk ends it, and leaves whole lines" full
check "what cannot be recorded or written is refused" refused
check "without CAP_SYS_ADMIN it says so" no_right
check "the recorder ends with the VM" vm_ends
finish
