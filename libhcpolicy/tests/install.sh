#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# install.sh CC CXX TESTS: what make install gives is enough for programs of others: each header by itself,
# and both libraries, in strict C11 and C++17, shared and static.  Of what they save, docs/readers/
# read the same.  TESTS has what tests.mk builds.
set -u

cc=$1 cxx=$2 tests=$3
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/../../selftests/tap.sh"
plan 12

here=$top/libhcpolicy/tests
unset PREFIX LIBDIR MAKEFLAGS MAKELEVEL CFLAGS LDFLAGS
cd "$work" || exit

# The libraries are found by pkg-config in a folder; static has no others than *.a.
installed()
{
	make --no-print-directory -C "$top/libhcpolicy" install DESTDIR="$work/shared" &&
		cp -a shared static && rm static/usr/local/lib/*.so*
}
# flags ROOT LIBRARY OPTION...
flags()
{
	PKG_CONFIG_SYSROOT_DIR=$work/$1 PKG_CONFIG_PATH=$work/$1/usr/local/lib/pkgconfig \
		pkg-config "${@:3}" "$2"
}

# compiler c|c++ ARGUMENT...: one that finds nothing good.
strict=(-pedantic -Wall -Wextra -Werror)
compiler()
{
	case $1 in
	c) "$cc" -std=c11 "${strict[@]}" "${@:2}";;
	*) "$cxx" -x c++ -std=c++17 "${strict[@]}" "${@:2}";;
	esac
}
link() { if [ "$1" = c ]; then "$cc" "${@:2}"; else "$cxx" "${@:2}"; fi; }
each_header()
{
	local header n=0
	for header in shared/usr/local/include/hcpolicy/*.h; do
		printf '%s\n' "#include <hcpolicy/${header##*/}>" 'extern int one;' > one.c
		# shellcheck disable=SC2046	# they are words
		compiler "$1" $(flags shared hcpolicy --cflags) -fsyntax-only one.c || return
		n=$((n + 1))
	done
	[ "$n" -ge 8 ]
}

# builds c|c++ ROOT PROGRAM LIBRARY: with what pkg-config says, and nothing else
builds()
{
	local cflags libs static=()
	[ "$2" = shared ] || static=(--static)
	read -ra cflags <<< "$(flags "$2" "$4" --cflags)"
	read -ra libs <<< "$(flags "$2" "$4" --libs "${static[@]}")"
	compiler "$1" "${cflags[@]}" -c -o program.o "$here/$3.c" && link "$1" -o "$3-$1-$2" program.o "${libs[@]}"
}
run() { LD_LIBRARY_PATH=$work/shared/usr/local/lib "$@"; }
needs_ours() { readelf -d "$1" | grep 'NEEDED.*\[libhcp'; }

programs()
{
	local with=$1-$2
	builds "$1" "$2" uses-set hcpset && run "./uses-set-$with" "saved-$with" "lacks-$with" > "ranges-$with" &&
		[ "$(wc -l < "ranges-$with")" = 2004 ] && cmp ranges-c-shared "ranges-$with" &&
		builds "$1" "$2" uses-policy hcpolicy && run "./uses-policy-$with" "$tests/sample.bpf.o" > params &&
		grep -x 'u16=16' params || return
	if [ "$2" = shared ]; then
		needs_ours "uses-set-$with" && needs_ours "uses-policy-$with"
	else
		! needs_ours "uses-set-$with" && ! needs_ours "uses-policy-$with"
	fi
}

# The bytes of docs/man/set-stream.5.md.
example()
{
	local at bytes
	while read -r at bytes; do
		printf '%b' "\\x${bytes// /\\x}" | dd of=example bs=1 seek=$((16#$at)) conv=notrunc status=none
	done < <(awk '/^```$/ { on = !on } on && /^[0-9a-f]+  / { print substr($0, 1, 29) }' "$top/docs/man/set-stream.5.md")
	[ "$(wc -c < example)" = 180 ]
}
# Each of the readers: what a program has saved, and the example.
python() { /usr/bin/python3 -IS "$top/docs/readers/stream.py" "$1"; }
rust() { "$tests/readers/stream" "$1"; }
reads()
{
	"$1" saved-c-shared > got && diff ranges-c-shared got && same $'5 3\n256 1\n32768 32768' "$1" example &&
		gives 1 '^the set is not complete$' "$1" lacks-c-shared
}
# One byte in each field, and each end that comes early.
refuses()
{
	local at
	for at in 0 8 16 24 32 100 104 108 112 120 124 130 132 136 140 148 156 164 172 176; do
		head -c "$at" example > short
		{ cat short; head -c $((at + 1)) example | tail -c 1 | tr '\0-\377' '\1-\377\0'; tail -c +$((at + 2)) example; } > flipped
		gives 1 '^(the set is damaged|the set ends early|this is no set of version 2)$' "$1" flipped &&
			gives 1 '^(the set ends early|this is no set of version 2)$' "$1" short || { echo "at byte $at"; return 1; }
	done
}

check "make install into a folder" installed
check "each header compiles by itself in C11" each_header c
check "and in C++17" each_header c++
check "C programs run with the shared libraries" programs c shared
check "C++ programs too" programs c++ shared
check "C programs run with the static ones" programs c static
check "C++ programs too" programs c++ static
check "the page's example is there" example
for reader in python rust; do
	check "the reader in $reader reads what they saved, and the page's example" reads "$reader"
	check "it refuses what is damaged, cut or not complete" refuses "$reader"
done
finish
