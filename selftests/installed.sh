#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The packages of build/deb, installed over this system's files in memory: what they bring works
# on the real hook without the source tree, and nothing of it is left after a purge.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=SCRIPTDIR/throw-away.sh
. "${BASH_SOURCE[0]%/*}/throw-away.sh"
if [ ! -e "$top/build/deb/log" ]; then
	plan 1
	skip "no packages in build/deb: make deb" "what the packages bring works"
	finish
fi
plan 6

# What was written and is not as it was.
changed()
{
	find "$memory/files" -mindepth 1 \( -path "*$top" -o -path '*/var/log/dpkg.log' \) -prune -o -printf '%P\n' |
	while read -r file; do
		[ -d "$memory/files/$file" ] && [ -d "/$file" ] || cmp -s "$memory/files/$file" "/$file" || echo "$file"
	done
}
# hcpolicy-dkms wants dkms, and has a test of its own: scripts/check-dkms.
names() { for deb in "$top"/build/deb/*.deb; do dpkg-deb -f "$deb" Package; done | grep -v -e -dbgsym -e -dkms; }
installs()
{
	names > "$work/names" && [ "$(wc -l < "$work/names")" -ge 7 ] || return
	# shellcheck disable=SC2046	# words
	packages -i $(sed "s,.*,$top/build/deb/&_*.deb," "$work/names")
}
tries() { inside sh -c 'cd /tmp && hcpolicy new hcst-mine --from quota && make -C hcst-mine check'; }
selftests()
{
	gives 0 '^result: *[1-9][0-9]* passed, 0 failed, ' inside hcpolicy-selftest program own counters.sh unload || return
	grep '^unload: *left out: it unloads KVM' "$work/run"
}
purges()
{
	[ "$(changed | wc -l)" -gt 100 ] || return
	# shellcheck disable=SC2046	# words
	packages --purge $(cat "$work/names") && changed > "$work/left" && diff /dev/null "$work/left"
}

check "there is a root to throw away" throw_away
check "the packages install" installs
check "what is installed fits together" inside /bin/sh "$top/debian/tests/smoke"
check "a policy of one's own is tried on the hook" tries
check "the selftests find what they need, and leave out what they cannot do" selftests
check "a purge leaves nothing" purges
finish
