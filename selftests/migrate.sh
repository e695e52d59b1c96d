#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Live migration between processes of hcvm.  The guest encrypts its memory itself, its
# two vCPUs convert and write all the time, and they verify each page that they touch:
# a page that was sent under a wrong status is garbage to them.
#
# HCP_MIGRATIONS=N: how many random migrations (default 5; check-long: 1,000); HCP_CUTS=N: in how many
# places a connection is cut (default 3; check-long: 100).  HCP_SEED=N repeats them.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/machines.sh
. "${BASH_SOURCE[0]%/*}/machines.sh"
plan 27
exec 3>&1		# check captures what a test prints

count=${HCP_MIGRATIONS:-5}
seed=${HCP_SEED:-$((RANDOM << 15 | RANDOM))}
RANDOM=$((seed % 32768))
echo "# seed $seed (HCP_SEED=$seed repeats this), $count random migrations"

hcvm=$bin/hcvm-test		# --drive and stops=
machine=(--guest "$bin/hcguest.elf" --mem 16M --smp 2 --encrypt --drive)
policy=(--policy bitmap)
exits=()
keeper=("${policy[@]}")

# begin NAME [PAGES]: a machine at work on so many pages for each vCPU
begin() { launch "$1" "${keeper[@]}" && control "$1" work "$seed" "${2:-300}" 1; }

once()
{
	begin "$1-a" && hop "$1-a" "$1-b" && works "$1-b" && clean "$1-b" && quit "$1-b"
}
by_policy() { keeper=("${policy[@]}"); once policy; }
by_exits() { keeper=("${exits[@]}"); once exits; }

# random_opts NAME: of a migration, and who keeps the set of that machine
random_opts()
{
	opts=("rounds=$((1 + RANDOM % 5))" "downtime=$((1 + RANDOM % 100))")
	[ $((RANDOM % 2)) != 0 ] || opts+=("bandwidth=$((8 + RANDOM % 24))M")
	case $((RANDOM % 3)) in
	0) keeper=("${policy[@]}");;
	1) keeper=("${exits[@]}");;
	2) keeper=(--policy freeze --name "hcst-$1");;
	esac
}

# freeze NAME yes-or-no, by its policy
freeze() { "$bin/hcpolicy" tune "hcst-$1" "frozen=$2"; }

# A guest that can be frozen is, at some moment of its migration.
freeze_sometime()
{
	[ -e "/sys/fs/bpf/hcpolicy/hcst-$1" ] || return 0
	sleep "0.$((RANDOM % 10))"
	freeze "$1" true && echo "$1" >> "$work/were-frozen"
}

# Every tenth time all pages are verified, and the work begins anew.  It is on most of the
# memory, so that some pages are not written again after what could go wrong with them.
at_random()
{
	local i opts freezer
	random_opts r0
	begin r0 1500 || return
	for ((i = 1; i <= count; i++)); do
		random_opts "r$i"
		echo "$i: ${opts[*]} ${keeper[*]}"
		freeze_sometime "r$((i - 1))" &
		freezer=$!
		hop "r$((i - 1))" "r$i" "${opts[@]}" || return
		wait "$freezer"
		control "r$i" look || return
		[ $((i % 10)) = 0 ] || continue
		echo "# $i of $count: $(control "r$i" look | head -n 1)" >&3
		clean "r$i" && control "r$i" work $((seed + i)) $((500 + RANDOM % 1000)) $((RANDOM % 2)) || return
	done
	clean "r$count" && quit "r$count" || return
	echo "# $(sort -u "$work/were-frozen" | wc -l) of $count were frozen on their way" >&3
}

# frozen NAME: its policy holds requests, and can hold all
counted() { "$bin/hcpolicy" show "hcst-$1" | sed -n "s/^counted  *$2 *//p"; }
holds() { [ "$(counted "$1" held)" -gt "$2" ]; }
frozen() { within 60 holds "$1" "$(counted "$1" held)" && same 0 counted "$1" passed; }
ranges() { "$bin/hcpolicy" ranges "hcst-$1" > "$work/$1.ranges"; }
done_by_both() { same 'done 0' control "$1" wait 0 && same 'done 0' control "$1" wait 1; }

