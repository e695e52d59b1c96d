#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# docs/policy-guide.md as it stands: its commands run, its files are written where it says so, and each
# line that it shows is printed.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/page.sh
. "${BASH_SOURCE[0]%/*}/page.sh"

blocks=$(page_read "$top/docs/policy-guide.md" "$work/guide")
plan $((blocks + 2))
mount -t tmpfs tmpfs /usr/local || exit
mkdir "$work/mine"

# What comes after the first block is "in a folder of your own".
before()
{
	local kind
	[ "$1" != 1 ] || echo "cd '$top'"
	[ "$1" != 2 ] || echo "cd '$work/mine'"
	for kind in c try; do
		[ ! -e "$work/guide/$1.$kind" ] ||
			echo "cat '$work/guide/$1.$kind' > below4g.$([ $kind = try ] || echo bpf.)$kind"
	done
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
commands() { [ "$(cat "$work"/guide/*.sh | wc -l)" -ge 20 ] && [ "$(cat "$work"/guide/*.shown | wc -l)" -ge 10 ]; }

check "the page has commands, and shows what they print" commands
page_run "$work/guide" "$blocks" 2700 before
for ((n = 1; n <= blocks; n++)); do
	check "$(cat "$work/guide/$n.title"): block $n does what the page says" page_block "$work/guide" $n
done
check "the script that new makes holds for each policy that it can begin with" each_policy
finish
