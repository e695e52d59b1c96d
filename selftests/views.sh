#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Guests make a known number of requests of each outcome, and whoever looks sees
# these numbers: by the ways that docs/kernel.md names.  Two VMs: the distribution's
# QEMU, and hcvm, which enables the exits and so can be overruled.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/qmp.sh
. "${BASH_SOURCE[0]%/*}/qmp.sh"
plan 15

qemu=hcst-views-qemu hcvm=hcst-views-hcvm
echo=$top/build/selftests/echo.bpf.o
debugfs=/sys/kernel/debug/kvm
tracing=/sys/kernel/tracing
python=(/usr/bin/python3 -IS)	# the distribution's, and nothing but its own modules

# What the guest of QEMU asks, by the rule of progs/echo.bpf.c ...
commands='loop 3 map 0x1001000 1 0 expect 0'
commands+=';loop 2 map 0x1000000 1 0x10 expect -1000'
commands+=';map 0x1002000 5 0 expect 0'
commands+=';loop 6 map 0xfff000 1 0x10 expect -1'
commands+=';loop 7 map 0x1003000 1 0 expect -1000'
commands+=';loop 8 map 0x1001000 1 0x20 expect -1000'
# ... and what comes of it: a bad verdict and a bad request are answered DEFAULT.
cat > "$work/qemu.want" <<'END'
bad_request 8
bad_verdict 7
default 17
handled 4
overruled 0
refused 6
retry 5
END
# The trace's lines, with how often they come.
verdict='kvm_hcpolicy_verdict: vcpu 0 source 0 gpa'
# want_trace PID
want_trace()
{
	cat <<END
1 kvm_hcpolicy_attach: vm $1 policy echo
3 $verdict 0x1001000 npages 1 attrs 0x0 flags 0x10 answer 1 verdict 1
2 $verdict 0x1000000 npages 1 attrs 0x10 flags 0x10 answer 0 verdict 0
5 $verdict 0x1002000 npages 5 attrs 0x0 flags 0x10 answer 2 verdict 2
1 $verdict 0x1002000 npages 5 attrs 0x0 flags 0x10 answer 1 verdict 1
6 $verdict 0xfff000 npages 1 attrs 0x10 flags 0x10 answer -1 verdict -1
7 $verdict 0x1003000 npages 1 attrs 0x0 flags 0x10 answer 3 verdict 0
1 kvm_hcpolicy_replace: vm $1 policy bitmap
1 kvm_hcpolicy_detach: vm $1 policy bitmap
END
}

# --- the ways to look: each prints lines NAME VALUE, sorted

show_text() { hcpolicy show "$1" | sed -n 's/^counter *//p' | sed 's/\(.*[^ ]\) \([^ ]\)/\1_\2/; s/ \+/ /' | sort; }

show_json()
{
	hcpolicy show "$1" -j | "${python[@]}" -c '
import json, sys
for name, value in sorted(json.load(sys.stdin)["counters"].items()):
    print(name, value)'
}

# In a folder of debugfs.
files() { grep . "$1"/hcpolicy_* | sed 's/.*hcpolicy_//; s/:/ /' | sort; }

# What QEMU says of vCPU $1.  It reads KVM_GET_STATS_FD, and lists vCPUs in any order.
query_stats()
{
	{ qmp query-cpus-fast && qmp query-stats '{ "target": "vcpu" }'; } | "${python[@]}" -c '
import json, sys
cpus, vcpus = (json.loads(line)["return"] for line in sys.stdin)
path = next(c["qom-path"] for c in cpus if c["cpu-index"] == int(sys.argv[1]))
stats = next(v["stats"] for v in vcpus if v["qom-path"] == path and v["provider"] == "kvm")
for s in sorted(stats, key=lambda s: s["name"]):
    if s["name"].startswith("hcpolicy_"):
        print(s["name"].removeprefix("hcpolicy_"), s["value"])' "$1"
}

# What QEMU knows of the counters themselves, as NAME TYPE.
query_schemas()
{
	qmp query-stats-schemas | "${python[@]}" -c '
import json, sys
for schema in json.load(sys.stdin)["return"]:
    if schema["provider"] == "kvm" and schema["target"] == "vcpu":
        for s in sorted(schema["stats"], key=lambda s: s["name"]):
            if s["name"].startswith("hcpolicy_"):
                print(s["name"].removeprefix("hcpolicy_"), s["type"])'
}