# The guest's operations (guest/mailbox.h): each vCPU shares three pages, and writes them then.  It
# is held in that request here and there, and the request is done when it is let go.
held_on_the_way()
{
	local p=0x800000 q=0x900000
	keeper=(--policy freeze --name hcst-ice-a)
	launch ice-a "${keeper[@]}" && control ice-a wait 0 && control ice-a wait 1 &&
		freeze ice-a true && ranges ice-a && control ice-a batch 0 5:$p:3:0 &&
		control ice-a batch 1 5:$q:3:0 && frozen ice-a || return
	keeper=(--policy freeze --param frozen=true --name hcst-ice-b)
	hop ice-a ice-b && frozen ice-b && ranges ice-b || return
	cmp "$work/ice-a.ranges" "$work/ice-b.ranges" && [ -s "$work/ice-b.ranges" ] || return
	freeze ice-b false && done_by_both ice-b && ranges ice-b || return
	diff "$work/ice-a.ranges" "$work/ice-b.ranges" | sed -n 's/^> //p' > "$work/shared"
	cat "$work/shared"
	[ "$(wc -l < "$work/shared")" = 2 ] && grep '^0x800  *3 ' "$work/shared" &&
		grep '^0x900  *3 ' "$work/shared" || return
	# If the set were not what the guest did, the next move would spoil a page.
	keeper=("${policy[@]}")
	hop ice-b ice-c && control ice-c batch 0 7:$p:3 && control ice-c batch 1 7:$q:3 &&
		done_by_both ice-c && control ice-c look && quit ice-c
}

# turned_away NAME TEXT: this target has said so of who came last, and waits for the next one
turned_away()
{
	within 60 last_says "$1" "turned away: .*$2" || { cat "$work/$1.err"; return 1; }
	same incoming control "$1" status
}
last_says() { tail -n 1 "$work/$1.err" | grep "$2"; }

# refused NAME TEXT OPTIONS...: a source is told TEXT, and so is the target, and both go on
refused()
{
	local name=$1 text=$2
	shift 2
	keeper=("${policy[@]}")
	begin "$name-a" || return
	machine=("${other[@]}")
	await "$name-b" "${keeper[@]}"
	machine=("${normal[@]}")
	"$hcvm" migrate "$work/$name-a.c" "unix:$work/$name-b.m" "$@" > "$work/said" 2>&1 && return 1
	cat "$work/said"
	grep -q "$text" "$work/said" && turned_away "$name-b" "$text" && control "$name-b" quit &&
		ended "$name-b" 1 && works "$name-a" && clean "$name-a" && quit "$name-a"
}

normal=("${machine[@]}")
other_memory()
{
	other=("${machine[@]/16M/32M}")
	refused memory 'the source has --mem 16384K, the target has --mem 32768K'
}
other_smp()
{
	other=(--guest "$bin/hcguest.elf" --mem 16M --smp 1 --encrypt --drive)
	refused smp 'the source has --smp 2, the target has --smp 1'
}

