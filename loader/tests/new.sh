#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# hcpolicy new, and what it makes: compiled with nothing but what make install puts into a folder, and
# with the two things that authors have of their own, libbpf's headers and a vmlinux.h.
set -u

# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/../../selftests/tap.sh"
plan 18

# A root of its own.  The kernel's headers in it are the compiler's.
root=$work/root
headers=$root/usr/local/include/hcpolicy
installed()
{
	local dir
	for dir in libhcpolicy bpf-progs loader; do
		make --no-print-directory -C "$top/$dir" install DESTDIR="$root" || return
	done
	mkdir -p "$root/usr" && ln -s /usr/include "$root/usr/include"
}
check "make install puts all into a folder" installed
unset HCPOLICY_PATH MAKEFLAGS MAKELEVEL CFLAGS CLANG
export PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_LIBDIR=$root/usr/local/lib/pkgconfig
export HCPOLICY_SOURCES=$root/usr/local/share/hcpolicy
clang=$(pkg-config --variable=clang hcpolicy-bpf)
cd "$work" || exit

hcpolicy() { "$root/usr/local/sbin/hcpolicy" "$@"; }
compiles() { make -C "$1" CLANG="$clang -Werror $2" && [ -s "$1/$1.bpf.o" ]; }

# same_code OBJECT OTHER: but for names
code() { "${clang/clang/llvm-objdump}" -d --no-show-raw-insn "$1" | sed '1,/^Disassembly/d; s/<.*>//'; }
same_code()
{
	code "$1" > want && code "$2" > got && [ "$(wc -l < want)" -gt 100 ] && diff want got
}
bitmap=$root/usr/local/lib/bpf/hcpolicy/bitmap.bpf.o

