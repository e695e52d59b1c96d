#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# hcpolicy metrics: its numbers are those that show prints, Prometheus's own tool accepts them, and what is wrong
# with one attachment spoils nothing for the others.  And docs/grafana-dashboard.json and docs/prometheus-rules.yml ask
# for what is there.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
# shellcheck source=selftests/asked.sh
. "${BASH_SOURCE[0]%/*}/asked.sh"
plan 20

name=hcst-metrics
answers=$work/vm
pins=/sys/fs/bpf/hcpolicy
promtool=$("$top/scripts/promtool") || exit

# metrics [STATUS [OPTION]...]: into $work/metrics; Prometheus reads it and finds nothing to say.
metrics()
{
	local status=0
	hcpolicy metrics "${@:2}" > "$work/metrics" 2> "$work/why" || status=$?
	[ "$status" = "${1:-0}" ] && accepted "$work/metrics" && return
	echo "status $status"
	cat "$work/metrics" "$work/why"
	return 1
}
accepted() { gives 0 '^$' sh -c "'$promtool' check metrics < '$1' && echo"; }
# is METRIC LABELS VALUE: the sample is there, once
is() { [ "$(grep -cxF "hcpolicy_$1{$2} $3" "$work/metrics")" = 1 ] || { echo "no $1{$2} $3:"; cat "$work/metrics"; return 1; }; }
of() { is "$1" "name=\"$name\"" "$2"; }

has_no() { ! grep "^hcpolicy_$1" "$work/metrics"; }

# list forgets the names of VMs that other tests have left.
none()
{
	hcpolicy list 2> /dev/null
	metrics && vms=$(vms) && same $'hcpolicy_up 1\nhcpolicy_vms '"$vms" grep -v '^#' "$work/metrics"
}
vms() { sed -n 's/^hcpolicy_vms //p' "$work/metrics"; }
attached()
{
	starts && hcpolicy attach quota --take-exits --pid "$pid" --name $name --label 'a "b" \c' && ask 'map 0x100000 16 0' &&
		ask 'map 0x101000 3 0x10' && metrics && same 'hcpolicy_up 1' grep '^hcpolicy_up' "$work/metrics" &&
		cp "$work/metrics" "$work/all"
}
as_shown()
{
	hcpolicy show $name -j > "$work/show" && /usr/bin/python3 -IS - "$work/show" "$work/metrics" <<'END'
import calendar, json, re, sys, time
shown, text = json.load(open(sys.argv[1])), open(sys.argv[2]).read()
samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
def value(metric, labels=""):
    return int(samples['hcpolicy_%s{name="%s"%s}' % (metric, shown["name"], labels)])
assert value("shared_pages") == shown["shared_pages"] == 13, text
assert value("set_complete") == shown["complete"], text
assert value("missed_pages_total") == shown["missed"] and value("beyond_pages_total") == shown["beyond"], text
for verdict in "handled", "default", "retry", "refused":
    assert value("requests_total", ',verdict="%s"' % verdict) == shown["counters"][verdict], text
for metric, counter in ("overruled", "overruled"), ("bad_verdicts", "bad_verdict"), ("bad_requests", "bad_request"):
    assert value(metric + "_total") == shown["counters"][counter], text
assert value("requests_total", ',verdict="handled"') == 2, text
assert value("reach_bytes") == shown["reach"] > 0, text
assert value("memory_bytes") > shown["memory"], text	# the set is the largest map
assert value("attached_timestamp_seconds") == calendar.timegm(time.strptime(shown["attached_at"], "%Y-%m-%dT%H:%M:%SZ")), text
END
}
says_who() { is attachment_info "name=\"$name\",policy=\"quota\",label=\"a \\\"b\\\" \\\\c\",pid=\"$pid\"" 1; }
says_why()
{
	of set_complete 0 && is set_incomplete "name=\"$name\",reason=\"late\"" 1 &&
		is set_incomplete "name=\"$name\",reason=\"missed\"" 0
}

# vm_by COMMAND NAME [OPTION]...: one that has not run yet; its process in $vm
vm_by()
{
	"$1" --guest "$bin/hcguest.elf" --mem 16M --incoming "unix:$work/$2" "${@:3}" < /dev/null > "$work/$2.said" 2>&1 &
	vm=$!
	children+=("$vm")
	within 60 [ -S "$work/$2" ] || { cat "$work/$2.said"; return 1; }
}
vm() { vm_by "$bin/hcvm" "$@"; }

