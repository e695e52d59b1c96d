#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The command line of hcp-oracle, on the synthetic guest of unit.c:
#	oracle.sh UNIT HCP_ORACLE
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/../../selftests/tap.sh"
plan 18
unit=$1 oracle=$2 core=$work/core

"$unit" --sample "$core" || exit 1
head -c 100000 "$core" >"$work/short"
# The sample's set.
printf '256 32\n600 1\n' >"$work/ranges"
printf '7 1\n' | cat "$work/ranges" - >"$work/more"
printf '256 32\n600\n' >"$work/bad"

check 'a right set' gives 0 '^oracle: 2304 pages of RAM, 2304 mapped, 33 shared \(32 by the direct map, 1 by the kernel image only\); set: 33 shared; missing 0, extra 0$' \
	"$oracle" "$core"
check 'a flipped shared page is missing' gives 1 '^oracle: missing gfn 0x100: mapped without the C-bit at 0xffff888000100000$' \
	"$oracle" --flip 0x100 "$core"
check 'a page that only the image shares, flipped' gives 1 '^oracle: missing gfn 0x258: mapped without the C-bit at 0xffffffff81058000$' \
	"$oracle" --flip 600 "$core"
check 'a flipped private page is extra' gives 1 '^oracle: extra gfn 0x5: mapped with the C-bit at 0xffff888000005000$' \
	"$oracle" --flip 5 "$core"
check 'counts after a flip' gives 1 'set: 34 shared; missing 0, extra 1$' "$oracle" --flip 5 "$core"
check 'a flip changes no file' gives 0 'missing 0, extra 0$' "$oracle" "$core"
check 'a flip beyond the set' gives 2 'the set ends at page 0x2000' "$oracle" --flip 8192 "$core"
check 'a flip of no number' gives 2 "'5x': not a page number" "$oracle" --flip 5x "$core"
check 'a right set in a file' gives 0 'set: 33 shared; missing 0, extra 0$' "$oracle" --ranges "$work/ranges" "$core"
check 'one page too much there' gives 1 '^oracle: extra gfn 0x7: ' "$oracle" --ranges "$work/more" "$core"
check 'what is no range' gives 2 "/bad': line 2: not a first page" "$oracle" --ranges "$work/bad" "$core"
check 'no file of ranges' gives 2 "ranges '.*/none': No such file" "$oracle" --ranges "$work/none" "$core"
check 'a truncated core' gives 2 'it is truncated' "$oracle" "$work/short"
check 'no core' gives 2 'No such file' "$oracle" "$work/none"
check 'no core but a program' gives 2 'not an ELF core' "$oracle" "$oracle"
check 'no argument' gives 2 '^usage' "$oracle"
check 'an unknown option' gives 2 '^usage' "$oracle" --frob "$core"
check 'help' gives 0 '^usage' "$oracle" --help
finish