# What each kind of bad peer is called: by a source, and by a target.
declare -A source_says=(
	[close]='the peer has closed the connection' [stall]='for 2 s the peer has neither sent nor taken anything'
	[garbage]="does not speak hcvm's migration protocol"
	[version]='the target speaks version 2 .* the source version 1'
	[memory]='the target has --mem 1073741824K, the source has --mem 16384K'
	[type]='frame of type 0x4d' [length]='PAGE with 1073741824 bytes'
	[body]='SET with 67108864 bytes instead of WELCOME' [slow]='has not answered in full within 2 s'
)
declare -A target_says=(
	[close]='the peer has closed the connection'
	[garbage]="does not speak hcvm's migration protocol"
	[version]='the source speaks version 2 .* the target version 1'
	[memory]='the source has --mem 1073741824K, the target has --mem 16384K'
	[type]='frame of type 0x4d' [length]='PAGE with 1073741824 bytes'
	[outside]='page 0x10000500000, which is not memory here' [flags]='an invalid PAGE: address and flags 0x500006'
	[part]='no such part' [state]='cannot set the MSRs of vCPU 0: Invalid argument'
	[set]='the shared-page set is refused' [count]='says that it sent 1 pages, but 0 have arrived'
	[crc]='frames were damaged on their way' [early]='did not send the shared-page set'
	[commit]='frame of type 9 out of turn' [body]='SET with 67108864 bytes instead of HELLO'
	[stall]='\(for 5 s the peer has\|in full within 5 s\)' [drip]='not answered in full within 5 s'
)
peers()
{
	keeper=("${policy[@]}")
	begin peer || return
	local how
	for how in close stall garbage version memory type length body slow; do
		bad_peer listen "$work/bad-$how" "$how" || return
		timeout $((120 * patience)) "$hcvm" migrate "$work/peer.c" "unix:$work/bad-$how" \
			timeout=2 > "$work/said" 2>&1 && return 1
		echo "$how: $(tail -n 1 "$work/said")"
		grep -q "${source_says[$how]}" "$work/said" || return
		control peer status | grep running || return
	done
	works peer && clean peer && quit peer
}

# never_ran NAME: this target has ended, and was not told to run the VM
never_ran()
{
	ended "$1" 1 && ! grep 'the VM has arrived' "$work/$1.err"
}

# The same towards a target.  A greeting that is not right changes nothing there.
strangers()
{
	local how
	keeper=("${policy[@]}")
	begin known && await door "${keeper[@]}" || return
	for how in close garbage version memory body stall drip; do
		"$top/build/selftests/bad_peer" connect "$work/door.m" "$how"
		turned_away door "${target_says[$how]}" || return
	done
	"$top/build/selftests/bad_peer" connect "$work/door.m" stall &
	children+=($!)
	move known door && ended known 0 && works door && clean door && quit door
}
bad_sources()
{
	local how
	keeper=("${policy[@]}")
	for how in type length outside flags part state set count crc early commit; do
		await "src-$how" "${keeper[@]}" || return
		"$top/build/selftests/bad_peer" connect "$work/src-$how.m" "$how"
		never_ran "src-$how" || return
		echo "$how: $(tail -n 1 "$work/src-$how.err")"
		grep -q "${target_says[$how]}" "$work/src-$how.err" || return
	done
}

# A bit of a frame: in which one, which bit (a header has 64), and what the target says.
flips()
{
	local r=$RANDOM n=$((RANDOM % 100))
	cat <<-LIST
		HELLO 0 128 the source speaks version 0
		PAGE $n $((r % 64)) .
		PAGE $n $((128 + r)) frames were damaged on their way
		STATE $((n % 20)) $((128 + r % 256)) .
		SET 0 $((64 + r % 256)) the shared-page set is refused
		END 0 $((64 + r % 64)) the peer says that it sent
		END 0 $((128 + r % 32)) frames were damaged on their way
		COMMIT 0 $((r % 32)) .
		COMMIT 0 $((32 + r % 32)) COMMIT with
	LIST
}
damaged()
{
	local i=0 frame n bit text
	keeper=("${policy[@]}")
	begin flip || return
	flips > "$work/flips"
	while read -r frame n bit text <&4; do
		await "flip$((i += 1))" "${keeper[@]}" || return
		bad_peer flip "$work/flip$i.r" "$work/flip$i.m" "$frame" "$n" "$bit" || return
		timeout $((120 * patience)) "$hcvm" migrate "$work/flip.c" "unix:$work/flip$i.r" \
			rounds=2 > "$work/said" 2>&1 && return 1
		echo "$frame $n $bit: $(tail -n 1 "$work/said")"
		if [ "$frame" = HELLO ]; then
			turned_away "flip$i" "$text" && control "flip$i" quit && ended "flip$i" 1
		else
			never_ran "flip$i" && grep -- "--incoming.*: .*$text" "$work/flip$i.err"
		fi && same running control flip status && control flip look || return
	done 4< "$work/flips"
	works flip && clean flip && quit flip
}

