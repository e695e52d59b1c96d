#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The hook for libvirt, called by libvirt itself: libvirtd and virsh of a Debian start its QEMU, as they do on a host.
# What is tested is the package hcpolicy as it is installed.  scripts/check-libvirt makes the machine for it.
#
# This machine's first process is no systemd.  So libvirt makes the domains' control groups itself.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
if [ "$(</proc/self/cgroup)" != 0::/vm-run ] || ! [ -x /usr/sbin/libvirtd ]; then
	plan 1
	skip "only for a machine of scripts/check-libvirt: it takes over libvirt and /etc" "libvirt's domains get what auto.conf says"
	finish
fi
plan 23

conf=/etc/hcpolicy/auto.conf
hooks=/etc/libvirt/hooks/qemu.d
qemu=/usr/bin/qemu-system-x86_64
images=/var/lib/libvirt/images
name=hcst-web1 uuid=2f1c4c5e-6f0b-4c55-9d0e-3a4c5b6d7e8f
export PATH=/usr/sbin:/sbin:$PATH LC_ALL=C
unset HCPOLICY_PATH
hcpolicy() { command hcpolicy "$@"; }

# --- the machine

background() { "$@" > "$work/$(basename "$1")" 2>&1 & children+=("$!"); }
# Ours is installed beside that of the kernel.  udev would give /dev/kvm to its group.
loads() { modprobe kvm_amd && hcpolicy probe && chown root:kvm /dev/kvm && chmod 0660 /dev/kvm; }
# The journal without systemd, as in auto.sh.
journal()
{
	mkdir -p /run/systemd/journal /run/log/journal && ln -sf /run/systemd/journal/dev-log /dev/log &&
		background /usr/lib/systemd/systemd-journald && within 60 [ -S /run/systemd/journal/stdout ]
}
# As Debian's apparmor.service does for libvirt: each domain gets a profile of its own.
confines()
{
	mount -t securityfs securityfs /sys/kernel/security &&
		apparmor_parser -r /etc/apparmor.d/usr.sbin.libvirtd /etc/apparmor.d/usr.lib.libvirt.virt-aa-helper
}
# As docs/operating.md tells.
installs() { install -D -m 755 /usr/share/doc/hcpolicy/examples/libvirt/qemu $hooks/hcpolicy && mkdir -p /etc/hcpolicy && cp "$bin/hcguest.elf" $images; }
starts_libvirtd() { background libvirtd && within 300 virsh list; }
begins() { loads && confines && journal && installs && background virtlogd && starts_libvirtd || { tail -n 50 "$work"/{virtlogd,libvirtd}; return 1; }; }

# --- domains

