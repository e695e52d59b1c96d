#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# hcpolicy watch --all: one stream with the events of all attachments, which come and go meanwhile.
# json.sh holds its lines against the schema.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/asked.sh
. "${BASH_SOURCE[0]%/*}/asked.sh"
plan 14

name=hcst-all
answers=$work/vm
pins=/sys/fs/bpf/hcpolicy

# streams [OPTION]: into $work/stream
streams()
{
	"$bin/hcpolicy" watch --all "$@" > "$work/stream" 2>&1 &
	watcher=$!
	children+=("$watcher")
}
# told PATTERN...: such lines come, in this order
in_order()
{
	awk 'BEGIN { for (i = 2; i < ARGC; i++) { want[i - 1] = ARGV[i]; ARGV[i] = "" } n = 1 }
	     n in want && $0 ~ want[n] { n++ }
	     END { exit n in want }' "$work/stream" "$@"
}
told() { within 60 in_order "$@" || { echo "not told: $*"; cat "$work/stream"; return 1; }; }
times() { same "$1" grep -cF -e "$2" "$work/stream"; }
id_of() { hcpolicy list --all -j | tr '{' '\n' | sed -n "s/.*$1.*\"link_id\":\([0-9]*\).*/\1/p"; }

# Names are looked at in their order.
left_over()
{
	starts && leaves hcst-a && hcpolicy attach notify --take-exits --pid "$pid" --name $name && streams -j &&
		told '"name":"hcst-a",.*"warnings":\[".*removed its pins"\]' && ask 'map 0x100000 1 0' && told '"gfn":256,' &&
		times 1 '"name":"hcst-a"' && interrupted && ask 'map 0x100000 1 0x10' && hcpolicy detach $name
}
comes()
{
	streams -j && hcpolicy attach notify --take-exits --pid "$pid" --name $name &&
		id=$(id_of "\"name\":\"$name\"") && head="\"name\":\"$name\",\"link_id\":$id," &&
		told "$head\"policy\":\"notify\",.*\"pid\":$pid,\"sends_events\":true" "$head\"set_because\":\"it begins\",\"ranges\":\[\]"
}
changes()
{
	ask 'map 0x100000 16 0' && told "$head\"time_ns\":.*\"shared\":true,\"gfn\":256,\"npages\":16,\"verdict\":\"handled\""
}
# A VM that keeps its policy to itself.
unnamed()
{
	"$bin/hcvm" --guest "$bin/hcguest.elf" --mem 16M --incoming "unix:$work/in" --policy bitmap < /dev/null > "$work/two" 2>&1 &
	children+=($!)
	within 60 [ -S "$work/in" ] || { cat "$work/two"; return 1; }
	id_two=$(hcpolicy list --all -j | grep -o '"link_id":[0-9]*,"pinned":false' | tr -dc 0-9)
	told "^.\"link_id\":$id_two,\"policy\":\"bitmap\",.*\"sends_events\":false"
}
replaced()
{
	hcpolicy replace $name notify && told "\"set_because\":\"it begins\"" "$head\"policy\":\"notify\"" \
		"$head\"set_because\":\"the policy was replaced\",\"ranges\":\[.\"gfn\":256,\"npages\":16.\]" &&
		ask 'map 0x100000 1 0x10' && told "$head\"time_ns\":.*\"shared\":false,\"gfn\":256,\"npages\":1,"
}
goes_silent() { hcpolicy replace $name bitmap && told "$head\"policy\":\"bitmap\",.*\"sends_events\":false"; }
speaks_again()
{
	hcpolicy replace $name notify && told '"sends_events":false' "$head\"policy\":\"notify\",.*\"sends_events\":true" &&
		ask 'map 0x200000 2 0' && told "$head\"time_ns\":.*\"gfn\":512,\"npages\":2,"
}
ends()
{
	kill -KILL "${children[-1]}" && told "^.\"link_id\":$id_two,\"ended\":true,\"vm\":\"gone\"" &&
		hcpolicy detach $name && told "$head\"ended\":true,\"vm\":\"lives\""
}
# The name is used again, by another link.
again()
{
	mkdir $pins/hcst-broken && told "\"name\":\"hcst-broken\",\"error\":" &&
		hcpolicy attach notify --take-exits --pid "$pid" --name $name && id=$(id_of "\"name\":\"$name\"") &&
		head="\"name\":\"$name\",\"link_id\":$id," && told "$head\"set_because\":\"it begins\"" && times 1 hcst-broken
}
mended()
{
	rmdir $pins/hcst-broken && ask 'map 0x300000 1 0' && told "$head\"time_ns\":.*\"gfn\":768,"
}
# Another test may have left a name, of which it warns.
interrupted() { kill -INT "$watcher" && wait "$watcher" && ! grep -F "\"name\":\"$name\"" "$work/stream" | grep warning && [ "$(tail -c 2 "$work/stream")" = '}' ]; }
in_words()
{
	streams && told "^$name: policy 'notify' of process $pid$" "^$name: it begins: all that is shared:$" "^$name:   0x300000-0x300fff  1 pages$" &&
		ask 'map 0x300000 1 0x10' && told "^$name: .* hides  0x300000-0x300fff  1 page, handled$" && hcpolicy detach $name &&
		told "^$name: the policy has ended by a detach, and its VM goes on without it$" && kill -INT "$watcher" && wait "$watcher"
}
# Its process lives on, and nothing shows whether its VM does.
not_known()
{
	hcpolicy attach notify --take-exits --pid "$pid" --name $name && mount -t tmpfs tmpfs /sys/kernel/debug || return
	streams -j && told '"set_because"' && hcpolicy detach $name && told '"ended":true,"vm":"unknown"'
	umount /sys/kernel/debug && times 1 '"unknown"' && kill -INT "$watcher" && wait "$watcher"
}
refused()
{
	gives 2 'too many arguments' hcpolicy watch --all $name && chown 65534 $pins || return
	gives 1 'belongs to uid 65534' hcpolicy watch --all && chown 0 $pins
}

check "what is left of an attachment is told as its own, and not as another one's" left_over
check "an attachment comes, and all that its guest shares" comes
check "each change says whose it is" changes
check "an attachment without a name and without events is told, by its link" unnamed
check "after a replacement the whole set comes again, and then its events" replaced
check "a replacement that sends no events is told" goes_silent
check "and one that sends some again" speaks_again
check "the end of a VM and a detach are told" ends
check "what cannot be opened is told once, and a name comes again with another link" again
check "the others go on" mended
check "an interrupt ends the stream" interrupted
check "in words each line begins with the name" in_words
check "without debugfs it is not known whether the VM lives" not_known
check "a name beside --all, and names that cannot be read, are errors" refused
finish
