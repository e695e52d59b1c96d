#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The set of a running guest to a file and back, and what refuses it; and the views
# that follow it: a guest on hcvm, whose policy was there before its first instruction.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/asked.sh
. "${BASH_SOURCE[0]%/*}/asked.sh"
plan 34

name=hcst-save
answers=$work/says
saved=$work/saved
python=(/usr/bin/python3 -IS)

start()
{
	rm -f "$work/console" && mkfifo "$work/console" || return
	"$bin/hcvm" --policy bitmap --name $name --label 'web 1' --guest "$bin/hcguest.elf" \
		< "$work/console" > "$answers" 2>&1 &
	pid=$!
	children+=("$pid")
	exec {console}> "$work/console"
	within 60 grep -q ready "$answers" || { cat "$answers"; return 1; }
}

first='[{"gfn":256,"npages":16},{"gfn":4096,"npages":1}]'
second='[{"gfn":256,"npages":16},{"gfn":512,"npages":8},{"gfn":4096,"npages":1}]'

# Nothing is left of a file that was not finished.
no_file() { [ -z "$(find "$work" -name 'saved*')" ] || { ls -la "$work"; return 1; }; }

# Nothing else is wrong with it.
late() { hcpolicy show $name | grep -qE '^state +not complete: attached or restored late$' || { hcpolicy show $name; return 1; }; }

svg()
{
	hcpolicy draw $name --svg "$work/map.svg" && "${python[@]}" - "$work/map.svg" <<'END'
import sys, xml.dom.minidom
svg = xml.dom.minidom.parse(sys.argv[1]).documentElement
assert svg.tagName == "svg" and "hcst-save" in svg.getElementsByTagName("title")[0].firstChild.data
texts = [t.firstChild.data for t in svg.getElementsByTagName("text") if t.firstChild]
assert any("17 pages shared (68 KiB) in 2 ranges" in t for t in texts), texts
assert {"private", "shared", "0x0000000"} <= set(texts), texts
assert "#c2410c" in [r.getAttribute("fill") for r in svg.getElementsByTagName("rect")]
END
}

# On a terminal, which a pseudo-terminal of python's is; ended by Ctrl-C.
on_a_terminal()
{
	"${python[@]}" - "$bin/hcpolicy" $name <<'END'
import os, pty, signal, sys
signal.alarm(60)
pid, fd = pty.fork()
if not pid:
    os.execve(sys.argv[1], ["hcpolicy", "draw", sys.argv[2], "--follow"], os.environ | { "TERM": "xterm" })
seen = b""
while seen.count(b"\x1b[H\x1b[J") < 3:
    seen += os.read(fd, 4096)
os.write(fd, b"\x03")
try:
    while os.read(fd, 4096):
        pass
except OSError:
    pass
status = os.waitpid(pid, 0)[1]
assert status == 0 and b"one cell is" in seen and b"requests/s" in seen, (status, seen)
END
}

follow_requests()
{
	hcpolicy draw $name --follow > "$work/follow" 2>&1 &
	follower=$!
	hcpolicy draw $name --follow -j > "$work/follow.json" 2> "$work/follow.warns" &
	json_follower=$!
	children+=("$follower" "$json_follower")
	within 60 grep -q '0 requests/s, 0 pages/s changed, 17 pages shared' "$work/follow" &&
		ask 'loop 3000 map 0x300000 1 0' &&
		within 60 grep -qE '[1-9][0-9]* requests/s, [01] pages/s changed, 18 pages shared' "$work/follow" ||
		{ cat "$work/follow"; return 1; }
}

vm_ends()
{
	echo 'exit 0' >&"$console"
	within 60 eval "! kill -0 $pid && ! kill -0 $follower && ! kill -0 $json_follower" || return
	wait "$follower" && wait "$json_follower" &&
		grep -q '^the policy has ended' "$work/follow" && "${python[@]}" -c '
import json, sys
frames = json.load(open(sys.argv[1]))
assert frames[-1]["shared_pages"] == 18 and any(f["requests_per_second"] > 100 for f in frames if "requests_per_second" in f), frames
' "$work/follow.json"
}

