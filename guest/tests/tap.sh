# SPDX-License-Identifier: GPL-2.0
# TAP for shell tests: source it, call check, end with finish.

passed=0 failed=0
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT

# check NAME STATUS PATTERN COMMAND...: ends with STATUS, and what it prints (both
# streams) matches the extended regular expression.
check()
{
	local name=$1 want=$2 pattern=$3 got=0
	shift 3
	"$@" >"$work/out" 2>&1 </dev/null || got=$?
	if [ "$got" = "$want" ] && grep -qE -e "$pattern" "$work/out"; then
		passed=$((passed + 1))
		echo "ok $((passed + failed)) - $name"
	else
		failed=$((failed + 1))
		echo "not ok $((passed + failed)) - $name"
		echo "# status $got, expected $want and '$pattern' in:"
		sed 's/^/#  /' "$work/out"
	fi
}

finish()
{
	echo "1..$((passed + failed))"
	echo "$passed passed, $failed failed, 0 skipped"
	exit $((failed != 0))
}