# cut_off NAME: this target ends because its source is gone, and has not run
cut_off() { ended "$1" 1 && grep 'the peer has closed the connection' "$work/$1.err"; }

# The frame HELLO, before which a target has no source.
hello=48
# A connection that is cut after so many bytes, or in so many places.
cut_at_random()
{
	local i bytes
	keeper=("${policy[@]}")
	begin cut || return
	for ((i = 0; i < ${HCP_CUTS:-3}; i++)); do
		case $((i % 3)) in
		0) bytes=$((RANDOM % 200));;
		1) bytes=$((RANDOM * 32));;
		2) bytes=$((RANDOM * 128));;
		esac
		await "cut$i" "${keeper[@]}" || return
		bad_peer relay "$work/relay$i" "$work/cut$i.m" "$bytes" || return
		if timeout $((120 * patience)) "$hcvm" migrate "$work/cut.c" "unix:$work/relay$i" \
			rounds=2 > "$work/said" 2>&1; then
			echo "cut at $bytes: not cut, the migration was shorter"
			clean "cut$i" && quit "cut$i" && begin cut || return
			continue
		fi
		echo "cut at $bytes: $(tail -n 1 "$work/said")"
		if [ "$bytes" -lt "$hello" ]; then
			turned_away "cut$i" 'the peer has closed the connection' &&
				control "cut$i" quit && ended "cut$i" 1 || return
		else
			cut_off "cut$i" || return
		fi
		control cut status | grep running && control cut look || return
	done
	clean cut && quit cut
}

paused() { local before; before=$(control "$1" look) && sleep 1 && same "$before" control "$1" look; }

too_late() { ! control "$1" cancel > "$work/cancel" 2>&1 && cat "$work/cancel" >> "$work/cancels"; }

# never_both CLIENT NAME: until the client ends; who has been seen to run in NAME-b is
# asked first, so NAME-a has to have stopped before
never_both()
{
	while kill -0 "$1" 2>/dev/null; do
		! control "$2-b" status 2>/dev/null | grep -qx running ||
			{ ! control "$2-a" status | grep -x running && too_late "$2-a"; } ||
			{ echo "both run, or it was cancelled"; return 1; }
		sleep 0.1
	done
}

# lose NAME FRAME WAY [TIMEOUT]: NAME-a migrates to NAME-b, and this frame of the handshake is lost
lose()
{
	local client
	keeper=("${policy[@]}")
	begin "$1-a" && await "$1-b" "${keeper[@]}" || return
	bad_peer lose "$work/$1.r" "$work/$1-b.m" "$2" "$3" || return
	timeout $((120 * patience)) "$hcvm" migrate "$work/$1-a.c" "unix:$work/$1.r" "timeout=${4:-2}" \
		> "$work/said" 2>&1 &
	client=$!
	never_both "$client" "$1" || return
	wait "$client" && return 1
	tail -n 1 "$work/said"
}

# doubt NAME FRAME WAY: then nobody here can know who has the machine
doubt()
{
	lose "$@" && grep -q 'told to run, and has not answered' "$work/said" &&
		same 'in doubt' control "$1-a" status && paused "$1-a"
}
not_resumed()
{
	control "$1" resume > "$work/said" 2>&1 && return 1
	grep 'no migration has left this VM in doubt' "$work/said"
}

# The target was not told, or could not answer: it has ended, and the source is resumed.
doubt_resumed()
{
	local i=0 how
	for how in 'COMMIT cut' 'COMMIT stall' 'COMMIT mute'; do
		echo "$how"
		# shellcheck disable=SC2086
		doubt "no$((i += 1))" $how && cut_off "no$i-b" &&
			control "no$i-a" resume && same running control "no$i-a" status &&
			works "no$i-a" && not_resumed "no$i-a" || return
		hop "no$i-a" "no$i-c" && works "no$i-c" && clean "no$i-c" && quit "no$i-c" || return
	done
}

