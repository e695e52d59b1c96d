#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A name means one VM: whoever prepared the folder, whatever was taken out of it by hand,
# and whoever was killed while he worked there.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
plan 25

name=hcst-name
pins=/sys/fs/bpf/hcpolicy
nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }

# vm OPTIONS...: one that has not run yet; its process in $pid
vm()
{
	rm -f "$work/in"
	"$bin/hcvm" --guest "$bin/hcguest.elf" --mem 16M --incoming "unix:$work/in" "$@" \
		< /dev/null > "$work/vm" 2>&1 &
	pid=$!
	children+=("$pid")
	within 60 [ -S "$work/in" ] || { cat "$work/vm"; return 1; }
}

# end SIGNAL: of that process
end() { kill "-$1" "$pid" && { wait "$pid" || true; } 2> /dev/null; }

attach() { hcpolicy attach bitmap --pid "$pid" --name "$name" "$@"; }
nothing_left() { [ -z "$(ls -A $pins)" ] || { ls -AR $pins; return 1; }; }

prepared()
{
	nobody mkdir -m 0777 $pins && vm && gives 1 "$pins belongs to uid 65534 with mode 0777" attach &&
		gives 1 'belongs to uid 65534' hcpolicy list && nobody ln -s /nowhere $pins/$name &&
		gives 1 'belongs to uid 65534' hcpolicy detach $name && rm -r $pins && attach
}

# without PIN: the name is shown whole again, and ends
without()
{
	rm "$pins/$name/$1" && gives 0 "missing in $pins/$name: $1; found it and put it back" hcpolicy list &&
		hcpolicy show $name && hcpolicy list | grep -q "^$name .* not complete: awaits a restore$"
}

# A link that nobody else holds has ended with its pin.
without_its_link()
{
	rm $pins/$name/link && gives 0 'awaits a restore, detached; missing: link' hcpolicy list &&
		gives 0 'awaits a restore, detached' hcpolicy show $name && hcpolicy list -j | grep -q '"missing":"link"' &&
		gives 0 'removed what was left' hcpolicy detach $name && nothing_left
}

# lost PIN: with the link ended, this pin cannot be found again
lost()
{
	within 60 attach && end_link $name && rm "$pins/$name/$1" && gives 0 "missing: $1: hcpolicy detach $name clears the rest" hcpolicy list &&
		gives 1 'its set is gone' hcpolicy show $name && hcpolicy list -j | grep -q "\"missing\":\"$1\"" &&
		hcpolicy detach $name && nothing_left
}

# A folder of that name, and nothing of a policy in it.
nothing_to_open()
{
	mkdir $pins/$name && gives 1 "detach clears what is left" hcpolicy list &&
		gives 1 'all its pins are missing' hcpolicy show $name && hcpolicy detach $name && nothing_left &&
		mkdir $pins/$name && attach
}

# A VMM that pins its policy itself, and is killed, finds its name free the next time.
killed_vmm()
{
	hcpolicy detach $name && end TERM && vm --policy bitmap --name $name && end KILL &&
		[ -d $pins/$name ] && vm --policy bitmap --name $name && hcpolicy show $name
}

# shellcheck source=loader/completion/candidates.sh
. "$top/loader/completion/candidates.sh"
completed()
{
	same "$name" _hcpolicy_candidates "$bin/hcpolicy" show '' &&
		_hcpolicy_candidates "$bin/hcpolicy" attach bitmap --pid '' | grep -x "$pid"
}

detached_from_outside() { hcpolicy detach $name && end TERM && nothing_left; }

mismatched()
{
	mv $pins/$name $pins/other && gives 1 "its pins are those of '$name'" hcpolicy show other &&
		gives 1 "its pins are those of '$name'" hcpolicy detach other && mv $pins/other $pins/$name &&
		hcpolicy show $name
}

left_behind()
{
	mv $pins/$name $pins/~new && gives 0 'a process was killed while it attached a policy' hcpolicy list &&
		nothing_left && attach && mv $pins/$name $pins/~old &&
		gives 0 'a process was killed while it removed the pins' hcpolicy list && nothing_left
}

