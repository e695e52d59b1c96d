# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A page of the docs as it stands, as a test, for tests that source it after tap.sh.  Its blocks of the
# language sh are commands, in one shell that ends at the first failure.  Each line of a block without a
# language has to be in what the commands before it print.

# Installed for this machine alone, where the pages say so.
unset HCPOLICY_PATH
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# page_read PAGE DIR: print the number of blocks of commands.  DIR gets NUMBER.sh for each, with its
# heading in NUMBER.title, what it has to print in NUMBER.shown, and in NUMBER.LANGUAGE what stands
# before it.
page_read()
{
	mkdir -p "$2"
	awk -v dir="$2/" '
		/^## / { title = substr($0, 4) }
		/^```/ && on { on = ""; next }
		/^```sh$/ { n++; on = dir n ".sh"; print title > (dir n ".title"); next }
		/^```[a-z]/ { on = dir (n + 1) "." substr($0, 4); next }
		/^```$/ { on = dir (n + 0) ".shown"; next }
		on { print > on }' "$1"
	find "$2" -name '*.sh' | wc -l
}

# page_run DIR BLOCKS SECONDS BEFORE: BEFORE NUMBER prints what goes before a block.
page_run()
{
	local n
	for ((n = 1; n <= $2; n++)); do
		"$4" "$n"
		printf 'exec > %q 2>&1\n' "$1/$n.out"
		cat "$1/$n.sh"
		printf 'touch %q\n' "$1/$n.done"
	done > "$1/page"
	timeout $(($3 * ${HCP_PATIENCE:-1})) bash -e "$1/page" < /dev/null
}

# page_block DIR NUMBER: did all of it come to its end, and print what the page shows?
page_block()
{
	local line bad=0
	[ ! -e "$1/$2.out" ] || cat "$1/$2.out"
	[ -e "$1/$2.done" ] || { echo "did not come to its end"; return 1; }
	[ -e "$1/$2.shown" ] || return 0
	while read -r line; do
		grep -F -e "$line" "$1/$2.out" > /dev/null || { echo "not printed: $line"; bad=1; }
	done < "$1/$2.shown"
	return "$bad"
}