damaged()
{
	head -c 40 "$saved" > "$work/cut" &&
		gives 1 'cut.*ends early' hcpolicy restore $name "$work/cut" &&
		{ head -c 44 "$saved"; printf '\377'; tail -c +46 "$saved"; } > "$work/flipped" &&
		gives 1 'flipped.*damaged' hcpolicy restore $name "$work/flipped" &&
		gives 1 'not the stream' hcpolicy restore $name "$bin/hcpolicy" &&
		gives 1 'No such file' hcpolicy restore $name "$work/none" && same "$second" ranges
}

# Between the two looks whether it is stopped: the file comes only when it goes on.
goes_on_meanwhile()
{
	local restorer pipe

	mkfifo "$work/pipe" && exec {pipe}<> "$work/pipe" || return
	"$bin/hcpolicy" restore $name "$work/pipe" --with-its-guest {pipe}>&- > "$work/refusal" 2>&1 &
	restorer=$!
	children+=("$restorer")
	within 60 eval "ls -l /proc/$restorer/fd | grep -q '$work/pipe'" || { cat "$work/refusal"; return 1; }
	go_on && cat "$saved" >&"$pipe"
	exec {pipe}>&-
	! wait "$restorer" && grep -q 'is not stopped' "$work/refusal" &&
		grep -q 'restore it again' "$work/refusal" || { cat "$work/refusal"; return 1; }
}

without_its_link()
{
	start && end_link $name && halt &&
		gives 1 "'$name' to .*/ended: the set is not complete .detached." hcpolicy save $name "$work/ended" &&
		hcpolicy save $name "$work/ended" --force && go_on
}

# In two languages, without this project's library: of the file, and of the guest's own set.
readers()
{
	local want=$'256 16\n4096 1' source=$top/docs/readers built=$top/build/obj/libhcpolicy/tests/readers
	same "$want" "${python[@]}" "$source/stream.py" "$saved" && same "$want" "${python[@]}" "$source/live.py" $name &&
		same "$want" "$built/stream" "$saved" && same "$want" "$built/live" $name
}

# The set of another guest, which is called that, or nothing, to FILE.
other()
{
	local file=$1 other status
	shift
	"$bin/hcvm" --policy bitmap --name hcst-other "$@" --guest "$bin/hcguest.elf" \
		< /dev/null > "$work/other" 2>&1 &
	other=$!
	children+=("$other")
	within 60 grep -q ready "$work/other" && kill -STOP "$other" &&
		within 60 eval "hcpolicy save hcst-other '$file'"
	status=$?
	kill -KILL "$other"
	# Whoever looks when it is gone removes its name.
	within 60 eval "! hcpolicy list | grep -q hcst-other" && [ "$status" = 0 ] || { cat "$work/other"; return 1; }
}

# What a restore says that it has restored.
tells_the_stream()
{
	hcpolicy restore $name "$saved" > "$work/told" &&
		grep -qE "saved: version 2, label 'web 1', saved at 20..-..-..T..:..:..Z, covers 256 MiB" "$work/told" &&
		hcpolicy restore $name "$saved" -j | "${python[@]}" -c '
import json, sys, time
stream = json.load(sys.stdin)["stream"]
age = time.time() - time.mktime(time.strptime(stream.pop("saved_at") + "UTC", "%Y-%m-%dT%H:%M:%SZ%Z"))
assert stream == {"version": 2, "label": "web 1", "max_gpa": 256 << 20} and 0 <= age < 600, (stream, age)
' || { cat "$work/told"; return 1; }
}
of_another()
{
	other "$work/other.set" --label 'web 2' &&
		gives 1 "is of the guest 'web 2', and this set is of 'web 1'" hcpolicy restore $name "$work/other.set" &&
		grep -q -e --any-label "$work/run" && same "$first" ranges
}
of_nobody()
{
	other "$work/other.set" && hcpolicy restore $name "$work/other.set" > "$work/told" 2>&1 &&
		grep -q 'warning: .*has no label: nobody can tell' "$work/told" && same '[]' ranges || { cat "$work/told"; return 1; }
}

