#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# VMs that appear get what auto.conf says: by KVM's own uevent, udev, the rule and the unit as they are installed,
# and by libvirt's hook, called as libvirt calls it.  The VMM is the distribution's QEMU, and the journal has what is said.
#
# This machine's first process is no systemd, so the services are those of a service manager of root's.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/qmp.sh
. "${BASH_SOURCE[0]%/*}/qmp.sh"
# The manager takes the control group that it is started in for its own, with all processes there.
if [ "$(</proc/self/cgroup)" != 0::/vm-run ]; then
	plan 1
	skip "only for a machine of scripts/vm-run: it takes over udev, /etc and a control group" "VMs get what auto.conf says"
	finish
fi
plan 31

conf=/etc/hcpolicy/auto.conf
services=/run/hcst-services
unit_rule=/usr/local/lib/udev/rules.d/70-hcpolicy-auto.rules
kvm=$(getent group kvm | cut -d: -f3)
trap 'kill "${children[@]}" 2>/dev/null; wait "${children[@]}" 2>/dev/null; umount -l /etc /usr/bin/systemctl /usr/local 2>/dev/null; rm -rf "$work"' EXIT

# --- the machine

# As make install puts it, and an /etc that can be written to.
installs()
{
	local sed='s,@PREFIX@,/usr/local,'
	[ -d /sys/module/overlay ] || modprobe -d "$("$top/scripts/kernel-root" "$(uname -r)")" overlay || return
	mkdir "$work"/{etc,etc-work} && mount -t overlay -o "lowerdir=/etc,upperdir=$work/etc,workdir=$work/etc-work" overlay /etc &&
		mount -t tmpfs tmpfs /usr/local && mkdir -p /usr/local/{sbin,lib/bpf,lib/udev/rules.d} "$services/systemd/user" /etc/hcpolicy &&
		cp "$bin/hcpolicy" /usr/local/sbin && ln -s "$top/build/bpf" /usr/local/lib/bpf/hcpolicy &&
		cp "$top/loader/auto/hcpolicy-auto.rules" $unit_rule &&
		sed "$sed" "$top/loader/auto/hcpolicy-auto@.service.in" > "$services/systemd/user/hcpolicy-auto@.service"
	PATH=/usr/local/sbin:$PATH
	unset HCPOLICY_PATH
}
background() { "$@" > "$work/$(basename "$1")" 2>&1 & children+=("$!"); }
manager() { env XDG_RUNTIME_DIR="$services" "$work/systemctl" --user "$@"; }
# What the first process has made where systemd is that.
prepares()
{
	local nodes=/run/systemd/inaccessible
	mkdir -p /run/systemd/{system,journal} /run/log/journal $nodes/dir && touch $nodes/reg && mknod $nodes/chr c 0 0 && mknod $nodes/blk b 0 0 &&
		mkfifo $nodes/fifo && chmod 0 $nodes/*
}
# The rule calls systemctl by its path.
begins()
{
	prepares && ln -sf /run/systemd/journal/dev-log /dev/log &&
		cp /usr/bin/systemctl "$work/systemctl" &&
		printf '#!/bin/sh\nexec env XDG_RUNTIME_DIR=%s %s --user "$@"\n' "$services" "$work/systemctl" > "$work/to-manager" &&
		chmod +x "$work/to-manager" && mount --bind "$work/to-manager" /usr/bin/systemctl || return
	background /usr/lib/systemd/systemd-journald
	within 60 [ -S /run/systemd/journal/stdout ] || return
	background env XDG_RUNTIME_DIR="$services" /usr/lib/systemd/systemd --user --log-target=journal --unit=basic.target
	within 300 manager is-active basic.target || { cat "$work/env"; return 1; }
	background /usr/lib/systemd/systemd-udevd --debug
	within 60 udevadm control --ping
}

# --- VMs

# What was said before does not count.
mark() { journalctl --no-pager -n 0 --show-cursor | sed -n 's/^-- cursor: //p' > "$work/cursor"; }
since() { journalctl --no-pager --after-cursor="$(<"$work/cursor")"; }
# said_by NAME: not by journalctl's -t, which leaves out the first line after a cursor
said_by() { since | sed -n "s/^.* $1\(\[[0-9]*\]\)\?: //p"; }
heard() { said_by hcpolicy | grep -E -e "$1"; }
# says PATTERN: a line of the journal
says() { within 300 heard "$1" || { since; return 1; }; }
rules() { printf '%s\n' "$@" > $conf; }

qemu=(qemu-system-x86_64 -accel kvm -m 64 -nodefaults -display none)
# vm COMMAND...: its process is $pid
vm()
{
	mark
	"$@" > "$work/vmm" 2>&1 &
	pid=$!
	children+=("$pid")
}
ends() { { kill "$pid"; wait "$pid"; } 2> /dev/null; hcpolicy list > /dev/null 2>&1; true; }
complete() { says "^$pid: policy '$1' is attached to process $pid \(qemu-system-x86\) by $conf:$2, covers 2 GiB of guest addresses: the set is complete\$"; }
untouched() { ! hcpolicy list | grep "^$pid "; }
service_done() { since | grep -E "Finished .*new KVM VM of process $pid"; }
events_done() { udevadm settle --timeout=60 && within 60 has_vm; }
has_vm() { readlink "/proc/$pid/fd/"* | grep kvm-vm; }
# udev 252 drops a command if it comes before udev has asked the socket for the sender's user.
tell_udev()
{
	local before
	before=$(grep -ic "$2" "$work/systemd-udevd")
	within 60 eval "udevadm control $1 && [ \"\$(grep -ic '$2' '$work/systemd-udevd')\" -gt $before ]"
}
without_unit() { mv $unit_rule "$work/rule" && tell_udev --reload reload; }
with_unit() { mv "$work/rule" $unit_rule && tell_udev --reload reload; }
# What udev does waits until it is told to go on.
hold_events() { tell_udev --stop-exec-queue 'stop_\?exec'; }
go_on() { tell_udev --start-exec-queue 'start_\?exec'; }

no_file() { rm -f $conf; vm "${qemu[@]}" -S; events_done && ! since | grep 'new KVM VM' && untouched && ends; }
no_rule() { rules '# nothing'; vm "${qemu[@]}" -S; within 300 service_done && ! heard . && untouched && ends; }
by_hand() { rules '* * qemu-system-x86_64 bitmap 2G'; vm "${qemu[@]}" -S; complete bitmap 1 && hcpolicy show "$pid" | grep -xE 'state +complete' && ends; }
by_unit()
{
	rules '* */app.slice/hcst-other.service * bitmap 2G' '* */hcst-vm.service * quota 2G ceiling=5'
	mark
	env XDG_RUNTIME_DIR="$services" systemd-run --user --unit=hcst-vm "${qemu[@]}" -S && pid=$(manager show -P MainPID hcst-vm) &&
		complete quota 2 && hcpolicy show "$pid" | grep 'ceiling=5' && manager stop hcst-vm
}
by_user()
{
	rules 'user:1001 * * bitmap 2G' 'user:1000 * * notify 2G' '* * * bitmap 2G'
	vm setpriv --reuid=1000 --regid="$kvm" --clear-groups "${qemu[@]}" -S
	complete notify 2 && ends
}
by_group() { rules 'group:1000 * * bitmap 2G' 'group:kvm * * notify 2G'; vm setpriv --reuid=1000 --regid=1001 --groups="$kvm" "${qemu[@]}" -S; complete notify 2 && ends; }
not_meant()
{
	rules 'user:1001 * * bitmap 2G' '* /nowhere/* * bitmap 2G' '* * hcvm bitmap 2G'
	vm "${qemu[@]}" -S
	says "^process $pid \(qemu-system-x86\) gets no policy: no rule of $conf is for user 0, control group /[^ ]*, command /usr/bin/qemu-system-x86_64\$" &&
		untouched && ends
}
none_wanted() { rules '* * qemu* -' '* * * bitmap 2G'; vm "${qemu[@]}" -S; says "^process $pid .* gets no policy, by $conf:1\$" && untouched && ends; }
no_policy()
{
	rules '* * * nosuch 2G'
	vm "${qemu[@]}" -S
	says "policy 'nosuch': no nosuch.bpf.o" && says "process $pid \(qemu-system-x86\) gets no policy, but should have 'nosuch' by $conf:1" && untouched && ends
}
wrong_line() { rules '* * * bitmap 2G' '* * bitmap'; vm "${qemu[@]}" -S; says "$conf:2: the rule ends too early and has no policy: wanted its name" && says "process $pid \(qemu-system-x86\) gets no policy, as the rules are wrong" && untouched && ends; }
# A guest that has said something has run.
too_late()
{
	rules '* * * bitmap 2G'
	rm -f "$work/serial"
	hold_events && vm "${qemu[@]}" -kernel "$bin/hcguest.elf" -append 'share 0x100000 1' -serial "file:$work/serial"
	within 300 [ -s "$work/serial" ] && go_on &&
		says "^$pid: policy 'bitmap' is attached to process $pid \(qemu-system-x86\) by $conf:1, covers 2 GiB of guest addresses: the set is not complete: attached or restored late\$" &&
		hcpolicy show "$pid" | grep -xE 'state +not complete: attached or restored late' && ends
}
too_short() { hold_events && vm "${qemu[@]}" -S && within 60 has_vm && ends && go_on && says "no process $pid: it has ended"; }
# KVM announces the thread.
by_thread()
{
	rules '* * python3* bitmap 2G'
	vm /usr/bin/python3 -IS -c 'import fcntl, os, threading, time
kvm = os.open("/dev/kvm", os.O_RDWR)
thread = threading.Thread(target=lambda: (fcntl.ioctl(kvm, 0xAE01, 0), time.sleep(600)), daemon=True)
thread.start()
time.sleep(600)'
	says "^$pid: policy 'bitmap' is attached to process $pid \(python3\)" && ends
}
# The next VM of the machine removes what is left of one.
clears()
{
	local old
	rules '* * * bitmap 2G'
	vm "${qemu[@]}" -S
	complete bitmap 1 && old=$pid && { kill "$pid"; wait "$pid"; [ -d "/sys/fs/bpf/hcpolicy/$old" ]; } &&
		vm "${qemu[@]}" -S && complete bitmap 1 && [ ! -e "/sys/fs/bpf/hcpolicy/$old" ] && ends
}

