#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# docs/policy-guide.md as it stands: its commands run, in one shell that ends at the first failure; its
# files are written where it says so; and each line that it shows is printed.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"

page=$top/docs/policy-guide.md
# NUMBER.sh for each block of commands, with its heading in NUMBER.title, what it has to print in
# NUMBER.shown, and in NUMBER.files the copies of what is written before it.
awk -v dir="$work/" '
	/^## / { title = substr($0, 4) }
	/^```/ && on { on = ""; next }
	/^```sh$/ { n++; on = dir n ".sh"; print title > (dir n ".title"); next }
	/^```(c|try)$/ { on = dir (n + 1) "." substr($0, 4); next }
	/^```$/ { on = dir n ".shown"; next }
	on { print > on }' "$page"
blocks=$(find "$work" -name '*.sh' | wc -l)
plan $((blocks + 2))

# Installed for this machine alone, where the page says so.
mount -t tmpfs tmpfs /usr/local || exit
unset HCPOLICY_PATH
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mkdir "$work/mine"

# The page as a script.  What comes after the first block is "in a folder of your own".
{
	echo "cd '$top'"
	for ((n = 1; n <= blocks; n++)); do
		[ "$n" != 2 ] || echo "cd '$work/mine'"
		[ ! -e "$work/$n.c" ] || echo "cat '$work/$n.c' > below4g.bpf.c"
		[ ! -e "$work/$n.try" ] || echo "cat '$work/$n.try' > below4g.try"
		printf 'exec > %q 2>&1\n' "$work/$n.out"
		cat "$work/$n.sh"
		echo "touch '$work/$n.done'"
	done
} > "$work/page"

# All of one block: it came to its end, and printed what the page shows.
block()
{
	local line bad=0
	[ ! -e "$work/$1.out" ] || cat "$work/$1.out"
	[ -e "$work/$1.done" ] || { echo "did not come to its end"; return 1; }
	[ -e "$work/$1.shown" ] || return 0
	while read -r line; do
		grep -F -e "$line" "$work/$1.out" > /dev/null || { echo "not printed: $line"; bad=1; }
	done < "$work/$1.shown"
	return "$bad"
}

each_policy()
{
	local source n=0
	for source in /usr/local/share/hcpolicy/*.bpf.c; do
		source=${source##*/}
		hcpolicy try -q "${source%.bpf.c}" /usr/local/share/hcpolicy/template/policy.try || { echo "$source"; return 1; }
		n=$((n + 1))
	done
	[ "$n" -ge 7 ]
}
commands() { [ "$(cat "$work"/*.sh | wc -l)" -ge 20 ] && [ "$(cat "$work"/*.shown | wc -l)" -ge 10 ]; }

check "the page has commands, and shows what they print" commands
timeout $((2700 * patience)) bash -e "$work/page" < /dev/null
for ((n = 1; n <= blocks; n++)); do
	check "$(cat "$work/$n.title"): block $n does what the page says" block $n
done
check "the script that new makes holds for each policy that it can begin with" each_policy
finish
