# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# TAP for the tests that are scripts, of all folders.  Source it, say plan N, give
# each test to check, end with finish.  What was printed where a test failed is shown.

top=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd -P)
# shellcheck disable=SC2034	# for those who source this
bin=$top/build/bin
export HCPOLICY_PATH=$top/build/bpf
work=$(mktemp -d) || exit 1
children=()
trap 'kill "${children[@]}" 2>/dev/null || :; rm -rf "$work"' EXIT

number=0 failed=0 skipped=0

hcpolicy() { "$bin/hcpolicy" "$@"; }

plan() { echo TAP version 13; echo "1..$1"; }

# check NAME COMMAND...: does the command succeed?
check()
{
	local title=$1
	shift
	number=$((number + 1))
	if "$@" > "$work/output" 2>&1; then
		echo "ok $number $title"
	else
		echo "# status $? of: $*"
		sed 's/^/# /' "$work/output"
		echo "not ok $number $title"
		failed=$((failed + 1))
	fi
}

# skip WHY NAME...: they cannot be tried here.
skip()
{
	local why=$1 title
	shift
	for title; do
		number=$((number + 1)) skipped=$((skipped + 1))
		echo "ok $number $title # SKIP $why"
	done
}

# gives STATUS PATTERN COMMAND...: does it end so, and match what it prints (both streams) the
# extended regular expression?  That stays in $work/run.
gives()
{
	local want=$1 pattern=$2 status=0
	shift 2
	"$@" > "$work/run" 2>&1 < /dev/null || status=$?
	[ "$status" = "$want" ] && grep -qE -e "$pattern" "$work/run" && return
	echo "status $status, not $want, or no '$pattern' in:"
	cat "$work/run"
	return 1
}

# within SECONDS COMMAND...: does it, again and again, succeed in that time?
# HCP_PATIENCE=N in the environment: N times that, as the kernel is so much slower.
patience=${HCP_PATIENCE:-1}
within()
{
	local end=$((SECONDS + $1 * patience))
	shift
	until "$@" > /dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || { "$@"; return; }
		sleep 0.2
	done
}

# same TEXT COMMAND...: does it print exactly that?
same()
{
	local want=$1 got
	shift
	got=$("$@")
	[ "$got" = "$want" ] || { printf 'got  %s\nwant %s\n' "$got" "$want"; return 1; }
}

# end_link NAME: as any holder of a descriptor can; the set is not told, and the process lives on.
end_link()
{
	/usr/bin/python3 -IS - "/sys/fs/bpf/hcpolicy/$1/link" <<'END'
import ctypes, struct, sys
def bpf(cmd, attr):
    n = ctypes.CDLL(None, use_errno=True).syscall(321, cmd, attr, len(attr))
    assert n >= 0, ctypes.get_errno()
    return n
path = ctypes.create_string_buffer(sys.argv[1].encode())
link = bpf(7, struct.pack("QII", ctypes.addressof(path), 0, 0))	# BPF_OBJ_GET
bpf(34, struct.pack("I", link))					# BPF_LINK_DETACH
END
}

# write_info NAME OFFSET FORMAT NUMBER: into hcp_info, as whoever has that map can; FORMAT as Python's struct has it
write_info()
{
	/usr/bin/python3 -IS - "/sys/fs/bpf/hcpolicy/$1/hcp_info" "${@:2}" <<'END'
import ctypes, mmap, struct, sys
path = ctypes.create_string_buffer(sys.argv[1].encode())
attr = struct.pack("QII", ctypes.addressof(path), 0, 0)
fd = ctypes.CDLL(None, use_errno=True).syscall(321, 7, attr, len(attr))	# BPF_OBJ_GET
assert fd >= 0, ctypes.get_errno()
struct.pack_into(sys.argv[3], mmap.mmap(fd, 4096), int(sys.argv[2]), int(sys.argv[4]))
END
}

finish()
{
	echo "$((number - failed - skipped)) passed, $failed failed, $skipped skipped"
	exit $((failed != 0))
}
