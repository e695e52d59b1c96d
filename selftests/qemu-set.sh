#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The set that QEMU with the object hcpolicy shows, by QMP, HMP and the hcpolicy command; what
# resets it, and what makes it incomplete.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/qmp.sh
. "${BASH_SOURCE[0]%/*}/qmp.sh"
# shellcheck source=selftests/hcp-qemu.sh
. "${BASH_SOURCE[0]%/*}/hcp-qemu.sh"
plan 39

starts() { hcguest '' "$@" && qmp cont && says '^hcguest: ready'; }
shares() { ask 'map 0x100000 16 0' && ask 'map 0x400000 1 0' && ask 'map 0x104000 2 0x10'; }
three='[{"gfn":256,"npages":4},{"gfn":262,"npages":10},{"gfn":1024,"npages":1}]'
shares_three() { shares && ranges "$three"; }
ranges() { same "$1" member ranges && complete; }
shown()
{
	qmp human-monitor-command '{ "command-line": "info shared-pages" }' > "$work/shown"
	cat "$work/shown"
	grep '15 pages are shared.*complete: yes.*0x0*100000 +4\\r.*0x0*106000 +10\\r.*0x0*400000 +1\\r' "$work/shown"
}

# SeaBIOS finds that it has run before, and resets the VM once more.
new_life() { says '^hcguest: ready' "$1" && ranges '[]'; }
resets() { qmp system_reset && event '"RESET"' && new_life 2; }
# Over its own code: a triple fault.
resets_itself() { tell 'fill 0x100000 0x10000 0' && event '"RESET"' && new_life 3; }
paused() { qmp stop && qmp system_reset && event '"RESET"' && ranges '[]'; }
shares_one() { ask 'map 0x200000 1 0' && ranges '[{"gfn":512,"npages":1}]'; }

for how in policy exits; do
	keeper=${!how} vm=$how
	check "a guest starts, its set kept by $how" starts
	check "it shares pages, and query-hcpolicy has them" shares_three
	check "info shared-pages shows them" shown
	check "after system_reset the set is empty, and complete" resets
	check "it has what the new guest shares, and that only" shares_one
	check "so it is after a reset that the guest makes" eval 'resets_itself && shares_one'
	check "and of a VM that is paused" paused
	check "QEMU ends" quits
done

# What ends the trust in a set: the event comes by itself.
incomplete() { event '"HCPOLICY_INCOMPLETE".*detached' && same false member complete; }
not_migrated() { gives 1 'set.*not complete: detached' migrate "exec:cat > $work/file" && runs; }
keeper=$policy vm=detached
check "a policy is detached: an event says that the set is not complete any more" \
	eval 'starts && shares_three && loses_policy && incomplete'
check "so the guest is not migrated, and goes on" not_migrated
check "QEMU ends" quits

