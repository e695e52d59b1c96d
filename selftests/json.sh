#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What `hcpolicy COMMAND -j` prints is what loader/schema/hcpolicy.schema.json says: of every command,
# nothing else is in it, and each field that is described there was printed here.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/asked.sh
. "${BASH_SOURCE[0]%/*}/asked.sh"
plan 14

name=hcst-json
answers=$work/vm
pins=/sys/fs/bpf/hcpolicy
export HCPOLICY_SOURCES=$top/bpf-progs
schema() { /usr/bin/python3 -I "$top/loader/tests/schema.py" "$top/loader/schema/hcpolicy.schema.json" "$@"; }
mkdir "$work/docs" && cd "$work" || exit

# says STATUS NAME COMMAND [ARGUMENT]...: it ends so, and its document is what the schema calls NAME.
documents=0
says()
{
	local want=$1 doc status=0
	documents=$((documents + 1))
	doc=docs/$documents.$2
	shift 2
	hcpolicy "$@" -j < /dev/null > "$doc" 2> said || status=$?
	[ "$status" = "$want" ] && [ -s "$doc" ] || { echo "status $status: $*"; cat "$doc" said; return 1; }
}
has() { grep -qF -e "$1" docs/$documents.* || { echo "no $1 in:"; cat docs/$documents.*; return 1; }; }

# goes_on DOCUMENT COMMAND [ARGUMENT]...: until an interrupt, which may come when it has begun
goes_on()
{
	local doc=docs/$1
	shift
	: > "$doc"	# those who ask for it by a pattern find it at once
	"$bin/hcpolicy" "$@" -j > "$doc" 2> said-too &
	going=$!
	children+=("$going")
}
interrupt() { kill -INT "$1" && wait "$1"; }

# --- guests

# vm OPTIONS...: it has not run yet
vm()
{
	rm -f in
	"$bin/hcvm" --guest "$bin/hcguest.elf" --mem 16M --incoming "unix:$work/in" "$@" < /dev/null > vm 2>&1 &
	pid=$!
	children+=("$pid")
	within 60 [ -S in ] || { cat vm; return 1; }
}
end() { kill -KILL "$pid" && { wait "$pid" || true; } 2> /dev/null; }

# --- commands

