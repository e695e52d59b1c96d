#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# hcpolicy try: the verdicts that it prints are those of the hook, and a script's expectations count.
# And what else a throw-away VM is for: hcpolicy verify --cost.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
plan 26

# tries STATUS PATTERN ARGUMENT...: of try
tries() { gives "$1" "$2" timeout $((120 * patience)) "$bin/hcpolicy" try "${@:3}"; }
# The same with the script that this function reads.
script() { cat > "$work/script"; tries "$@" "$work/script"; }
said() { grep -qxF -e "$1" "$work/run" || { echo "no '$1' in:"; cat "$work/run"; return 1; }; }

by_itself()
{
	tries 0 '^     1  share   0x1000000 16 vcpu=0: handled, the guest sees 0$' bitmap &&
		said '     3  private 0x1004000 4 vcpu=1: handled, the guest sees 0' &&
		said 'the set is complete below 64 GiB, 8 pages requested beyond' &&
		grep -E '^0x1008 +8 ' "$work/run" && said '5 requests; 0 expectations, 0 failed'
}
whole_set()
{
	script 0 '^8 requests; 10 expectations, 0 failed$' bitmap <<-END
		share 0x1000000 16
		expect handled
		expect shared 0x1000000 16
		expect private 0xfff000 1
		expect private 0x1010000 4096
		private 0x1004000 4 vcpu=1
		expect private 0x1004000 4
		expect shared 0x1008000 8
		share 0x40000000 65537 vcpu=200	# more than one call of the policy
		expect shared 0x40000000 65537
		share 0x100000000 1
		share 0x100001000 1
		share 0x100002000 1
		expect shared 0x100000000 3
		expect complete
		share 0xffffffffff000 1		# the last page that x86 has
		expect handled
		private 0xffffffffff000 1
	END
}
each_failure()
{
	script 1 "script:2: expected EPERM, but the last request got handled" bitmap <<-END || return
		share 0x1000000 16
		expect EPERM
		expect shared 0x1000000 17
		expect private 0x100f000 1
		expect private 0xf00000 0x1000
		expect incomplete
		expect counter none 1
		expect handled
	END
	local why
	for why in "3: expected shared pages, but the page at 0x1010000 is private" \
		"4: expected private pages, but the page at 0x100f000 is shared" \
		"5: expected private pages, but the page at 0x1000000 is shared" \
		"6: expected the set to be incomplete, but it is complete" \
		"7: the policy has no counter 'none'; \`hcpolicy policies\` lists what it has"; do
		said "hcpolicy: $work/script:$why" || return
	done
	said '1 requests; 7 expectations, 6 failed'
}
too_early() { script 1 'script:1: expected handled, but no request was made yet$' bitmap <<< 'expect handled'; }
bad_line()
{
	script 1 "script:2: expected share, private, tune or expect, not 'shar'" bitmap <<-END &&
		share 0x1000000 1
		shar 0x2000000 1
		share 0x3000000 1
	END
		said '1 requests; 0 expectations, 0 failed; the script was not done to its end'
}
quota()
{
	script 0 ': EPERM, the guest sees -1$' quota --param ceiling=20 <<-END && said 'refused_requests=1  requests, or pieces of large ones, that were refused'
		share 0x1000000 16
		share 0x1000000 16
		expect handled
		share 0x2000000 16 vcpu=1
		expect EPERM
		expect shared 0x2000000 16
		expect counter refused_requests 1
		expect counter shared_pages 32
		tune ceiling=40
		private 0x1000000 16
		share 0x1000000 16
		expect handled
	END
}
wrong_counter()
{
	script 1 'script:2: expected shared_pages to be 15, but it is 16$' quota <<-END
		share 0x1000000 16
		expect counter shared_pages 15
	END
}
not_tunable() { script 1 'script:1: tune window_end=1 is refused' quota <<< 'tune window_end=1'; }
exits()
{
	script 0 ': exit, the guest sees 0$' exit-filter --take-exits --param least_pages=4 <<-END
		share 0x1000000 16
		expect exit
		share 0x1000000 16
		expect handled
		share 0x2000000 2
		expect handled
		private 0x1000000 4
		expect exit
		expect shared 0x1004000 12
	END
}
vmm_keeps_its_exits() { tries 0 ': exit, the guest sees 0$' bitmap --exits && ! grep handled "$work/run"; }
# echo answers to page 0x1000 + N with N.
each_verdict()
{
	script 0 '^6 requests; 6 expectations, 0 failed$' "$top/build/selftests/echo.bpf.o" <<-END &&
		share 0x1000000 1
		expect ENOSYS
		share 0x1001000 1
		expect handled
		share 0x1002000 3	# RETRY, 3 times
		expect handled
		share 0x1003000 1
		expect ENOSYS
		share 0xfff000 1
		expect EPERM
		share 0xff0000 1 vcpu=1	# EBUSY
		expect EINVAL
	END
		said '     1  share   0x1000000 1 vcpu=0: ENOSYS, the guest sees -1000' &&
		said '     5  share   0x1002000 3 vcpu=0: handled, the guest sees 0, after 3 retries' &&
		said "     7  share   0x1003000 1 vcpu=0: ENOSYS, the guest sees -1000; the policy's answer is no verdict and no errno"
}
overruled()
{
	script 0 ': exit, the guest sees 0; KVM does not allow what the policy answered$' --exits \
		"$top/build/selftests/echo.bpf.o" <<< 'share 0x1001000 1'
}
loses()
{
	script 0 '^the set is not complete: ' "$top/build/selftests/loses.bpf.o" <<-END
		share 0x1000000 1
		expect complete
		share 0x4000000 1
		expect incomplete
	END
}
frozen()
{
	script 0 ': retry, [0-9]+ times; the guest asks on$' freeze <<-END && said '     2  share   0x1000000 16 vcpu=0: handled, the guest sees 0'
		tune frozen=true
		share 0x1000000 16
		expect retry
		expect private 0x1000000 16
		private 0x1000000 4 vcpu=1
		expect retry
		tune frozen=false
		expect handled
		expect private 0x1000000 4
		share 0x2000000 1
		expect handled
	END
}
# 64 TiB takes longer than a tick of try's, and KVM begins a request above 1 TiB anew for each signal.
huge()
{
	script 0 '^     1  share   0x0 17179869184 vcpu=0: handled, the guest sees 0' bitmap <<-END
		share 0x0 0x400000000
		expect handled
	END
}
for_ever()
{
	script 1 "script:3: vCPU 0 still asks for what line 2 says, and gets RETRY" freeze <<-END && said '1 requests; 0 expectations, 0 failed; the script was not done to its end'
		tune frozen=true
		share 0x1000000 16
		share 0x2000000 16
	END
}
throttled()
{
	script 0 ': handled, the guest sees 0, after [0-9]+ retries$' throttle --param rate=1 --param burst=1 <<-END
		share 0x1000000 5
		private 0x1000000 1
		private 0x1001000 1
		private 0x1002000 1
		private 0x1003000 1
		expect handled
		expect shared 0x1004000 1
	END
}
json()
{
	script 1 '^\{"line":1,"request":"share","gpa":16777216,"npages":16,"vcpu":3,"verdict":"EPERM","ret":-1,' \
		-j quota --param ceiling=8 <<-END && same '1 [False, True] [[4096, 16]] 1' judge_json
		share 0x1000000 16 vcpu=3
		expect handled
		expect EPERM
	END
}
judge_json()
{
	/usr/bin/python3 -IS - "$work/run" <<-'END'
		import json, sys
		docs = [json.loads(line) for line in open(sys.argv[1])]
		end = docs[-1]
		print(end["requests"], [d["expected"] for d in docs if "expected" in d],
		      [[r["gfn"], r["npages"]] for r in end["ranges"]], end["failed"])
	END
}
trace()
{
	awk 'BEGIN { for (i = 0; i < 5000; i++)
		printf "share 0x%x 1 vcpu=%d door=hypercall status=1 verdict=handled time=%d.5\n", i * 8192, i % 3, i }' \
		> "$work/trace"
	# shellcheck disable=SC2016	# for that shell
	gives 0 '^5000 requests; 0 expectations, 0 failed$' sh -c '"$0" try -q bitmap - < "$1"' "$bin/hcpolicy" \
		"$work/trace" && ! grep handled "$work/run" && same 5000 grep -c '^0x' "$work/run"
}