conf=$work/auto.conf
# by_rules STATUS RULE...
by_rules() { printf '%s\n' "${@:2}" > "$conf" && metrics "$1" --conf "$conf"; }
# without PID COMM POLICY LINE: it has none, and should have that
without() { grep -xE "hcpolicy_vm_unattached\{vm=\"$1-[0-9]+\",pid=\"$1\",comm=\"$2\",policy=\"$3\",rule=\"$conf:$4\"\} 1" "$work/metrics"; }
# The others have one, or no rule: that of the runner too.
unattached()
{
	cp "$bin/hcvm" "$work/a\"b" && metrics && has_no auto_up && has_no vms_unknown && vms=$(vms) && vm_by "$work/a\"b" bare &&
		by_rules 0 '# nothing' '* * hold -' '* * a?b quota 1G' '* * hcvm bitmap 1G' && same $((vms + 1)) vms &&
		same 'hcpolicy_auto_up 1' grep ^hcpolicy_auto_up "$work/metrics" && same 'hcpolicy_vms_unknown 0' grep ^hcpolicy_vms_unk "$work/metrics" &&
		without "$vm" 'a\\"b' quota 3 && same 1 grep -c ^hcpolicy_vm_una "$work/metrics" || return
	cp "$work/metrics" "$work/all-vms"
	by_rules 0 '* * hold -' '* * * -' && has_no vm_unattached && by_rules 0 '* /nowhere * bitmap 1G' && has_no vm_unattached &&
		hcpolicy attach quota --pid "$vm" --name hcst-other && by_rules 0 '* * a?b quota 1G' && has_no vm_unattached &&
		hcpolicy detach hcst-other && metrics 0 --conf "$conf" && without "$vm" 'a\\"b' quota 1 || return
	{ kill -KILL "$vm" && wait "$vm"; } 2> /dev/null
	within 60 eval "metrics 0 --conf '$conf' && has_no vm_unattached && same '$vms' vms"
}
wrong_rules()
{
	by_rules 1 '* * * bitmap 1G' '* * bitmap' && same 'hcpolicy_auto_up 0' grep ^hcpolicy_auto_up "$work/metrics" && has_no vm_unattached &&
		grep "$conf:2: " "$work/why" && of attachment_up 1 && gives 1 'No such file' hcpolicy metrics --conf "$work/none"
}
# The thread that made it has ended.
unknown()
{
	local pid
	/usr/bin/python3 -IS -c 'import fcntl, os, threading, time
made = threading.Thread(target=lambda: fcntl.ioctl(os.open("/dev/kvm", os.O_RDWR), 0xae01, 0))
made.start(); made.join(); print("made", flush=True); time.sleep(600)' > "$work/thread" 2>&1 &
	pid=$!
	children+=("$pid")
	within 60 grep made "$work/thread" && by_rules 0 '* * hold -' '* * python* bitmap 1G' && has_no vm_unattached &&
		same 'hcpolicy_vms_unknown 1' grep ^hcpolicy_vms_unk "$work/metrics" && { kill "$pid"; wait "$pid"; true; } 2> /dev/null
}
# One who may not look must not find that all is well.
may_not_look()
{
	chmod 0666 /dev/kvm
	setpriv --reuid=1000 --regid=1000 --clear-groups "$bin/hcvm" --guest "$bin/hcguest.elf" --mem 16M < /dev/null > "$work/seen" 2>&1 &
	vm=$!
	children+=("$vm")
	within 60 eval "readlink /proc/$vm/fd/* | grep kvm-vm" || { cat "$work/seen"; return 1; }
	printf '%s\n' '* * hold -' '* * hcvm bitmap 1G' > "$conf"
	for caps in '' ,+sys_ptrace ,+dac_read_search; do
		setpriv --inh-caps=-all --bounding-set=-all,+sys_admin$caps "$bin/hcpolicy" metrics --conf "$conf" > "$work/metrics" 2> "$work/why" &&
			same 'hcpolicy_auto_up 0' grep ^hcpolicy_auto_up "$work/metrics" && has_no vms_unknown &&
			grep 'run as root, with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH' "$work/why" || { cat "$work/metrics" "$work/why"; return 1; }
	done
	metrics 0 --conf "$conf" && without "$vm" hcvm bitmap 2
}
# A VM that keeps its policy to itself.
unnamed()
{
	vm two --policy bitmap && metrics && id=$(hcpolicy list --all -j | grep -o '"link_id":[0-9]*,"pinned":false' | tr -dc 0-9) &&
		is set_incomplete "name=\"link:$id\",reason=\"awaits_restore\"" 1 && of attachment_up 1
}
unreadable()
{
	mkdir $pins/hcst-broken && metrics 1 && is attachment_up 'name="hcst-broken"' 0 && of shared_pages 13 &&
		! grep -q 'complete{name="hcst-broken"' "$work/metrics" && rmdir $pins/hcst-broken && metrics
}
# At 216 is the label, where this puts the end of a line.
label_begins() { write_info "$name" 216 =B "$1"; }
hostile()
{
	label_begins 10 && metrics 1 && of attachment_up 0 && is attachment_up "name=\"link:$id\"" 1 && label_begins 97 && metrics
}
no_counters()
{
	mount -t tmpfs tmpfs /sys/kernel/debug && metrics && of counters_up 0 && of shared_pages 13 &&
		! grep -q '^hcpolicy_requests_total' "$work/metrics" && grep 'no counters' "$work/why" && has_no vms && has_no auto_up &&
		by_rules 0 '* * * bitmap 1G' && same 'hcpolicy_auto_up 0' grep ^hcpolicy_auto_up "$work/metrics" && has_no vm &&
		grep "warning: $conf: whether each VM has its policy" "$work/why" && umount /sys/kernel/debug
}
to_a_file()
{
	local file=$work/folder/hcpolicy.prom inode
	mkdir "$work/folder" && hcpolicy metrics "$file" && accepted "$file" && same 644 stat -c %a "$file" || return
	inode=$(stat -c %i "$file")
	hcpolicy metrics "$file" && [ "$(stat -c %i "$file")" != "$inode" ] && same hcpolicy.prom ls -A "$work/folder" &&
		gives 1 "cannot be written" hcpolicy metrics "$work/nowhere/file"
}
# Attachments that come and go, while the metrics are read.
storm()
{
	local i
	vm three || return
	while :; do
		hcpolicy attach bitmap --pid "$vm" --name hcst-other && hcpolicy detach hcst-other
		sleep 0.2	# so that others get the lock of the names too
	done > "$work/storm" 2>&1 &
	children+=($!)
	within 60 grep -q detached "$work/storm" || { cat "$work/storm"; return 1; }
	for ((i = 0; i < 5; i++)); do
		metrics && of shared_pages 13 || return
	done
	kill "${children[-1]}"
}
# The one that removes the name says nothing of it, not even that its policy has ended.
gone()
{
	{ kill "$pid"; wait "$pid"; } 2> /dev/null
	while [ -e $pins/$name ]; do
		metrics && ! grep "name=\"$name\",reason=\"detached\"} 1" "$work/metrics" || return
	done
	! grep "$name" "$work/metrics" && metrics && ! grep "$name" "$work/metrics"
}