virsh() { command virsh -q -c qemu:///system "$@" < /dev/null; }
mark() { journalctl --no-pager -n 0 --show-cursor | sed -n 's/^-- cursor: //p' > "$work/cursor"; }
since() { journalctl --no-pager --after-cursor="$(<"$work/cursor")"; }
said() { since | sed -n 's/^.* hcpolicy\(\[[0-9]*\]\)\?: //p'; }
heard() { said | grep -E -e "$1"; }
# says PATTERN: a line of the hook
says() { within 60 heard "$1" || { since; return 1; }; }
rules() { printf '%s\n' "$@" > $conf; }
pages='[{"gfn":256,"npages":16}]'

# domain EMULATOR [XML]: defines it; its guest shares pages
domain()
{
	mark
	rm -f $images/serial
	cat > "$work/xml" <<-END
		<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
		<name>$name</name><uuid>$uuid</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu>
		<os><type arch='x86_64' machine='pc'>hvm</type><kernel>$images/hcguest.elf</kernel><cmdline>share 0x100000 16 expect 0</cmdline></os>
		<devices>
		<emulator>$1</emulator>
		<controller type='usb' model='none'/><memballoon model='none'/>
		<serial type='file'><source path='$images/serial'/></serial>
		</devices>
		${2-}
		</domain>
	END
	virsh define "$work/xml"
}
finds() { pid=$(cat /run/libvirt/qemu/$name.pid) && [ -n "$pid" ]; }
starts() { virsh start "$@" $name && finds; }
attached() { says "^$name: policy 'bitmap' is attached to process $pid \(qemu-system-x86\) by $conf:1, covers [0-9]+ GiB of guest addresses: the set is $1\$"; }
state() { hcpolicy show $name | grep -xE "state +$1"; }
shared() { same "${1-$pages}" hcpolicy ranges $name -j; }
no_qemu() { ! pgrep_qemu && [ "$(virsh domstate $name)" = 'shut off' ]; }
# By the program, as a name says little.
pgrep_qemu() { readlink /proc/[0-9]*/exe | grep qemu; }
destroys() { virsh destroy $name && within 60 no_qemu; }
gone() { hcpolicy list > /dev/null && [ -z "$(ls -A /sys/fs/bpf/hcpolicy)" ]; }
# It has asked for its pages: without a policy the answer is no.
has_said() { grep -E '^(ok 0|FAIL)' $images/serial; }

paused()
{
	rules "user:libvirt-qemu /machine* qemu-system-x86_64 bitmap 2G"
	domain $qemu && starts --paused && attached complete && [ "$(virsh domstate $name)" = paused ] && shared '[]'
}
unprivileged()
{
	local id
	cat "/proc/$pid/status" "/proc/$pid/cgroup"
	id=$(id -u libvirt-qemu) && grep -qxE "Uid:(	$id){4}" "/proc/$pid/status" &&
		[ "$(grep -cxE 'Cap(Eff|Prm|Inh|Amb):	0+' "/proc/$pid/status")" = 4 ]
}
confined() { grep -qx "libvirt-$uuid (enforce)" "/proc/$pid/attr/current"; }
sandboxed() { unprivileged && confined && grep -qx 'Seccomp:	2' "/proc/$pid/status"; }
resumes() { virsh resume $name && within 300 shared && state complete; }
libvirtd_again()
{
	local old
	old=$(cat /run/libvirtd.pid) && kill "$old" && within 60 [ ! -e "/proc/$old" ] && starts_libvirtd &&
		[ "$(virsh domstate $name)" = running ] && shared && state complete
}
ends() { destroys && [ -d /sys/fs/bpf/hcpolicy/$name ] && ! hcpolicy list | grep $name && gone; }
no_policy()
{
	rules '* * * nosuch 2G'
	domain $qemu && gives 1 "policy 'nosuch': no nosuch.bpf.o" virsh start --paused $name &&
		grep "gets no policy, but should have 'nosuch' by $conf:1" "$work/run" && no_qemu && says "gets no policy, but should have 'nosuch'" && gone
}
wrong_line() { rules '* * bitmap'; gives 1 "$conf:1: the rule ends too early and has no policy" virsh start --paused $name && no_qemu && gone; }
no_rule()
{
	rules 'user:nobody * * bitmap 2G'
	domain $qemu && starts --paused && says "^process $pid \(qemu-system-x86\) gets no policy: no rule of $conf is for user $(id -u libvirt-qemu), " &&
		[ "$(virsh domstate $name)" = paused ] && gone && destroys
}
no_file() { rm $conf; domain $qemu && starts --paused && says "^process [0-9]+ .* gets no policy, as there is no $conf\$" && gone && destroys; }
# Which of the two is faster is not ours to say, but what is said has to be so.
at_once()
{
	rules '* * qemu* bitmap 2G'
	domain $qemu && starts && says "^$name: .*: the set is (complete|not complete: attached or restored late)\$" && within 300 has_said || return
	if state complete; then
		attached complete && within 300 shared
	else
		attached 'not complete: attached or restored late' && state 'not complete: attached or restored late'
	fi && destroys
}
# A hook that is called before ours keeps it waiting until the guest has shared its pages.
slow()
{
	cat > $hooks/before <<-END
		#!/bin/sh
		[ "\$2 \$3" != 'started begin' ] || timeout 300 sh -c 'until grep -qE "^(ok 0|FAIL)" $images/serial; do sleep 0.2; done'
	END
	chmod 755 $hooks/before
	domain $qemu && starts && attached 'not complete: attached or restored late' && state 'not complete: attached or restored late' && shared '[]' &&
		rm $hooks/before && destroys
}
saves()
{
	rules '* * qemu* bitmap 2G'
	domain $qemu && starts --paused && attached complete && resumes && virsh suspend $name && kill -STOP "$pid" &&
		hcpolicy save $name "$work/set" && kill -CONT "$pid" && virsh save $name $images/saved && within 60 no_qemu && gone
}
restores() { mark; virsh restore --paused $images/saved && finds && attached 'not complete: awaits a restore' && shared '[]'; }
# As a host's shutdown leaves it: the next start is no start of the guest.
managed()
{
	virsh managedsave $name && within 60 no_qemu && mark && starts --paused && attached 'not complete: awaits a restore'
}
set_comes() { kill -STOP "$pid" && hcpolicy restore $name "$work/set" --with-its-guest && kill -CONT "$pid" && virsh resume $name && shared && state complete; }
# By the recipe of docs/operating.md.
resets()
{
	virsh suspend $name && virsh reset $name && kill -STOP "$pid" && hcpolicy reset $name && kill -CONT "$pid" && shared '[]' &&
		virsh resume $name && within 300 shared && state complete
}

# --- QEMU asks the broker

object=policy=bitmap,broker=/run/hcpolicy/broker
# In the place of Debian's, as a package would bring it: AppArmor knows QEMU by its path.
patched() { cp "${HCP_QEMU%/*}/program" $qemu; }
# broker RULE: the socket as its unit makes it.  hcpolicyd reads its rules when it starts.
broker()
{
	local socket=/run/hcpolicy/broker
	echo "$1" > /etc/hcpolicy/broker.conf && mkdir -p /run/hcpolicy && rm -f $socket || return
	[ -z "${broker-}" ] || { kill "$broker"; wait "$broker"; } 2> /dev/null
	background systemd-socket-activate --seqpacket --listen=$socket /usr/sbin/hcpolicyd
	broker=$!
	within 60 [ -S $socket ] && chown root:kvm $socket && chmod 0660 $socket
}
asks() { domain $qemu "<qemu:commandline><qemu:arg value='-object'/><qemu:arg value='hcpolicy,id=set,$object'/>
	<qemu:arg value='-cpu'/><qemu:arg value='host,+kvm-hc-map-gpa-range,+kvm-migration-control'/></qemu:commandline>"; }
refused()
{
	patched && broker 'user:nobody bitmap 4G 1' && asks && gives 1 'hcpolicy: no rule of .* allows user' virsh start $name && no_qemu && gone
}
# libvirt's profile for a QEMU does not let it read what it has open.
forbidden()
{
	broker 'user:libvirt-qemu bitmap 4G 1' && asks && gives 1 'Permission denied.*: AppArmor, or .* has to allow that' virsh start $name && no_qemu && within 60 gone
}
# By the line of docs/qemu.md.
allows()
{
	local rules=/etc/apparmor.d/local/abstractions/libvirt-qemu
	mkdir -p "${rules%/*}" && echo 'owner @{PROC}/@{pid}/task/@{tid}/fdinfo/* r,' >> $rules
}
# Nobody has to wait: QEMU runs its guest when it has its policy.
asked()
{
	rules '* * * bitmap 2G'
	allows && asks && starts && within 300 same "$pages" hcpolicy ranges "$pid" -j && hcpolicy show "$pid" | grep -xE 'state +complete' &&
		says "^process $pid .* has policy 'bitmap' already, as $pid: the set is complete\$"
}
# QEMU itself may call no bpf(2).
without_bpf() { unprivileged && confined && ! readlink "/proc/$pid/fd/"* | grep bpf-prog; }

check "libvirt is here, with the hook that the package has" begins
check "a domain that is started paused gets its policy by libvirt's call of the hook" paused
check "its QEMU is as libvirt makes it: with a user of its own, without privileges, confined by AppArmor" sandboxed
check "resumed, it shares pages, and the set has them" resumes
check "a restart of libvirtd changes nothing of that" libvirtd_again
check "after virsh destroy the next use removes the name" ends
check "a policy that is not there: virsh start fails with the reason, and no QEMU is left" no_policy
check "so does a rule that is wrong" wrong_line
check "a domain without a rule starts" no_rule
check "so does one on a host without rules" no_file
check "of a domain that is not started paused the hook says if it was in time" at_once
check "one that has shared pages before is late" slow
check "a domain is saved, and its set" saves
check "restored, it awaits its set" restores
check "so does one that was started again after a managed save" managed
check "the set comes back, and is complete" set_comes
check "after a reset by virsh, which is reported, it has what the guest shares from then on" resets
check "after its end nothing is left" eval 'destroys && gone'
if [ -n "${HCP_QEMU-}" ]; then
	check "a QEMU that asks hcpolicyd, and has no rule there, does not start, and virsh says why" refused
	check "with a rule of the broker, but not of AppArmor, it does not start either" forbidden
	check "with both it gets its policy before its guest runs, and the hook says that it has one" asked
	check "it has no privileges either, and is confined" without_bpf
	check "after its end nothing is left of it" eval 'destroys && within 60 gone'
else
	skip "no HCP_QEMU" "a QEMU that asks hcpolicyd, and has no rule there, does not start, and virsh says why" \
		"with a rule of the broker, but not of AppArmor, it does not start either" \
		"with both it gets its policy before its guest runs, and the hook says that it has one" "it has no privileges either, and is confined" \
		"after its end nothing is left of it"
fi
finish