# The target runs, and the source cannot know: it is ended.
doubt_quit()
{
	local i=0 way
	for way in cut stall; do
		echo "RUNNING $way"
		doubt "yes$((i += 1))" RUNNING "$way" 8 && works "yes$i-b" && paused "yes$i-a" &&
			same 'in doubt' control "yes$i-a" status && quit "yes$i-a" &&
			works "yes$i-b" && clean "yes$i-b" && quit "yes$i-b" || return
	done
	grep 'cancel: the target has been told to run' "$work/cancels"
}

# Before COMMIT there is no doubt.
ready_lost()
{
	local i=0 way
	for way in cut stall; do
		echo "READY $way"
		lose "ready$((i += 1))" READY "$way" && same running control "ready$i-a" status &&
			works "ready$i-a" && cut_off "ready$i-b" && not_resumed "ready$i-a" &&
			clean "ready$i-a" && quit "ready$i-a" || return
	done
}
no_doubt()
{
	keeper=("${policy[@]}")
	begin sure && not_resumed sure && works sure && clean sure && not_resumed sure && quit sure
}

tcp=tcp:127.0.0.1:4444
over_tcp()
{
	keeper=("${policy[@]}")
	begin tcp-a && await_at tcp-b "$tcp" "${keeper[@]}" && move tcp-a tcp-b && ended tcp-a 0 &&
		works tcp-b || return
	await_at tcp-c 'tcp:[::1]:4444' "${keeper[@]}" && move tcp-b tcp-c && ended tcp-b 0 &&
		works tcp-c && clean tcp-c && quit tcp-c
}
nobody_there()
{
	local addr
	keeper=("${policy[@]}")
	begin nobody || return
	for addr in "$tcp" "unix:$work/nobody.m"; do
		"$hcvm" migrate "$work/nobody.c" "$addr" > "$work/said" 2>&1 && return 1
		cat "$work/said"
		grep -qF "cannot connect to $addr: " "$work/said" &&
			grep -q 'start hcvm --incoming there first' "$work/said" &&
			same running control nobody status || return
	done
	works nobody && clean nobody && quit nobody
}
port_in_use()
{
	keeper=("${policy[@]}")
	await_at port-a "$tcp" "${keeper[@]}" || return
	await_at port-b "$tcp" "${keeper[@]}" && return 1
	ended port-b 1 && grep -F "cannot listen at $tcp: Address already in use (use another port" \
		"$work/port-b.err" && control port-a quit && ended port-a 1
}

cancelled()
{
	keeper=("${policy[@]}")
	begin can && await can-b "${keeper[@]}" || return
	timeout $((60 * patience)) "$hcvm" migrate "$work/can.c" "unix:$work/can-b.m" \
		bandwidth=64K > "$work/said" 2>&1 &
	local client=$!
	within 60 grep -q round "$work/said" && control can cancel || return
	wait "$client" && return 1
	cat "$work/said"
	grep -q interrupted "$work/said" && ended can-b 1 &&
		await can-c "${keeper[@]}" && move can can-c && ended can 0 && clean can-c && quit can-c
}

# Low memory is written faster than it may be sent, and what lies above is sent all the same.
nothing_starves()
{
	local left
	keeper=("${policy[@]}")
	begin thin 300 && await thin-b "${keeper[@]}" || return
	move thin thin-b bandwidth=2M rounds=1 > "$work/said" || return
	cat "$work/said"
	left=$(sed -n 's/^round [0-9]* (stopped): \([0-9]*\) pages to send.*/\1/p' "$work/said")
	[ "$left" -lt 1500 ] && ended thin 0 && works thin-b && clean thin-b && quit thin-b
}

