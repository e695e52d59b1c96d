#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the hcpolicy command of an older version attached, under today's: selftests/upgrade builds
# both and runs this.  HCP_OLD is where the old one was built or installed (bin/hcpolicy, and bpf/ or
# lib/bpf/hcpolicy/), and HCP_OLD_DEBS has its packages; today's are those of `make deb`.  The VM is the
# distribution's QEMU, whose guest does what is written to it.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/qmp.sh
. "${BASH_SOURCE[0]%/*}/qmp.sh"
# shellcheck source=selftests/asked.sh
. "${BASH_SOURCE[0]%/*}/asked.sh"
# shellcheck source=SCRIPTDIR/throw-away.sh
. "${BASH_SOURCE[0]%/*}/throw-away.sh"
plan 15

name=hcst-upgrade
answers=$work/says
pins=/sys/fs/bpf/hcpolicy
saved=$work/saved
old() { HCPOLICY_PATH=$HCP_OLD/bpf:$HCP_OLD/lib/bpf/hcpolicy "$HCP_OLD/bin/hcpolicy" "$@"; }

start()
{
	mkfifo "$work/console.in" "$work/console.out" || return
	start_qemu -kernel "$bin/hcguest.elf" -chardev "pipe,id=console,path=$work/console" \
		-serial chardev:console || return
	cat "$work/console.out" > "$answers" &
	children+=("$!")
	exec {console}> "$work/console.in"
}

first='[{"gfn":256,"npages":16},{"gfn":4096,"npages":1}]'
second='[{"gfn":256,"npages":16},{"gfn":512,"npages":8},{"gfn":4096,"npages":1}]'

attached()
{
	old attach bitmap --pid "$pid" --name $name && qmp cont && ask 'map 0x100000 16 0' && ask 'map 0x1000000 1 0'
}

shown()
{
	gives 0 "^$name +bitmap +$pid +yes +17  complete; attached by hcpolicy 0.1$" hcpolicy list &&
		gives 0 "hcpolicy replace $name bitmap ends that" hcpolicy show $name && complete &&
		hcpolicy list --all -j | grep "\"info_version\":1,.*\"shared_pages\":17,\"complete\":true"
}

drawn() { same "$first" ranges && same "$(old ranges $name)" hcpolicy ranges $name && gives 0 '17 pages shared' hcpolicy draw $name; }

is_saved()
{
	halt && gives 0 '17 pages shared .68 KiB., complete' hcpolicy save $name "$saved" &&
		gives 1 'replace the policy, then restore the set' hcpolicy restore $name "$saved" --with-its-guest
	local status=$?
	go_on
	return "$status"
}

# Nothing of these is silent, and nothing of it changes the set.
not_for_old()
{
	gives 1 'it has no parameters' hcpolicy tune $name ceiling=1 && gives 1 'replace it by one that does' hcpolicy watch $name &&
		complete
}

# A policy that this kernel does not take leaves the old one where it is.
not_by_a_broken_one()
{
	gives 1 'the verifier does not accept it' hcpolicy replace $name "$top/build/obj/libhcpolicy/tests/broken.bpf.o" &&
		gives 0 'attached by hcpolicy 0.1' hcpolicy list && complete
}

replaced()
{
	gives 0 "the set is complete" hcpolicy replace $name quota --param ceiling=4096 && same "$first" ranges &&
		ask 'map 0x200000 8 0' && same "$second" ranges && complete
}

# The old command must not call complete what it cannot read.
unknown_to_the_old()
{
	gives 1 . old show $name && ! grep complete "$work/run"
}

as_any_other()
{
	hcpolicy tune $name ceiling=8192 && halt || return
	gives 0 'complete' hcpolicy restore $name "$saved" --with-its-guest && same "$first" ranges &&
		gives 0 'empty again: complete' hcpolicy reset $name && same '[]' ranges
	local status=$?
	go_on
	return "$status"
}

ends() { gives 0 detached hcpolicy detach $name && [ -z "$(ls -A $pins)" ] && same '' hcpolicy list --all; }

detached_as_it_is()
{
	old attach bitmap --pid "$pid" --name $name && gives 0 'late; attached by hcpolicy 0.1' hcpolicy list && ends
}

# --- the same with the packages of both

package_attached()
{
	# Before its guest runs, so that the set can be complete.
	kill "$pid" && rm "$work"/console.* && answers=$work/says-again asked=0 && start || return
	throw_away && packages -i "$HCP_OLD_DEBS"/*.deb && gives 0 ' 0\.1\.' inside hcpolicy --version &&
		inside hcpolicy attach bitmap --pid "$pid" --name $name && qmp cont &&
		ask 'map 0x100000 16 0' && ask 'map 0x1000000 1 0'
}
upgraded()
{
	packages -i "$top"/build/deb/{hcpolicy,libhcpolicy0,libhcpset0}_*.deb &&
		same "$(hcpolicy --version)" inside hcpolicy --version
}
package_read()
{
	gives 0 "^$name +bitmap +$pid +yes +17  complete; attached by hcpolicy 0.1$" inside hcpolicy list &&
		same "$first" inside hcpolicy ranges $name -j && halt || return
	gives 0 '17 pages shared .68 KiB., complete' inside hcpolicy save $name /tmp/saved
	local status=$?
	go_on
	return "$status"
}
package_taken_over()
{
	gives 0 "the set is complete" inside hcpolicy replace $name quota --param ceiling=4096 &&
		same "$first" inside hcpolicy ranges $name -j && gives 0 detached inside hcpolicy detach $name &&
		[ -z "$(ls -A $pins)" ]
}

start || exit 1
check 'a policy of the old command sees what the guest asks for' attached
check 'list and show know it' shown
check 'its set is read' drawn
check 'its set is saved, and not restored over' is_saved
check 'tune and watch say what they miss' not_for_old
check 'what the kernel does not take replaces nothing' not_by_a_broken_one
check 'a replacement takes its set over' replaced
check 'the old command does not read what it does not know' unknown_to_the_old
check 'tune, restore and reset then work' as_any_other
check 'detach leaves nothing' ends
check 'an old one that was not replaced is detached' detached_as_it_is
check "the old package's command attaches" package_attached
check "today's package takes its place" upgraded
check 'what it finds is read and saved' package_read
check 'and replaced and detached' package_taken_over
finish
