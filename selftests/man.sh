#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The examples of the manual pages as they stand, and `hcpolicy help` here.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/page.sh
. "${BASH_SOURCE[0]%/*}/page.sh"

# page:BLOCKS
pages=()
for page in "$top"/docs/man/*.md; do
	name=${page##*/} name=${name%.md}
	blocks=$(page_read "$page" "$work/$name")
	[ "$blocks" = 0 ] || pages+=("$name:$blocks")
done
plan $((${#pages[@]} + 3))
mount -t tmpfs tmpfs /usr/local || exit

# The VM of the pages, web1: the test guest, which shares 16 pages when it runs.
end_vm()
{
	[ -z "${vm_PID-}" ] || { kill "$vm_PID" && wait "$vm_PID"; } 2> /dev/null
	hcpolicy list > /dev/null 2>&1	# forgets it
}
has_vm() { readlink "/proc/$vm_PID"/fd/* | grep kvm-vm; }
begin_vm()
{
	end_vm
	coproc vm { exec qemu-system-x86_64 -accel kvm -m 512 -display none -serial null -monitor stdio -S \
		-kernel /usr/local/share/hcpolicy/hcguest.elf -append 'share 0x100000 16'; }
	children=("$vm_PID")
	within 60 has_vm
}
shares() { hcpolicy ranges web1 | grep 0x100000-0x10ffff; }
attached() { hcpolicy replace web1 bitmap && shares && hcpolicy show web1 | grep -x 'state  *complete'; }
# A page that attaches finds the VM paused and alone; others find it attached by bitmap, and running.
ready()
{
	if grep -qE '^hcpolicy (attach|auto) ' "$1"/*.sh; then
		begin_vm
	elif grep -qE 'web1|pidof' "$1"/*.sh && ! attached; then
		begin_vm && hcpolicy attach bitmap --pid "$vm_PID" --name web1 && echo cont >&"${vm[1]}" && within 60 shares
	fi
}

before() { [ "$1" != 1 ] || echo "cd '$here'"; }
example()
{
	local dir=$work/$1 here=$work/$1/here n
	mkdir "$here"
	ready "$dir" > "$dir/ready" 2>&1 || { echo "no VM for it:"; cat "$dir/ready"; return 1; }
	page_run "$dir" "$2" 300 before
	for ((n = 1; n <= $2; n++)); do
		page_block "$dir" "$n" || return
	done
}

installs() { make -C "$top" install && [ -s /usr/local/share/man/man8/hcpolicy-attach.8 ] && [ -s /usr/local/share/man/man3/hcp_set__new.3 ]; }
# No page but those without EXAMPLES has no commands.
all_run()
{
	local page bad=0
	for page in "$top"/docs/man/*.md; do
		! grep -q '^## EXAMPLES' "$page" || [ -e "$work/$(basename "$page" .md)/1.sh" ] || { echo "$page"; bad=1; }
	done
	[ "${#pages[@]}" -ge 20 ] && return "$bad"
}
# With what is installed on the host: man, or the short help.
helps()
{
	command hcpolicy help ranges > "$work/help" 2> "$work/why" < /dev/null && cat "$work/help" "$work/why" || return
	if command -v man > /dev/null; then
		grep -q '^SEE ALSO' "$work/help"
	else
		grep -q '^Usage: hcpolicy ranges' "$work/help" && grep -q 'not installed' "$work/why"
	fi
}

check "make install installs the pages" installs
check "each EXAMPLES has commands" all_run
check "hcpolicy help shows a page, or without man the short help" helps
for page in "${pages[@]}"; do
	check "${page%:*}: its examples do what it says" example "${page%:*}" "${page#*:}"
done
end_vm
finish