# failed NAME TO TEXT: it ends with TEXT on both sides, and NAME has the machine
failed()
{
	wait "$client" && return 1
	cat "$work/said"
	grep -q "$3" "$work/said" && ended "$2" 1 && grep "$3" "$work/$2.err" &&
		same running control "$1" status
}

# not_begun NAME TO TEXT: so does the next one, before anything was sent
not_begun()
{
	await "$2" "${keeper[@]}" || return
	"$hcvm" migrate "$work/$1.c" "${at[$2]}" > "$work/said" 2>&1 &
	client=$!
	failed "$@" && ! grep round "$work/said"
}

# Between two rounds; and in the last one, when the VM is stopped already.
policy_detached()
{
	local client stop a b
	for stop in round:2 cleared:3; do
		a=off-${stop%:*} b=$a-b
		keeper=("${policy[@]}" --name "hcst-$a")
		begin "$a" || return
		keeper=("${policy[@]}")
		await "$b" "${keeper[@]}" && stands_still "$a" "$b" "$stop" rounds=1 &&
			"$bin/hcpolicy" detach "hcst-$a" && control "$a" go &&
			failed "$a" "$b" 'the policy is not attached any more' && works "$a" && clean "$a" || return
		not_begun "$a" "$a-c" 'the policy is not attached any more' && quit "$a" || return
	done
}

# It would run without anybody who keeps the set.
target_detached()
{
	local client
	keeper=("${policy[@]}")
	begin there && await there-b "${keeper[@]}" --name hcst-there &&
		stands_still there there-b round:2 rounds=1 &&
		"$bin/hcpolicy" detach hcst-there && control there go &&
		failed there there-b 'the policy was detached' && works there && clean there &&
		quit there
}

# The guest asks for pages of the set that its policy does not book.
request_missed()
{
	local client a=missed
	keeper=(--policy "$top/build/selftests/loses.bpf.o")
	launch "$a" "${keeper[@]}" && control "$a" wait 0 && await "$a-b" "${policy[@]}" &&
		stands_still "$a" "$a-b" round:2 && control "$a" batch 0 0:0x4000000:5:0 &&
		control "$a" wait 0 && control "$a" go &&
		failed "$a" "$a-b" 'the shared-page set is not complete (5 pages missed)' &&
		not_begun "$a" "$a-c" 'the shared-page set is not complete' &&
		control "$a" work "$seed" 300 1 && works "$a" && clean "$a" && quit "$a"
}

# The guest shares a hole where there is no memory, half in the set and half beyond it,
# before a migration and during it: nothing of that has to be sent.
hole_shared()
{
	local client a b
	for a in hole-policy hole-exits; do
		b=$a-b
		keeper=("${policy[@]}")
		[ "$a" != hole-exits ] || keeper=("${exits[@]}")
		launch "$a" "${keeper[@]}" && control "$a" wait 0 &&
			control "$a" batch 0 0:0x4000000:0x80000:0 && control "$a" wait 0 &&
			await "$b" "${keeper[@]}" && stands_still "$a" "$b" round:2 &&
			control "$a" batch 0 0:0x2000000000:5:0 && control "$a" wait 0 &&
			control "$a" go || return
		wait "$client" || { cat "$work/said"; return 1; }
		ended "$a" 0 && control "$b" work "$seed" 300 1 &&
			works "$b" && clean "$b" && quit "$b" || return
		[ "$(value "$b" beyond-pages)" = 507909 ] || return
	done
}