# One that keeps its policy to itself: hcvm without --name.
without_a_name()
{
	local id

	end TERM
	vm --policy bitmap && hcpolicy list && hcpolicy list --all > "$work/all" &&
		id=$(sed -n 's/^- .*; not pinned: hcpolicy detach --id \([0-9]*\)$/\1/p' "$work/all") &&
		[ -n "$id" ] && hcpolicy list --all -j | grep "\"pid\":$pid,.*\"link_id\":$id,\"pinned\":false" &&
		gives 1 "has a policy, 'bitmap' as '$pid' .link id $id." attach &&
		gives 0 "link id $id: detached" hcpolicy detach --id "$id" && same '' hcpolicy list --all &&
		gives 1 "link id $id is not attached any more" hcpolicy detach --id "$id" && attach
}

# What is attached in a folder that is refused is known by its id.
refused_folder()
{
	local id

	chown 65534 $pins && gives 1 'belongs to uid 65534' hcpolicy list --all &&
		id=$(sed -n 's/^- .*not pinned: hcpolicy detach --id \([0-9]*\)$/\1/p' "$work/run") && [ -n "$id" ] &&
		hcpolicy list --all -j | grep '"error":.*"pinned":false'
	chown 0 $pins && same yes eval "hcpolicy list --all | awk '\$1 == \"$name\" { print \$4 }'"
}

elsewhere()
{
	mkdir "$work/bpf" && gives 1 "mount -t bpf bpf $work/bpf" hcpolicy list --bpffs "$work/bpf" &&
		mount -t bpf bpf "$work/bpf" && hcpolicy detach $name &&
		attach --bpffs "$work/bpf" && [ -d "$work/bpf/hcpolicy/$name" ] && nothing_left &&
		gives 1 "attachment '$name': it is not in $pins" hcpolicy show $name &&
		hcpolicy show $name --bpffs "$work/bpf" && HCPOLICY_BPFFS=$work/bpf hcpolicy ranges $name &&
		HCPOLICY_BPFFS=/nowhere hcpolicy list --bpffs "$work/bpf" | grep "^$name " &&
		hcpolicy detach $name --bpffs "$work/bpf" && umount "$work/bpf"
}

# Its process has a number of another pid namespace, which here is somebody else's or nobody's.
other_namespace()
{
	end TERM
	rm -f "$work/in"
	unshare --pid --fork --mount-proc --kill-child "$bin/hcvm" --guest "$bin/hcguest.elf" --mem 16M \
		--incoming "unix:$work/in" --policy bitmap --name $name < /dev/null > "$work/vm" 2>&1 &
	pid=$!
	children+=("$pid")
	within 60 [ -d $pins/$name ] && hcpolicy list | grep "^$name .* yes " && end KILL &&
		within 60 eval "hcpolicy list | grep '^$name .* no .*detached'" &&
		[ -d $pins/$name ] && hcpolicy detach $name && nothing_left
}

check "a folder that somebody else has prepared is refused until it is removed" prepared
check "a name is not for two" gives 1 "attachment '$name': the name is taken" attach
check "the set's pin that is missing is put back" without hcp_shared
check "that of its state too" without hcp_info
check "a policy whose link's pin was removed is not attached any more" without_its_link
check "without its link the set's pin is lost, and detach clears the rest" lost hcp_shared
check "the pin of its state likewise" lost hcp_info
check "a name with no pin is listed, cleared, and taken" nothing_to_open
check "pins that were renamed are not taken for another VM's" mismatched
check "what a killed process left is removed, and said so" left_behind
check "a policy is attached" attach
check "completion offers its name and its VM" completed
check "its link ends" end_link $name
check "whose name attach takes over" gives 0 'was not attached any more' attach
check "and detach clears once more" eval "end_link $name && hcpolicy detach $name && nothing_left"
check "to detach what is not there is an error" gives 1 "it is not in $pins: hcpolicy list" hcpolicy detach $name
check "the name of a dead VM is removed by whoever lists it" eval "attach && end KILL && gives 0 'is gone; removed its pins' hcpolicy list && nothing_left"
check "a name is for the next VM" eval "vm && attach"
check "hcvm takes its name again after it was killed" killed_vmm
check "a policy without a name is listed by its id, and detached" without_a_name
check "so is one in a folder that is refused" refused_folder
check "names may be in another BPF file system" elsewhere
check "of another pid namespace's process nobody says that it is gone" other_namespace
check "a VM waits, its policy and its name its own" vm --policy bitmap --name $name
check "hcvm ends well with its policy detached from outside" detached_from_outside
finish