without_a_vm()
{
	says 0 version --version && says 0 policies policies && says 0 policies policies quota -p &&
		says 1 policies policies nosuch && says 0 new new mine && says 2 error sho && says 1 error show nosuch &&
		says 2 error tune nosuch x && says 1 watch watch nosuch && says 0 list list
}
probe() { says 0 probe probe && has '"usable":true'; }
verify() { says 0 verify verify quota --param ceiling=64 && says 0 verify verify quota --cost && has '"cost":'; }
tries()
{
	printf '%s\n' 'share 0x1000000 16' 'expect handled' 'private 0x1000000 4 vcpu=1' 'expect EPERM' > script
	says 1 try.lines try quota script && has '"failed":1' && has '"expected":true' || return
	echo 'share 0x1000000 1; no' > script
	says 1 try.lines try bitmap script && has '"done":false' && has '{"error":'
}
attaches()
{
	starts && says 0 attach attach quota --pid "$pid" --name $name --label web && has '"warnings":' &&
		says 1 error attach quota --pid "$pid" --name $name && ask 'map 0x100000 16 0'
}
views()
{
	says 0 show show $name && has '"counters":' && says 0 show show $name -p &&
		says 0 ranges ranges $name && has '[{"gfn":256,"npages":16}]' && says 0 list list &&
		says 0 draw draw $name && says 0 draw draw $name --svg picture && has '"file":"picture"'
}
changes()
{
	says 0 tune tune $name ceiling=77 && has '"value":"77"' && says 0 replace replace $name bitmap &&
		says 1 watch watch $name && has 'it sends no events' && says 0 replace replace $name notify
}
follows()
{
	local watcher recorder drawer
	goes_on 101.watch watch $name
	watcher=$going
	goes_on 102.record record $name trace
	recorder=$going
	goes_on 103.draw-follow draw $name --follow
	drawer=$going
	within 60 grep -q 'it begins' docs/101.watch && within 60 [ -s trace ] && ask 'map 0x200000 8 0' &&
		within 60 grep -q '^share 0x200000 8' trace && within 60 grep -q '"requests_per_second":' docs/103.* &&
		interrupt "$recorder" && interrupt "$drawer" && within 60 grep -q '"verdict":' docs/101.watch &&
		interrupt "$watcher" || { cat said-too docs/10?.*; return 1; }
}
# It goes on until an attachment has ended.
follows_all()
{
	leaves hcst-left || return
	goes_on 104.watch-all.lines watch --all
	all=$going
	within 60 grep -q 'it begins' docs/104.* && within 60 grep -q '"name":"hcst-left",.*"warnings":' docs/104.* && ask 'map 0x200000 8 0x10' && within 60 grep -q '"shared":false' docs/104.* &&
		mkdir $pins/hcst-broken && within 60 grep -q '"error":' docs/104.* && rmdir $pins/hcst-broken && goes_on 105.watch watch $name &&
		one=$going && within 60 grep -q 'it begins' docs/105.*
}
all_end() { within 60 grep '"ended":true' docs/104.* && interrupt "$all" && wait "$one" && grep '"ended":true,"vm":"lives"' docs/105.*; }
saves()
{
	halt && says 0 save save $name saved --force && says 1 error restore $name picture && says 0 restore restore $name saved --force &&
		says 0 reset reset $name && has '"complete":true' && go_on
}
# A policy without a name has none in the document, and is known by its id.
without_a_name()
{
	local id
	says 0 detach detach $name && all_end && end && vm --policy bitmap && says 0 list list --all &&
		id=$(/usr/bin/python3 -IS -c 'import json, sys
(one,) = json.load(open(sys.argv[1]))
assert "name" not in one and one["alive"] and not one["pinned"], one
print(one["link_id"])' docs/$documents.list) && says 0 detach detach --id "$id" && has "\"link_id\":$id,"
}
what_is_left()
{
	says 0 attach attach bitmap --pid "$pid" --name $name && end_link $name && rm $pins/$name/hcp_shared &&
		says 0 list list && has '"missing":"hcp_shared"' && says 0 detach detach $name && has '"gone":true' &&
		says 0 attach attach bitmap --pid "$pid" --name $name && end && says 0 list list && has '"removed":true' &&
		mkdir $pins/$name && says 1 list list && has "\"name\":\"$name\",\"error\":" && says 0 detach detach $name &&
		chown 65534 $pins && says 1 list list && has '[{"error":' && chown 0 $pins
}

said_so()
{
	schema valid docs/* > seen && grep -q '\.warnings\[\]' seen && grep -q '\.reasons\[\]' seen && [ "$(grep -c . seen)" -gt 1000 ]
}
# Warnings and reasons are what any of them may have, and only some have here.
all_seen()
{
	schema fields | sed 's/: .*//; /\.warnings/d; /\.reasons\[\]/d' | sort -u > described
	sort -u seen | comm -23 described - > unseen &&
		[ -s described ] && [ ! -s unseen ] || { echo "not printed here:"; cat unseen; return 1; }
}

check "policies, new, list, errors and the version" without_a_vm
check "probe" probe
check "verify, with and without --cost" verify
check "try, and what a script ends early by" tries
check "attach, with a warning" attaches
check "show, ranges, list and draw" views
check "tune and replace" changes
check "watch, record and draw --follow, while the guest asks" follows
check "watch --all" follows_all
check "save, restore and reset" saves
check "list --all and detach of a policy without a name" without_a_name
check "list of what is left, is missing, or cannot be read" what_is_left
check "all of it is what the schema says" said_so
check "all that the schema says was printed" all_seen
finish
