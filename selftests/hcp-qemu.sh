# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# QEMU with the object hcpolicy (contrib/qemu), for tests.  Source it after tap.sh and qmp.sh.
#
#	HCP_QEMU	in the environment: that QEMU
#	keeper		properties of the object: how the set is kept
#	features	what the guest is told, behind -cpu host
#	as=()		what runs QEMU
#
# Like those of qmp.sh, the functions are about $vm.
# shellcheck disable=SC2034,SC2154	# for qmp.sh; bin, work and patience are tap.sh's

[ -x "${HCP_QEMU-}" ] || { echo "no program HCP_QEMU='${HCP_QEMU-}': make check-qemu builds one"; exit 1; }
policy=policy=bitmap exits=''
keeper=$policy
features=,+kvm-hc-map-gpa-range
as=()

# boot MIB OPTIONS...: a guest with a console.
boot()
{
	local console=$work/$vm.com
	rm -f "$console".*
	mkfifo "$console.in" && ln -s /dev/null "$console.out" || return
	: > "$work/$vm.says"
	qemu_program=("${as[@]}" "$HCP_QEMU" -accel kvm -cpu "host$features" -m "$1")
	start_qemu -machine pc,memory-backend=ram -object "memory-backend-memfd,id=ram,size=$1M" \
		-object "hcpolicy,id=set${keeper:+,$keeper}" -chardev "pipe,id=com,path=$console,logfile=$work/$vm.says" \
		-serial chardev:com "${@:2}"
}

# hcguest COMMANDS OPTIONS...: the test guest; each has a key of its own.
keys=0
hcguest()
{
	keeper=${keeper:+$keeper,}x-test-key=$((keys += 1)) \
		boot 32 -kernel "$bin/hcguest.elf" -append "$1" "${@:2}"
}

# tell LINE: to the console
tell() { printf '%s\n' "$1" 1<> "$work/$vm.com.in"; }

# says PATTERN [N]: the guest does, or N times; within $limit seconds
limit=120
times_said() { grep -cE "$1" "$work/$vm.says"; }
said() { [ "$(times_said "$1")" -ge "${2-1}" ]; }
said_or_gone() { said "$@" || ! kill -0 "${pids[$vm]}" 2> /dev/null; }
says()
{
	within "$limit" said_or_gone "$@" && said "$@" ||
		{ cat "$work/$vm.says"; echo; cat "$work/$vm.err"; return 1; }
}

# ask COMMAND: its answer is ok
ask()
{
	local before
	before=$(times_said '^(ok 0|FAIL)')
	tell "$1 expect 0" && says '^(ok 0|FAIL)' $((before + 1)) || return
	grep -E '^(ok 0|FAIL)' "$work/$vm.says" | tail -n 1 | grep '^ok 0'
}

# works: the guest gets on with its work
works() { says '^work: written' $(($(times_said '^work: written') + 1)); }

# pages_right: the guest has all that it wrote
pages=1024
work_command="encrypt; work 0x400 $pages 1 0"
pages_right()
{
	tell "check 0x400 $pages" && tell verdict && says '^verdict' && said '^verdict: PASS' ||
		{ cat "$work/$vm.says"; return 1; }
}

quits() { qmp quit && wait "${pids[$vm]}"; }

# member NAME, of what query-hcpolicy returns; ranges as `hcpolicy ranges -j` has them
member()
{
	local gfn=0
	: > "$work/$vm.info"
	while [ -n "$gfn" ]; do
		qmp query-hcpolicy "{ \"first-gfn\": $gfn }" > "$work/$vm.part" || return
		cat "$work/$vm.part" >> "$work/$vm.info"
		gfn=$(sed -n 's/.*"next-gfn": \([0-9]*\).*/\1/p' "$work/$vm.part")
	done
	/usr/bin/python3 -IS -c '
import json, sys
value, *more = [json.loads(part)["return"][sys.argv[1]] for part in sys.stdin]
if sys.argv[1] == "ranges":
    value = sum(more, value)
print(json.dumps(value, separators=(",", ":"), sort_keys=True))' "$1" < "$work/$vm.info"
}
complete() { same true member complete; }

# loses_policy: the one that QEMU attached
loses_policy()
{
	hcpolicy detach --id "$(hcpolicy list --all -j | /usr/bin/python3 -IS -c '
import json, sys
print(*[link["link_id"] for link in json.load(sys.stdin) if link.get("pid") == int(sys.argv[1])])' \
		"${pids[$vm]}")"
}

# linux_judged MIB: the set of a Linux that is stopped now, and at rest, against its page tables
linux_judged()
{
	qmp stop && complete && member ranges | grep -o '"gfn":[0-9]*,"npages":[0-9]*' |
		sed 's/[^0-9,]//g; s/,/ /' > "$work/$vm.ranges" &&
		qmp dump-guest-memory "{ \"paging\": false, \"protocol\": \"file:$work/$vm.core\",
			\"begin\": 0, \"length\": $(($1 << 20)) }" || return
	gives 0 '; set: [0-9]{3,} shared; missing 0, extra 0$' \
		"$bin/hcp-oracle" --ranges "$work/$vm.ranges" "$work/$vm.core" && cat "$work/run"
}

# --- migration

runs() { qmp query-status | grep '"status": "running"'; }
bandwidth() { qmp migrate-set-parameters "{ \"max-bandwidth\": $1 }"; }
migrate() { qmp migrate "{ \"uri\": \"$1\" }"; }

# The migration's status is one of these.
status_is() { qmp query-migrate > "$work/$vm.migrate" && grep -E "\"status\": \"($1)\"" "$work/$vm.migrate"; }
# becomes STATUS [WORDS]: so it ends, and says these
becomes()
{
	within 300 status_is 'completed|failed|cancelled' && status_is "$1" && grep -E "${2-}" "$work/$vm.migrate" ||
		{ cat "$work/$vm.migrate" "$work/$vm.err"; return 1; }
}

# A target has got all.
arrived() { ! qmp query-status | grep '"inmigrate"'; }
lands() { within 120 arrived || { cat "$work/$vm.err"; return 1; }; }

# move FROM TO HOW...: FROM migrates, HOW boots TO, which does not run yet
move()
{
	on "$2" "${@:3}" -incoming "unix:$work/$2.m" && on "$1" migrate "unix:$work/$2.m" &&
		on "$1" becomes completed && on "$2" lands
}