check "a guest starts under a policy" start
check "it shares memory" eval "ask 'map 0x100000 16 0' && ask 'map 0x1000000 1 0'"
check "the set of a VM that may run is not saved" gives 1 "kill -STOP $pid.*--running" hcpolicy save $name "$saved"
check "which is not what --force is for" gives 1 'is not stopped' hcpolicy save $name "$saved" --force
check "and no file is left" no_file
check "the set of a stopped VM is saved, and whose it is said" eval "halt && hcpolicy save $name '$saved' | grep -F \"(label 'web 1') was saved to\""
if [ -e "$top/docs/readers" ]; then
	check "the readers of docs/readers read the same" readers
else
	skip "no docs/readers: they are in the source tree" "the readers of docs/readers read the same"
fi
check "not over a device" gives 1 'not a regular file' hcpolicy save $name /dev/null
check "which is still there" test -c /dev/null
check "it comes back, but who says that its guest stood still?" eval "hcpolicy restore $name '$saved' && same '$first' ranges && late"
check "so it is not saved again" gives 1 'not complete.*late' hcpolicy save $name "$work/late"
check "who knows that says so, and it is complete" eval "hcpolicy restore $name '$saved' --with-its-guest && same '$first' ranges && complete"
check "a restore tells label, time, size and version of the file" tells_the_stream
check "the set of another guest is refused" of_another
check "unless any label will do" eval "hcpolicy restore $name '$work/other.set' --any-label && same '[]' ranges"
check "one that has no label is restored, and nobody can tell whose it is" of_nobody
check "the guest's own comes back" eval "hcpolicy restore $name '$saved' --with-its-guest && same '$first' ranges && complete"
check "the picture is an SVG file with title, sum and legend" svg
check "the guest goes on and shares more" eval "go_on && ask 'map 0x200000 8 0' && same '$second' ranges"
check "nothing is restored while it may run" gives 1 'kill -STOP' hcpolicy restore $name "$saved"
check "a damaged file is refused, and nothing changed" eval "halt && damaged"
check "that the guest goes on during a restore is noticed" goes_on_meanwhile
check "and the set not called complete" eval "hcpolicy show $name | grep 'not complete: attached or restored late'"
check "the saved set comes back, and lacks what the guest has shared since" eval "halt && hcpolicy restore $name '$saved' && same '$first' ranges && late"
check "a request beyond the set ends no trust in it" eval "hcpolicy restore $name '$saved' --with-its-guest && go_on && ask 'map 0x2000000000 5 0' && halt && hcpolicy save $name '$work/beyond' && go_on"
check "one that its policy does not book is missed" eval "hcpolicy replace $name '$top/build/selftests/loses.bpf.o' && ask 'map 0x4000000 5 0' && ! late"
check "such a set is not saved" eval "halt && gives 1 'not complete.*5 pages missed' hcpolicy save $name '$work/incomplete'"
check "unless that is forced" hcpolicy save $name "$work/incomplete" --force
check "nor restored" gives 1 'not complete' hcpolicy restore $name "$work/incomplete"
check "a complete one has missed nothing" eval "hcpolicy restore $name '$saved' -j | grep -e --with-its-guest && late && go_on"
check "draw --follow tells what the guest does each second" follow_requests
check "and draws on a terminal until Ctrl-C" on_a_terminal
check "and ends with the VM" vm_ends
check "a set whose link was ended is not saved as complete" without_its_link
finish