# --- libvirt's hook

# domain NAME OPTION...: paused, as by virsh start --paused
domain()
{
	domain=$1
	mark
	mkdir -p /run/libvirt/qemu && start_qemu "${@:2}" -pidfile "/run/libvirt/qemu/$domain.pid" > /dev/null
}
hook() { "$top/contrib/libvirt/qemu" "$domain" "$@" - <<< "<domain type='kvm'><name>$domain</name></domain>"; }
paused()
{
	rules '* * qemu* bitmap 2G'
	without_unit && domain hcst-web1 -kernel "$bin/hcguest.elf" -append 'share 0x100000 16 expect 0' -serial null && hook started begin &&
		says "^hcst-web1: policy 'bitmap' is attached to process $pid .* the set is complete\$" && qmp cont &&
		within 300 same '[{"gfn":256,"npages":16}]' hcpolicy ranges hcst-web1 -j && hcpolicy show hcst-web1 | grep -xE 'state +complete' && ends
}
other_times()
{
	local when
	domain hcst-web1
	for when in 'prepare begin' 'start begin' 'started end' 'stopped end' 'release end' 'migrate begin' 'restore begin' 'reconnect begin' 'attach begin'; do
		same '' hook $when || return
	done
	! heard . && ! hcpolicy list | grep hcst-web1 && ends
}
fails()
{
	rules '* * qemu* nosuch 2G'
	domain hcst-web1 && gives 1 "process $pid \(qemu-system-x86\) gets no policy, but should have 'nosuch'" hook started begin &&
		says "process $pid \(qemu-system-x86\) gets no policy, but should have 'nosuch'" && rm "/run/libvirt/qemu/hcst-web1.pid" &&
		gives 1 'domain hcst-web1 gets no policy, as its process is not known: .*hcst-web1.pid' hook started begin && ends
}
not_ours()
{
	rules 'user:1001 * * bitmap 2G'
	domain hcst-web1 && same '' hook started begin && says "^process $pid .* gets no policy: no rule" && ends
}
runs_already()
{
	rules '* * qemu* bitmap 2G'
	rm -f "$work/serial"
	domain hcst-web1 -kernel "$bin/hcguest.elf" -append 'share 0x100000 16' -serial "file:$work/serial" && qmp cont && within 300 [ -s "$work/serial" ] &&
		hook started begin && says '^hcst-web1: .*: the set is not complete: attached or restored late$' && ends
}
names()
{
	local one
	for one in 'web 1' -x web.1 12 "$(printf 'x%.0s' {1..64})"; do
		domain "$one" && hook started begin && says "^$pid: policy 'bitmap' is attached to process $pid .* the set is complete\$" && ends || return
	done
}
# Somebody else's VM has that name.
name_is_taken()
{
	hcpolicy attach bitmap --pid "$1" --name hcst-web1 && domain hcst-web1 && hook started begin && complete bitmap 1 &&
		says "^process $pid is called by its number: another VM has the name of its domain, 'hcst-web1'\$"
}
other_has_name()
{
	local other status=0
	rules '* * qemu* bitmap 2G'
	vm "${qemu[@]}" -S
	within 60 has_vm && other=$pid && name_is_taken "$other" || status=1
	ends
	kill "$other"
	wait "$other"
	hcpolicy list > /dev/null
	return "$status"
}
migrates_in()
{
	domain hcst-web1 -incoming defer && hook started begin && says '^hcst-web1: .*: the set is not complete: awaits a restore$' && ends
}
# Of a VMM that is told by its API, its rule has to say so.
told_later()
{
	rules '* * qemu* bitmap 2G incoming'
	domain hcst-web1 && hook started begin && says '^hcst-web1: .*: the set is not complete: awaits a restore$' && ends && rules '* * qemu* bitmap 2G'
}
# The unit comes first, and then the hook does.
both()
{
	local already="^process [0-9]* \(qemu-system-x86\) has policy 'bitmap' already, as hcst-web1: the set is complete\$"
	with_unit && domain hcst-web1 && says "^hcst-web1: policy 'bitmap' is attached to process $pid .*: the set is complete\$" &&
		hook started begin && says "$already" && ends &&
		without_unit && domain hcst-web1 && hook started begin && manager start "hcpolicy-auto@$pid" && says "$already" && ends && with_unit
}
unknown()
{
	domain hcst-web1 && says "policy 'bitmap' is attached to process $pid .* the set is complete" && mount -t tmpfs tmpfs /sys/kernel/debug && hook started begin && umount /sys/kernel/debug &&
		says "^process $pid \(qemu-system-x86\) has a policy already: which one, .* is not known" && ends
}
# claims NAME: its set says that it is that of process $pid
claims()
{
	write_info "$1" 40 =Q "$(sed 's/.*) //' "/proc/$pid/stat" | cut -d' ' -f20)" && write_info "$1" 64 =i "$pid"
}
claimed()
{
	local other
	rules '* * qemu* -'
	vm "${qemu[@]}" -S
	says "^process $pid .* gets no policy, by $conf:1\$" && other=$pid && hcpolicy attach bitmap --pid "$other" --name hcst-other || return
	vm "${qemu[@]}" -S
	says "^process $pid .* gets no policy, by $conf:1\$" && claims hcst-other && rules '* * qemu* bitmap 2G' &&
		gives 0 "^$pid: policy 'bitmap' is attached to process $pid .*: the set is complete\$" hcpolicy auto --pid "$pid" &&
		{ kill "$other"; wait "$other"; ends; }
}