# costs STATUS PATTERN ARGUMENT...: of verify --cost
costs() { gives "$1" "$2" timeout $((120 * patience)) "$bin/hcpolicy" verify --cost "${@:3}"; }
# By instructions it is 14 times for 16,384 pages, and some 3 times by the time of an emulated processor.
costs_more()
{
	local policy
	for policy in quota notify; do
		costs 0 '^ +1 page [0-9]+\.[0-9] times bitmap$' "$policy" &&
			grep -Ex ' +512 pages [0-9]+\.[0-9] times bitmap' "$work/run" &&
			awk '/^ +16,384 pages .* times bitmap$/ { ok = $3 > 1.5 } { print } END { exit !ok }' "$work/run" || return
	done
}
costs_the_same()
{
	costs 0 '^\{"file":"bitmap",' -j bitmap && same '[1, 512, 16384] [8, 8, 8] True' /usr/bin/python3 -IS -c '
import json, sys
cost = json.load(open(sys.argv[1]))["cost"]
print([c["npages"] for c in cost], [c["handled"] for c in cost], all(0.3 < c["times_bitmap"] < 3 for c in cost))' "$work/run"
}
costs_refused() { costs 0 '^ +1 page [0-9.]+ times bitmap; of 8 requests it handled 4$' quota --param ceiling=0; }
costs_nothing_yet()
{
	local why='it lets requests wait \(RETRY\), and only those that it answers at once can be measured'
	costs 1 "policy 'freeze': --cost: $why" freeze --param frozen=true &&
		costs 1 "policy 'throttle': --cost: $why" throttle --param rate=2 --param burst=1
}
no_bitmap()
{
	local quota=$HCPOLICY_PATH/quota.bpf.o
	HCPOLICY_PATH=$work costs 1 "--cost compares with the policy 'bitmap', and needs it too" "$quota"
}