# asks_for FILE LEAST: it has so many expressions, which $work/exprs.yml has as rules, and asks for metrics that there are
asks_for()
{
	cat "$work/all" "$work/all-vms" > "$work/there" && /usr/bin/python3 -IS - "$1" "$2" "$work/there" > "$work/exprs.yml" <<'END'
import json, re, sys
text = re.sub(r"^\s*#.*", "", open(sys.argv[1]).read(), flags=re.M)
there = set(re.findall(r"^# TYPE (\w+)", open(sys.argv[3]).read(), re.M))
asked = set(re.findall(r"\bhcpolicy_\w+", text))
assert asked <= there, asked - there
# Each stands on a line: JSON's or YAML's.
found = [json.loads(e) for e in re.findall(r'"expr": (".*"),', text)] or re.findall(r"\bexpr: (.*)", text)
assert len(found) >= int(sys.argv[2]), found
rules = [{"record": "x", "expr": e.replace("$__rate_interval", "5m"), "labels": {"n": str(n)}} for n, e in enumerate(found)]
print(json.dumps({"groups": [{"name": "asks", "rules": rules}]}))
END
}
accepts_rules() { gives 0 'SUCCESS: [1-9][0-9]* rules found' "$promtool" check rules "$1"; }
dashboard() { asks_for "$top/docs/grafana-dashboard.json" 20 && accepts_rules "$work/exprs.yml"; }
alerts() { asks_for "$top/docs/prometheus-rules.yml" 10 && accepts_rules "$top/docs/prometheus-rules.yml"; }
# Two hosts in Prometheus's own test of rules: a has something of everything, and b no metrics of hcpolicy.
fire()
{
	sed '/annotations:/d; /summary:/d' "$top/docs/prometheus-rules.yml" > "$work/alerts.yml"
	/usr/bin/python3 -IS - "$work/alerts.yml" > "$work/test.yml" <<'END'
import json, sys
def series(metric, values, **labels):
    labels = {"instance": "a", **labels}
    return {"series": metric + "{" + ",".join('%s="%s"' % one for one in labels.items()) + "}", "values": values}
def fires(name, minute, *labels):
    """At that minute it fires so often, and only so."""
    alerts.append({"eval_time": "%dm" % minute, "alertname": "Hcpolicy" + name, "exp_alerts": [{"exp_labels": one} for one in labels]})
alerts = []
vm = {"instance": "a", "vm": "5-9", "pid": "5", "comm": "qemu", "policy": "bitmap", "rule": "auto.conf:3"}
web = {"instance": "a", "name": "web1"}
arrives = {"instance": "a", "name": "in", "reason": "awaits_restore"}
there = [
    series("up", "1x300", job="node"), series("up", "1x300", job="node", instance="b"), series("hcpolicy_up", "1x300"),
    series("node_textfile_mtime_seconds", "0x300", file="/x/hcpolicy.prom"), series("hcpolicy_attachment_up", "1x300", name="web1"),
    series("hcpolicy_auto_up", "0x300"), series("hcpolicy_vms_unknown", "1x300"),
    series("hcpolicy_vm_unattached", "1x300", **vm), series("hcpolicy_vm_unattached", "1 1 1 stale", **{**vm, "vm": "6-9"}),
    series("hcpolicy_set_complete", "0x300", name="web1"), series("hcpolicy_set_complete", "0x300", name="in"),
    series("hcpolicy_set_incomplete", "1x300", **arrives), series("hcpolicy_set_incomplete", "1x300", name="web1", reason="late"),
    series("hcpolicy_bad_verdicts_total", "0+1x300", name="web1"), series("hcpolicy_bad_verdicts_total", "0x99 3x200", name="bursts"),
    series("hcpolicy_overruled_total", "0x300", name="web1"), series("hcpolicy_overruled_total", "_x149 5x150", name="boots"),
]
fires("MetricsAbsent", 60)
fires("MetricsAbsentOnHost", 60, {"job": "node", "instance": "b"})
fires("MetricsStale", 9)
fires("MetricsStale", 20, {"instance": "a", "file": "/x/hcpolicy.prom"})
fires("CannotRead", 60)
fires("RulesNotApplied", 4)
fires("RulesNotApplied", 6, {"instance": "a"})
fires("VmUnattached", 4)
fires("VmUnattached", 6, {one: vm[one] for one in ("instance", "vm", "pid", "policy")})
fires("VmUnknown", 14)
fires("VmUnknown", 16, {"instance": "a"})
fires("SetIncomplete", 9)
fires("SetIncomplete", 11, web)
fires("SetIncompleteLong", 119)
fires("SetIncompleteLong", 121, arrives)
fires("Verdicts", 60, web)
fires("Verdicts", 105, web, {"instance": "a", "name": "bursts"})
fires("Verdicts", 130, web)
fires("Verdicts", 155, web, {"instance": "a", "name": "boots"})
fires("Verdicts", 180, web)
nothing = [{"eval_time": "14m", "alertname": "HcpolicyMetricsAbsent", "exp_alerts": []},
           {"eval_time": "16m", "alertname": "HcpolicyMetricsAbsent", "exp_alerts": [{}]}]
print(json.dumps({"rule_files": [sys.argv[1]], "evaluation_interval": "1m", "tests": [
    {"interval": "1m", "input_series": there, "alert_rule_test": alerts}, {"interval": "1m", "input_series": [], "alert_rule_test": nothing}]}))
END
	[ -s "$work/test.yml" ] && gives 0 SUCCESS "$promtool" test rules "$work/test.yml"
}

check "without a policy it says that it found none" none
check "what it prints of an attachment is what Prometheus reads" attached
check "its numbers are those of show" as_shown
check "policy, label and process are labels, with their quotation marks escaped" says_who
check "it says why a set is not complete" says_why
check "a VM that should have a policy by the rules, and has none, is there" unattached
check "wrong rules are told, and spoil nothing else" wrong_rules
check "a VM of which no process is known is counted" unknown
check "who may not look at the processes of VMs does not hear that all have their policy" may_not_look
check "a policy without a name is there by the id of its link" unnamed
check "a name that cannot be opened is told, and spoils nothing else" unreadable
check "who writes to the map of a set spoils nothing else" hostile
check "without KVM's counters it says so, and has the rest" no_counters
check "a file is replaced as a whole, and nothing else is left" to_a_file
check "it goes on while attachments come and go" storm
check "what has ended is not there any more" gone
check "-j is refused, with what has JSON, and not offered" eval "gives 2 'hcpolicy list -j' hcpolicy metrics -j && ! hcpolicy metrics --help | grep json"
check "the dashboard asks for metrics that there are, in what Prometheus reads" dashboard
check "so do the alerts" alerts
check "an alert fires when its time is over, and not for what heals by itself" fire
finish
