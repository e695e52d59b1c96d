#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Migrations of QEMU with the object hcpolicy that do not go straight from one process to
# another: to a file and back, cancelled, cut off, refused.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/qmp.sh
. "${BASH_SOURCE[0]%/*}/qmp.sh"
# shellcheck source=selftests/hcp-qemu.sh
. "${BASH_SOURCE[0]%/*}/hcp-qemu.sh"

# What cannot ask for a page's status, or not in time.
refused=(multifd postcopy-ram xbzrle compress background-snapshot x-ignore-shared mapped-ram)
plan $((19 + ${#refused[@]}))

at_work() { hcguest "$work_command" && qmp cont && works; }

# --- to a file

to_file() { migrate "exec:cat > $work/file" && becomes completed && member ranges > "$work/ranges" && quits; }
from_file()
{
	hcguest "$work_command" -incoming "exec:cat $work/file" && lands && complete &&
		same "$(<"$work/ranges")" member ranges && [ "$(wc -c < "$work/ranges")" -gt 100 ]
}
right_there() { qmp cont && works && pages_right; }

check "a guest that encrypts and converts is at work" on file-a at_work
check "it migrates to a file" on file-a to_file
check "its set comes back from there, and is complete" on file-b from_file
check "and so do its pages" on file-b eval 'right_there && quits'

# from_file_later WORDS...: a target that gets this done before the guest comes
from_file_later()
{
	hcguest "$work_command" -incoming defer && "$@" &&
		qmp migrate-incoming "{ \"uri\": \"exec:cat $work/file\" }"
}
# What awaits its guest is not complete anyway, and nothing to be told of.
no_event() { ! grep '"HCPOLICY_INCOMPLETE"' "$work/$vm.events"; }
early()
{
	from_file_later loses_policy && lands && no_event && qmp cont &&
		event '"HCPOLICY_INCOMPLETE".*detached' && quits
}
check "a policy is detached from a target that awaits its guest: an event when the guest runs" \
	on file-c early

# A byte of the set; the stream of a set begins with these words.
damage()
{
	/usr/bin/python3 -IS - "$1" <<'END'
import sys
with open(sys.argv[1], "r+b") as file:
    data = file.read()
    assert data.count(b"hcpset\r\n") == 1
    at = data.index(b"hcpset\r\n") + 110
    file.seek(at)
    file.write(bytes([data[at] ^ 1]))
END
}
refuses() { from_file_later damage "$work/file" && within 120 says_damaged && ! wait "${pids[$vm]}"; }
says_damaged() { grep 'hcpolicy: .*damaged' "$work/$vm.err"; }
check "a target refuses a set that is damaged, and says so" on file-d refuses

# --- to a snapshot, of a disk that has nothing but it

disk()
{
	local args="\"driver\": \"file\", \"filename\": \"$work/disk\""
	job create "blockdev-create" "\"options\": { $args, \"size\": 0 }" &&
		qmp blockdev-add "{ \"node-name\": \"file\", $args }" &&
		job format "blockdev-create" '"options": { "driver": "qcow2", "file": "file", "size": 1048576 }' &&
		qmp blockdev-add '{ "node-name": "disk", "driver": "qcow2", "file": "file" }'
}
# job NAME COMMAND ARGUMENTS: until it has succeeded
job()
{
	qmp "$2" "{ \"job-id\": \"$1\", $3 }" && event "concluded.*\"$1\"" && qmp query-jobs > "$work/jobs" &&
		qmp job-dismiss "{ \"id\": \"$1\" }" && ! grep '"error"' "$work/jobs"
}
snapshot() { job "$1" "$1" '"tag": "then", "vmstate": "disk", "devices": [ "disk" ]'; }
saves() { at_work && disk && qmp stop && snapshot snapshot-save && complete && member ranges > "$work/ranges"; }
goes_on() { qmp cont && works && qmp stop && differs "$work/ranges"; }
differs() { [ "$(member ranges)" != "$(<"$1")" ]; }
loads() { snapshot snapshot-load && complete && same "$(<"$work/ranges")" member ranges; }

check "a snapshot is saved" on snap saves
check "the guest goes on and converts" on snap goes_on
check "the snapshot is loaded, and the set is that of then" on snap loads
check "and so are the pages" on snap right_there
not_loaded()
{
	qmp stop && damage "$work/disk" && gives 1 'concluded' snapshot snapshot-load &&
		says_damaged && same false member complete
}
# A guest that begins anew needs no set from elsewhere.
begins_anew()
{
	qmp system_reset && event '"RESET"' && same '[]' member ranges && complete &&
		qmp cont && says '^hcguest: ready' 2 && complete && no_event && quits
}
check "a snapshot whose set is damaged is not loaded, and the set is not complete" on snap not_loaded
check "after system_reset it is, and stays so" on snap begins_anew

# --- cut off

# With such a bandwidth it does not end; some rounds or pages are there, though.
slow=200000
under_way() { bandwidth $slow && migrate "unix:$work/$1.m" && within 60 sends; }
sends() { status_is active && grep -E '"(normal|duplicate)": [1-9][0-9]{2}' "$work/$vm.migrate"; }
target() { hcguest "$work_command" -incoming "unix:$work/$vm.m"; }
goes_on_here() { runs && works && complete; }
unbound() { bandwidth $((1 << 30)); }
cancels() { qmp migrate_cancel && becomes cancelled && goes_on_here; }
fails() { becomes failed && goes_on_here; }
dies() { kill -KILL "${pids[$vm]}"; wait "${pids[$vm]}"; return 0; }
retried() { on cut-a unbound && move cut-a cut-d hcguest "$work_command" && on cut-d right_there; }

check "a migration is cancelled, and the source goes on" \
	eval 'on cut-a at_work && on cut-b target && on cut-a under_way cut-b && on cut-a cancels'
check "a target dies, and the source goes on" \
	eval 'on cut-c target && on cut-a under_way cut-c && on cut-c dies && on cut-a fails'
check "a retry brings all pages" \
	retried

# --- what the guest says by MSR_KVM_MIGRATION_CONTROL

ready() { ask "wrmsr 0x4b564d08 $1"; }
not_ready() { gives 1 'guest is not ready' migrate "unix:$work/none" && blocked; }
blocked() { qmp query-migrate | grep '"blocked-reasons": \["[^]]*guest is not ready'; }
features+=,+kvm-migration-control
check "a guest that has not said that it is ready is not migrated" \
	eval 'on say-a at_work && on say-a not_ready'
takes_back()
{
	ready 1 && ! blocked && on say-b target && under_way say-b && ready 0 && unbound && becomes failed 'not ready' && runs
}
check "a guest that takes it back ends the migration that is under way" on say-a takes_back
brings() { ready 1 && move say-a say-c hcguest "$work_command" && on say-c qmp cont && on say-c pages_right; }
check "and when it is ready again, all its pages migrate" on say-a brings
features=${features%,*}

# --- capabilities

known() { grep -q "\"capability\": \"$1\"" "$work/capabilities"; }
set_capability()
{
	qmp migrate-set-capabilities "{ \"capabilities\": [ { \"capability\": \"$1\", \"state\": $2 } ] }"
}
# Either when it is set or when it is used.
try()
{
	local to=unix:$work/caps-b.m
	# That one wants a file, and says so before it asks anybody else.
	[ "$1" != mapped-ram ] || to=file:$work/caps.mapped
	set_capability "$1" true && migrate "$to" && becomes completed
}
not_with()
{
	local status=0
	gives 1 "hcpolicy.*$1|$1.*hcpolicy" try "$1" || status=1
	set_capability "$1" false
	return $status
}
capable() { at_work && qmp query-migrate-capabilities > "$work/capabilities"; }
check "a guest is at work, and QEMU says which capabilities it has" on caps-a capable
for capability in "${refused[@]}"; do
	if known "$capability"; then
		check "$capability is refused, by name" on caps-a not_with "$capability"
	else
		skip "this QEMU has none" "$capability is refused, by name"
	fi
done
finish
