# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# hcpolicyd as its unit starts it, and users without privileges, for tests.  Source it after tap.sh.
# shellcheck disable=SC2034,SC2154	# as is for who sources this; work, bin and top are tap.sh's

if ! command -v systemd-socket-activate > /dev/null; then
	plan 1
	skip "no systemd-socket-activate: install systemd" "hcpolicyd as its unit starts it"
	finish
fi

socket=/run/hcst-broker
umask 0		# what a test makes is for these users, too
chmod 0777 "$work"
chmod 0666 /dev/kvm

# broker_starts RULE...: in place of the unit: its capability alone, and a /proc with processes only.
broker_starts()
{
	local conf=/run/hcst-broker.conf
	printf '%s\n' "$@" > $conf && chmod 0644 $conf
	unshare --mount bash -c "mount -t proc -o subset=pid proc /proc &&
		exec setpriv --bounding-set=-all,+sys_admin --no-new-privs systemd-socket-activate --seqpacket \
			--listen=$socket -E HCPOLICY_PATH -- '$bin/hcpolicyd' --conf $conf" > "$work/broker" 2>&1 &
	children+=("$!")
	within 60 grep "Listening on" "$work/broker" && chmod 0666 $socket
}

# as_user ID: a command behind "${as[@]}" runs as this user, and the kernel kills it if it calls bpf(2).
as_user() { as=(setpriv "--reuid=$1" "--regid=$1" --clear-groups "$top/build/selftests/without_bpf"); }

no_name() { [ -z "$(ls -A /sys/fs/bpf/hcpolicy)" ]; }