# --- the broker's unit, which is confined as that of auto is

# asks NAME: hcvm, for a user
asks()
{
	vm setpriv --reuid=1000 --regid="$kvm" --clear-groups "$bin/hcvm" --guest "$bin/hcguest.elf" --mem 16M --append 'share 0x100000 1' \
		--policy bitmap --broker /run/hcpolicy/broker --name "$1"
}
gets() { asks hcst-asked && within 300 eval "said_by hcpolicyd | grep \"policy 'bitmap' as 'hcst-asked': attached\"" || { cat "$work/vmm"; since; return 1; }; }
cleared() { ends && within 60 [ ! -e /sys/fs/bpf/hcpolicy/hcst-asked ]; }
no_rules()
{
	cp "$bin/hcpolicyd" /usr/local/sbin && cp "$top/broker/hcpolicyd.socket" "$services/systemd/user" &&
		sed 's,@PREFIX@,/usr/local,' "$top/broker/hcpolicyd.service.in" > "$services/systemd/user/hcpolicyd.service" &&
		rm -f /etc/hcpolicy/broker.conf && manager daemon-reload && manager start hcpolicyd.socket || return
	asks hcst-asked
	! wait "$pid" && grep 'there is no /etc/hcpolicy/broker.conf' "$work/vmm" || { cat "$work/vmm"; return 1; }
}
broker()
{
	echo 'user:1000 bitmap 64G 1' > /etc/hcpolicy/broker.conf && sleep 2
	rules '* * * -'
	gets && same hcpolicy.slice manager show -P Slice hcpolicyd && hcpolicy list | grep '^hcst-asked .* complete' && cleared
}
# Often enough for systemd to give up a service that ends each time.  Rules are read once a second at most.
wrong_rules()
{
	echo 'user:1000 bitmap' > /etc/hcpolicy/broker.conf && manager restart hcpolicyd || return
	for _ in 1 2 3 4 5 6 7; do
		asks hcst-asked
		! wait "$pid" && grep "the broker's rules are wrong" "$work/vmm" || { cat "$work/vmm"; return 1; }
	done
	manager is-active hcpolicyd && echo 'user:1000 bitmap 64G 1' > /etc/hcpolicy/broker.conf && sleep 2 &&
		gets && cleared && manager stop hcpolicyd.socket hcpolicyd
}