# A policy from outside, which QEMU takes over: the hcpolicy command shows the same set.
name=hcst-qemu-set
keeper=$exits vm=adopted
monitor=(-qmp "unix:$work/adopt,server=on,wait=off")
attaches() { hcpolicy attach bitmap --pid "${pids[$vm]}" --name "$name" --max-gpa 64G; }
attached() { hcguest '' "${monitor[@]}" && attaches; }
adopts()
{
	/usr/bin/python3 -IS - "$work/adopt" "/sys/fs/bpf/hcpolicy/$name" <<'END'
import ctypes, json, socket, struct, sys
def get(pin):
    path = ctypes.create_string_buffer(pin.encode())
    attr = struct.pack("QII", ctypes.addressof(path), 0, 0)
    fd = ctypes.CDLL(None, use_errno=True).syscall(321, 7, attr, len(attr))	# BPF_OBJ_GET
    assert fd >= 0, ctypes.get_errno()
    return fd
monitor = socket.socket(socket.AF_UNIX)
monitor.connect(sys.argv[1])
lines = monitor.makefile()
def qmp(command, fds=(), **arguments):
    text = json.dumps({"execute": command, "arguments": arguments}).encode()
    socket.send_fds(monitor, [text], fds)
    for line in lines:
        answer = json.loads(line)
        if "error" in answer:
            sys.exit(answer["error"]["desc"])
        if "return" in answer:
            return
lines.readline()
qmp("qmp_capabilities")
for fd, pin in ("link", "link"), ("shared", "hcp_shared"), ("info", "hcp_info"):
    qmp("getfd", [get(f"{sys.argv[2]}/{pin}")], fdname=fd)
qmp("hcpolicy-adopt", **{"link-fd": "link", "shared-fd": "shared", "info-fd": "info"})
END
}
runs_adopted() { qmp cont && says '^hcguest: ready' && same '"adopted"' member policy; }
shares_named() { shares_three && same "$three" hcpolicy ranges "$name" -j; }
check "a policy is attached from outside" attached
check "QEMU adopts it" adopts
check "and the guest starts" runs_adopted
check "QEMU and the hcpolicy command show the same set" shares_named
shares_many()
{
	ask 'random 7 4000 0x1000000' && hcpolicy ranges "$name" -j > "$work/many" &&
		[ "$(grep -o gfn "$work/many" | wc -l)" -gt 1000 ] &&
		member ranges > "$work/members" && cmp "$work/members" "$work/many" &&
		qmp human-monitor-command '{ "command-line": "info shared-pages" }' | grep 'There are more'
}
check "and so they do if it does not fit into one answer" shares_many
# An adopted policy is the host's, not QEMU's.
check "after system_reset both are empty" eval "resets && same '[]' hcpolicy ranges $name -j"
check "the policy is detached, and an event says that the set is not complete any more" \
	eval "hcpolicy detach $name && incomplete"
check "QEMU ends" quits

# A policy that comes later: it starts with what QEMU knows.
vm=later
stopped() { starts "${monitor[@]}" && shares_three && qmp stop && attaches; }
adopts_three() { adopts && ranges "$three"; }
goes_on()
{
	qmp cont && ask 'map 0x200000 1 0' &&
		ranges '[{"gfn":256,"npages":4},{"gfn":262,"npages":10},{"gfn":512,"npages":1},{"gfn":1024,"npages":1}]'
}
# The guest ran without a policy, so there may be requests that nobody has.
adopts_next()
{
	hcpolicy detach "$name" && event '"HCPOLICY_INCOMPLETE"' && qmp stop && attaches &&
		adopts && same 16 member shared && same false member complete
}
adopts_third() { gives 1 'keeps the set of shared pages already' adopts; }
check "a policy is attached to a stopped VM that has shared pages" stopped
check "QEMU adopts it, and the pages are in its set" adopts_three
check "the guest goes on, and shares more" goes_on
check "after a detach QEMU adopts another policy, and the set is not complete" adopts_next
check "while that is attached, it adopts no third one" adopts_third
check "after system_reset the set is empty, and complete" paused
check "QEMU ends" quits

# S3 stops the vCPUs, and QEMU calls that neither running nor stopped.
name=hcst-qemu-asleep vm=asleep
# SLP_TYP 1, SLP_EN into PM1a_CNT
sleeps()
{
	shares && qmp human-monitor-command '{ "command-line": "o /h 0x604 0x2400" }' &&
		event '"SUSPEND"'
}
adopts_none()
{
	gives 1 'while the VM is stopped' adopts && same "$three" hcpolicy ranges "$name" -j
}
attaches_late()
{
	starts "${monitor[@]}" && hcpolicy attach bitmap --pid "${pids[$vm]}" --name "$name" \
		--max-gpa 64G --take-exits
}
check "a policy is attached to a VM that runs" attaches_late
check "the guest shares pages, which QEMU does not see, and enters S3" eval 'sleeps && ranges "[]"'
check "QEMU adopts no policy then" adopts_none
check "QEMU ends" quits

# A machine that has memory and no processor
vm=none
qemu_program=("$HCP_QEMU" -accel kvm -m 64)
no_machine() { start_qemu -machine none -object hcpolicy,id=set && complete && quits; }
check "a machine without processors has an empty set" no_machine
finish