makes()
{
	hcpolicy new mine > said && [ "$(echo mine/*)" = 'mine/Makefile mine/mine.bpf.c mine/mine.try' ] &&
		grep -x 'HCPOLICY(mine, req)' mine/mine.bpf.c && grep ' \* mine: ' mine/mine.bpf.c &&
		! grep -rE '@NAME@|HCPOLICY.*\(policy' mine
}
first_compiles() { compiles mine '' && same_code "$bitmap" mine/mine.bpf.o; }
# Debian 13 has some of the kernel's in a folder for each architecture.
kernels='(/usr/include/(linux|asm-generic|[a-z0-9_-]+/asm)|/usr/lib/linux/uapi/[a-z0-9]+/asm)'
nothing_else()
{
	local flags
	read -ra flags < <(pkg-config --cflags hcpolicy-bpf)
	"$clang" "${flags[@]}" -M mine/mine.bpf.c > used || return
	tr ' ' '\n' < used | grep '\.h$' | xargs realpath > headers && [ "$(wc -l < headers)" -ge 10 ] &&
		! grep -vE "^($headers/|$kernels/|/usr/lib/.*/clang/)" headers
}
each_source()
{
	local from n=0
	for from in "$HCPOLICY_SOURCES"/*.bpf.c; do
		from=$(basename "$from" .bpf.c)
		hcpolicy new "my-$from" --from "$from" > said && compiles "my-$from" '' &&
			grep -x "HCPOLICY(my_${from/-/_}, req)" "my-$from/my-$from.bpf.c" &&
			grep " \* my-$from: " "my-$from/my-$from.bpf.c" &&
			same_code "${bitmap%/*}/$from.bpf.o" "my-$from/my-$from.bpf.o" || { echo "$from"; return 1; }
		n=$((n + 1))
	done
	[ "$n" -ge 7 ]
}
listed()
{
	HCPOLICY_PATH=$work/my-quota hcpolicy policies my-quota > said && grep '^my-quota .* ceiling on the pages' said &&
		grep '^  ceiling=65536 ' said
}
words_of_c() { hcpolicy new int && compiles int '' && hcpolicy new log && compiles log ''; }
installs()
{
	PKG_CONFIG_SYSROOT_DIR='' make -C my-quota install DESTDIR="$work/other" &&
		cmp my-quota/my-quota.bpf.o other/usr/local/lib/bpf/hcpolicy/my-quota.bpf.o
}
old_clang() { gives 2 'needs clang 19 or later' make -C mine -B CLANG="$clang -U__clang_major__ -D__clang_major__=14"; }
not_installed() { gives 2 'no hcpolicy-bpf.pc: install hcpolicy' env PKG_CONFIG_LIBDIR=/nowhere make -C mine -B; }

bad_names()
{
	local name
	for name in 9lives a.b ../a a/b '' a234567890123456 ä; do
		gives 2 "cannot be a policy's name" hcpolicy new "$name" && [ ! -e "$name/Makefile" ] ||
			{ echo "$name"; return 1; }
	done
	gives 2 'the name of a policy is meant' hcpolicy new b --from ../quota && [ ! -e b ]
}
is_there()
{
	echo kept > mine/mine.try
	gives 1 'mine: File exists: choose another name' hcpolicy new mine && grep -x kept mine/mine.try
}
no_sources()
{
	gives 1 '/quotta.bpf.c: No such file' hcpolicy new b --from quotta && [ ! -e b ] &&
		gives 1 '^hcpolicy: /nowhere/template/.*make install .*HCPOLICY_SOURCES' \
			env HCPOLICY_SOURCES=/nowhere "$root/usr/local/sbin/hcpolicy" new b && [ ! -e b ]
}
# Each program of the guide.
guide()
{
	local n=0
	awk '/^```c$/ { n++; on = 1; next } /^```$/ { on = 0 } on { print > ("guide-" n) }' "$top/docs/policy-guide.md"
	for n in 1 2; do
		cp "guide-$n" mine/mine.bpf.c && compiles mine '' || return
	done
}
# As on a full disk: no file may get a byte.
full_disk()
{
	(trap '' XFSZ && ulimit -f 0 && hcpolicy new b 2>&1; echo "$?") | cat > said
	cat said
	grep 'b/b.bpf.c: File too large' said && grep -x 1 said && [ ! -e b ]
}

# Those that are in /usr/include are found when ours are not there.
distribution()
{
	cp "${HCPOLICY_SOURCES}/bitmap.bpf.c" mine/mine.bpf.c
	mv "$headers/bpf" ours && rm mine/mine.bpf.o
	compiles mine -MD && grep -q ' /usr/include/bpf/bpf_helpers.h' mine/mine.bpf.d &&
		same_code "$bitmap" mine/mine.bpf.o
	local status=$?
	mv ours "$headers/bpf"
	return "$status"
}

# after_vmlinux WHOSE...: as bpftool says it
after_vmlinux()
{
	rm -rf with && hcpolicy new with --from notify && bpftool btf dump "$@" format c > with/vmlinux.h || return
	sed -i '1 i #include "vmlinux.h"' with/with.bpf.c
	compiles with '' && same_code "${bitmap%/*}/notify.bpf.o" with/with.bpf.o &&
		hcpolicy policies ./with/with.bpf.o | grep 'tells userspace of each change'
}

check "new makes a policy, a makefile and a script for try" makes
check "make there gives the code of bitmap, without a warning" first_compiles
check "and needs no other header than what is installed" nothing_else
check "each installed policy can be begun with, and has the same code" each_source
check "what it is called is what the command says of it" listed
check "a name may be a word of C" words_of_c
check "make install puts it where attach looks" installs
check "the programs of docs/policy-guide.md compile there" guide
check "an old compiler is refused in words" old_clang
check "so is a makefile that does not find what was installed" not_installed
check "a name that cannot be is refused, and nothing is made" bad_names
check "what is there is not touched" is_there
check "a source that is not there is named, and nothing is made" no_sources
check "nothing is left of what cannot be written" full_disk

title="a policy compiles with the libbpf of the distribution"
if [ -e /usr/include/bpf/bpf_helpers.h ]; then
	check "$title" distribution
else
	skip "no /usr/include/bpf: install libbpf-dev (scripts/setup does)" "$title"
fi

PATH=$PATH:/usr/sbin
release=$("$top/scripts/kernel-release" 6.12)
titles=("a policy compiles after a vmlinux.h" "and after one that has the hook's types")
if ! command -v bpftool > /dev/null; then
	skip "no bpftool: install it (scripts/setup does)" "${titles[@]}"
else
	vmlinux=/usr/src/linux-headers-$release/vmlinux
	check "${titles[0]}" after_vmlinux file "$vmlinux"
	if [ -e "$top/build/modules/$release/kvm.ko" ]; then
		check "${titles[1]}" after_vmlinux -B "$vmlinux" file "$top/build/modules/$release/kvm.ko"
	else
		skip "no kvm.ko with the hook: make modules" "${titles[1]}"
	fi
fi
finish