nothing_left() { hcpolicy list > /dev/null && [ -z "$(ls -A /sys/fs/bpf/hcpolicy)" ]; }

check "the rule, the unit, udev, the journal and a service manager are here" eval 'installs && begins'
check "without auto.conf nothing is started" no_file
check "without a rule in it nothing happens" no_rule
check "a VM that is started by hand gets its policy, and the journal says so" by_hand
check "one of a unit gets that of its control group, with its parameters" by_unit
check "one of a user gets that of the user" by_user
check "or of a group" by_group
check "one that no rule is for stays as it is, and the journal says why" not_meant
check "one that is to have none, too" none_wanted
check "a policy that is not there is named" no_policy
check "so is a line that is wrong" wrong_line
check "of a guest that has run already it says late" too_late
check "a VM that has ended is named" too_short
check "a VM that a thread has made is that of its process" by_thread
check "the next VM removes the name of one that has ended" clears
check "libvirt's hook attaches to a paused domain, which then runs" paused
check "it does nothing at other times" other_times
check "it fails if the policy cannot be attached, so the domain does not start" fails
check "a domain without a rule starts" not_ours
check "of a domain that runs already it says late" runs_already
check "a domain whose name no attachment can have is called by its process" names
check "so is one whose name another VM has" other_has_name
check "a domain that arrives awaits its restore" migrates_in
check "so does one whose rule has the word incoming" told_later
check "with the hook and the unit the first one counts, and both know the domain's name" both
check "what a set says of its process does not count" claimed
check "without debugfs it is not known which one the VM has" unknown
check "hcpolicyd's socket starts its unit, which attaches for no user without rules" no_rules
check "it sees the rules when they come, attaches by them, and clears up" broker
check "if its rules are wrong it refuses, and when they are mended it attaches again" wrong_rules
check "nothing is left" nothing_left
finish