check "without a script it makes requests of its own" by_itself
check "the set that it shows and expects is what the guest asked for" whole_set
check "each expectation that fails is said with its line, and the status is 1" each_failure
check "before a request no verdict is expected" too_early
check "a bad line ends it" bad_line
check "a refusal is the errno that the guest sees, and a setting changes under it" quota
check "a counter that is not as expected" wrong_counter
check "what cannot be tuned ends it" not_tunable
check "a policy that takes the exits exits for what it wants" exits
check "without the right to take them each request exits" vmm_keeps_its_exits
check "each verdict is told, and what of it the guest sees" each_verdict
check "so is one that KVM overrules" overruled
check "a policy that loses a request has no complete set" loses
check "held requests are retried, and go on when the policy lets them" frozen
check "a request that takes long is no request that waits" huge
check "a policy that holds for ever ends it in time" for_ever
check "a request that waited is told with its retries" throttled
check "each line is JSON, and the last has the result" json
check "a trace of thousands of lines by standard input, without a line for each" trace
check "a script that is not there" gives 1 'nowhere: No such file' "$bin/hcpolicy" try bitmap "$work/nowhere"
check "a policy that the verifier refuses" gives 1 'the verifier does not accept it' \
	"$bin/hcpolicy" try "$top/build/obj/libhcpolicy/tests/broken.bpf.o"
check "verify --cost: a policy that counts what changes costs more than bitmap" costs_more
check "bitmap costs about what bitmap costs" costs_the_same
check "of a policy that refuses it says how many it handled" costs_refused
check "one that lets requests wait is not measured, and it ends" costs_nothing_yet
if HCPOLICY_PATH=$work hcpolicy verify bitmap > /dev/null 2>&1; then
	skip "policies are installed here" "without bitmap there is nothing to compare with"
else
	check "without bitmap there is nothing to compare with" no_bitmap
fi
finish