# --- the machines

start_qemu -smp 2 -serial "file:$work/serial" -kernel "$bin/hcguest.elf" -append "$commands" > /dev/null

watch_qemu()
{
	echo 1 > $tracing/events/kvm_hcpolicy/enable &&
		hcpolicy attach "$echo" --pid "$pid" --name $qemu && qmp cont
}
answered() { [ "$(grep -c '^ok ' "$work/serial")" = 6 ] || { cat "$work/serial"; return 1; }; }

# hcvm's guest waits for its commands on the console.
start_hcvm()
{
	mkfifo "$work/console" || return
	"$bin/hcvm" --guest "$bin/hcguest.elf" < "$work/console" > "$work/hcvm-says" 2>&1 &
	children+=($!)
	exec {console}> "$work/console"
	within 60 grep -q ready "$work/hcvm-says" &&
		hcpolicy attach "$echo" --pid $! --name $hcvm &&
		echo 'loop 9 map 0x1001000 1 0 expect 0' >&"$console" &&
		within 60 grep '^ok 0' "$work/hcvm-says"
}

# --- what they say

# agree VM VIEW COMMAND...: the view shows what the VM's guest has caused
agree()
{
	local of=$1 view=$2
	shift 2
	"$@" > "$work/$of.$view" && diff -u "$work/$of.want" "$work/$of.$view"
}

events()
{
	hcpolicy replace $qemu bitmap && hcpolicy detach $qemu &&
		echo 0 > $tracing/events/kvm_hcpolicy/enable || return
	grep -v '^#' $tracing/trace | sed 's/.* \(kvm_hcpolicy_\)/\1/' | uniq -c | sed 's/^ *//' \
		> "$work/trace"
	want_trace "$pid" | diff -u - "$work/trace"
}

# VM: one table of all that was seen.
table()
{
	local file header="expected"
	local -a files=()
	for file in "$work/$1".*; do
		[ "$file" = "$work/$1.want" ] || { files+=("$file"); header+=" ${file#"$work/$1".}"; }
	done
	awk -v header="$1 $header" '
	BEGIN { n = split(header, word); for (i = 1; i <= n; i++) printf "%s%-13s", i == 1 ? "# " : "", word[i]; print "" }
	{ if (!($1 in row)) names[++count] = $1; row[$1] = row[$1] sprintf("%-13s", $2) }
	END { for (i = 1; i <= count; i++) printf "# %-13s%s\n", names[i], row[names[i]] }
	' "$work/$1.want" "${files[@]}"
}

sed 's/ .*/ 0/' "$work/qemu.want" > "$work/idle.want"
sed 's/ .*/ cumulative/' "$work/qemu.want" > "$work/types.want"
sed 's/ .*/ 0/; s/^\(default\|overruled\) .*/\1 9/' "$work/qemu.want" > "$work/hcvm.want"

check "QEMU's guest runs with a policy that answers as it asks" watch_qemu
check "its guest has made all its requests" within 60 answered
check "hcpolicy show shows what they came to" agree qemu show show_text $qemu
check "hcpolicy show -j shows the same" agree qemu show-j show_json $qemu
check "debugfs shows the same for the VM" agree qemu debugfs files "$(echo $debugfs/"$pid"-*)"
check "QMP query-stats shows the same for the vCPU" agree qemu query-stats query_stats 0
check "and nothing for a vCPU that asked nothing" agree idle query-stats query_stats 1
check "QMP query-stats-schemas knows each as a counter" agree types schemas query_schemas
check "the tracepoints tell each event with its fields" events
table qemu
check "hcvm's guest has the policy's answers overruled" start_hcvm
check "hcpolicy show shows that" agree hcvm show show_text $hcvm
check "hcpolicy show -j shows that" agree hcvm show-j show_json $hcvm
check "debugfs shows that for the VM" agree hcvm debugfs files "$(echo $debugfs/$!-*)"
table hcvm
sum() { join "$work/qemu.want" "$work/hcvm.want" | awk '{ print $1, $2 + $3 }'; }
sum > "$work/all.want"
check "debugfs shows the sum for the machine" agree all debugfs files $debugfs
check "QEMU ends" eval "qmp quit && wait $pid"
finish
