#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The schema of `hcpolicy -j` describes each field, and has all that was promised: fields may be added,
# and none may go or change.  selftests/json.sh holds what is printed against the schema.
set -uo pipefail
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/../../selftests/tap.sh"
plan 7

here=$top/loader/schema
file=$here/hcpolicy.schema.json
schema() { /usr/bin/python3 -I "$top/loader/tests/schema.py" "$file" "$@"; }

# Of every version that has been released.
kept()
{
	rm -f "$work/broken"
	schema fields | sort > "$work/fields" &&
		sort -u "$here"/promised-* | comm -23 - "$work/fields" > "$work/broken" || return
	[ -s "$work/broken" ] || return 0
	echo "promised, and not in $file any more; leave it there, and add what is better beside it:"
	cat "$work/broken"
	return 1
}

# after SED: is it kept, if the schema is changed so?
after()
{
	local file=$work/changed.json
	sed -E "$1" "$here/hcpolicy.schema.json" > "$file"
	! cmp -s "$file" "$here/hcpolicy.schema.json" && kept
}
refused() { ! after "$1" && [ -s "$work/broken" ]; }

check "it is a schema, and describes each field" schema described
check "all that was promised is in it" kept
check "a field may be added" after 's/^(\t*)"label": (\{ "type.*)/&\n\1"more": \2/'
check "none may be renamed" refused 's/"shared_ranges"/"runs"/'
check "none may be of another type" refused 's/("pid": \{ "type": )"integer"/\1"string"/'
check "or unit" refused 's/("memory": .*"unit": )"bytes"/\1"pages"/'
check "or be there less often" refused 's/"required": \["ids"\]/"required": []/'
finish
