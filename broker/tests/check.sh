#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# hcpolicyd --check: what it says of a file of rules, without a socket and without privileges.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/../../selftests/tap.sh"
plan 6

conf=$work/broker.conf
# By a user without privileges, who could load nothing.
as=()
[ "$(id -u)" != 0 ] || as=(setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs)
chmod 0755 "$work"
rules() { printf '%s\n' "$@" > "$conf" && chmod 0644 "$conf"; }
check_rules() { "${as[@]}" "$bin/hcpolicyd" --check --conf "$conf"; }
# wrong LINE TEXT: that line, and no other
wrong() { gives 1 "^hcpolicyd: $conf:$1: $2" check_rules && same "$1" sed "s,^hcpolicyd: $conf:\([0-9]*\):.*,\1," "$work/run"; }

right()
{
	rules '# who' 'user:0 bitmap 64G 4' 'group:0 quota 16G 20 window_start ceiling=4096 # and more' 'user:0 * 1T 1 *'
	same "$conf: 3 rules, none is wrong" check_rules && rules 'user:0 quota 1G 1 *' && same "$conf: 1 rule, none is wrong" check_rules &&
		rules '# none' && same "$conf: no rule, so nobody gets a policy" check_rules
}
policy()
{
	rules 'user:0 bitmap 1G 1' 'user:0 bitmapp 1G 1'
	wrong 2 "policy 'bitmapp': no bitmapp.bpf.o in HCPOLICY_PATH" && ! grep 'named with its folder' "$work/run"
}
parameters()
{
	rules 'user:0 quota 1G 1 ceilling' && wrong 1 "policy 'quota': it has no parameter 'ceilling'; it has: .*ceiling" &&
		rules 'user:0 quota 1G 1 ceilling=5' && wrong 1 "policy 'quota': it has no parameter 'ceilling'" &&
		rules 'user:0 quota 1G 1 ceiling=5x' && wrong 1 "policy 'quota': parameter 'ceiling': '5x' is not a number" &&
		rules 'user:0 quota 1G 1 refused_pages' && wrong 1 "policy 'quota': it has no parameter 'refused_pages'" &&
		rules 'user:0 bitmap 5000T 1' && wrong 1 "policy 'bitmap': "
}
each_line()
{
	rules 'user:0 bitmapp 1G 1' 'user:0 quota' 'user:0 quota 1G 1 a b=1'
	gives 1 "$conf:1: .*bitmapp" check_rules && same '1 2 3 3' eval "sed 's,^hcpolicyd: $conf:\([0-9]*\):.*,\1,' '$work/run' | xargs"
}
no_file()
{
	rm -f "$conf" && gives 1 "$conf: No such file" check_rules || return
	[ -e /etc/hcpolicy/broker.conf ] ||
		same 'there is no /etc/hcpolicy/broker.conf, so root may have any policy, and nobody else may have one' "$bin/hcpolicyd" --check
}
no_socket() { rules 'user:0 bitmap 1G 1' && gives 1 'no socket of type SOCK_SEQPACKET .*hcpolicyd.socket; without systemd: ENVIRONMENT in hcpolicyd\(8\)' "$bin/hcpolicyd" --conf "$conf"; }

check "rules that are right are counted" right
check "a policy that is not there is named, with the line" policy
check "so is a parameter that it does not have, and a value that it does not take" parameters
check "each line that is wrong is named" each_line
check "without a file it says who gets what" no_file
check "it needs no socket, which the broker does" no_socket
finish