# The guest's operations: guest/mailbox.h.  While it is not ready it may do what the
# contract forbids: it turns a page in place, and asks for that afterwards.
ready_taken_back()
{
	local client p=0x500000 msr=0x4b564d08
	local machine=(--guest "$bin/hcguest.elf" --mem 16M --smp 1 --encrypt --sev-lookalike --drive)
	keeper=("${policy[@]}")
	launch back-a "${keeper[@]}" && control back-a wait 0 && control back-a batch 0 5:$p:1:16 \
		10:$msr:1 4:1 10:$msr:0 9:$p:1:0 4:2 0:$p:1:0 10:$msr:1 4:3 7:$p:1 || return
	same 'step 1' control back-a wait 0 && await back-b "${keeper[@]}" &&
		stands_still back-a back-b stop:2 rounds=1 ready=600 && control back-a go-on 0 &&
		same 'step 2' control back-a wait 0 && control back-a go &&
		within 60 grep '^waiting until the guest says' "$work/said" &&
		control back-a go-on 0 || { cat "$work/said"; return 1; }
	wait "$client" || { cat "$work/said"; return 1; }
	ended back-a 0 && same 'step 3' control back-b wait 0 && control back-b go-on 0 &&
		same 'done 0' control back-b wait 0 && control back-b look && quit back-b &&
		[ "$(value back-b migration-ready)" = 1 ]
}

# A target that does not even take the connection keeps nobody waiting.
is_connecting() { control conn status | grep 'migrating to tcp:127.0.0.1:4445: round 0'; }
connecting()
{
	timeout $((60 * patience)) "$hcvm" migrate "$work/conn.c" tcp:127.0.0.1:4445 timeout=3600 \
		> "$work/said" 2>&1 &
	client=$!
	within 60 is_connecting
}
connect_cancelled()
{
	local client
	keeper=("${policy[@]}")
	bad_peer full "$work/full" 4445 && begin conn && connecting && control conn cancel || return
	wait "$client" && return 1
	cat "$work/said"
	grep -q 'cannot connect to tcp:127.0.0.1:4445: interrupted' "$work/said" &&
		works conn && clean conn && connecting && quit conn
}

side_by_side()
{
	local name key
	for name in policy exits; do
		printf 'set by %s:' "$name"
		for key in downtime-us total-us scan-us rounds pages bytes; do
			printf ' %s %s' "$key" "$(value "$name-a" "migration-$key")"
		done
		echo
		[ "$(value $name-a migration-downtime-us)" -gt 0 ] &&
			[ "$(value $name-b source)" = "$name" ] || return
	done > "$work/bench"
	sed 's/^/# /' "$work/bench" >&3
}
exec 3>&1

check "a guest that converts and writes migrates, its set kept by a policy" by_policy
check "a guest that converts and writes migrates, its set kept by exits" by_exits
check "downtime, rounds, bytes and scan time of both are told" side_by_side
check "$count random migrations leave every page right" at_random
check "requests that freeze holds go with the guest, and are answered there" held_on_the_way
check "a target with other memory is refused, both sides say why and go on" other_memory
check "a target with other vCPUs is refused, both sides say why and go on" other_smp
check "a source survives peers that close, stall, lie and send garbage" peers
check "a target turns strangers away, silent and slow ones too, and takes its machine" strangers
check "a target says what is wrong with a source, and ends" bad_sources
check "a connection that is cut anywhere leaves the source running" cut_at_random
check "a bit that flips on the way is noticed by the target, and the source goes on" damaged
check "COMMIT or its answer is lost: in doubt, and resume lets the guest go on" doubt_resumed
check "RUNNING is lost: in doubt, only the target runs, and quit ends the source" doubt_quit
check "READY is lost: the source goes on, and the target ends" ready_lost
check "a machine that is not in doubt is not resumed" no_doubt
check "a guest migrates over TCP, by IPv4 and by IPv6" over_tcp
check "a target that nobody listens at is named, and the source runs on" nobody_there
check "a target names the port that is in use" port_in_use
check "a cancelled migration leaves the source running, and the next one works" cancelled
check "with little bandwidth no page waits for the end" nothing_starves
check "a policy that is detached meanwhile ends the migration, and the guest goes on" policy_detached
check "a target whose policy is detached does not take the machine" target_detached
check "a guest shares a hole without memory, and migrates" hole_shared
check "a request that the set has missed ends the migration, and the next one" request_missed
check "a guest that is not ready any more at the stop goes on, until it is ready" ready_taken_back
check "a connection that does not come about is cancelled, and ends with the machine" connect_cancelled
finish
