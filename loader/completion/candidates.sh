# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion of hcpolicy, for bash and for zsh, which both read this.  All that it offers it asks
# the command: what its help shows is what can be typed.  So it knows no command and no option.

# The kind of argument that an option has, as the help $1 of its command calls it; or nothing.
_hcpolicy_takes()
{
	printf '%s\n' "$1" | awk -v option="$2" '
		index($0, "  " option " ") == 1 && $2 ~ /^[A-Z=]+$/ && index($0, " " $2 "  ") { print $2 }'
}

# The n-th argument of the command whose help is $1.
_hcpolicy_argument()
{
	printf '%s\n' "$1" | awk -v n="$2" '/^Usage: / {
		for (i = 1; i <= n && $(i + 3) !~ /^(-|\[OPTION\])/; i++)
			if (i == n)
				print $(i + 3)
		exit
	}' | tr -d '[]'
}

# _hcpolicy_values FIELD [PATTERN SUFFIX]: from the JSON on standard input, the value of each object that
# begins with FIELD, if PATTERN comes later in it, and SUFFIX behind it.  A shell may expand what is offered, so
# other values than names are left out: a file name can hold a command.
_hcpolicy_values()
{
	tr '{' '\n' | sed -n "s/^\"$1\":\"\([A-Za-z0-9_.-]*\)\"${2-}.*/\1${3-}/p"
}

# _hcpolicy_candidates PROGRAM WORD...: what can stand for the last WORD, one a line; or what kind of
# file, in brackets
_hcpolicy_candidates()
{
	local program="$1" command='' help='' kind='' n=1 named='' policy=''
	shift
	while [ $# -gt 1 ]; do
		if [ -n "$kind" ]; then
			kind=''
		elif [ "${1#-}" != "$1" ]; then
			kind=$(_hcpolicy_takes "$help" "$1")
		elif [ -z "$command" ]; then
			command=$1
			help=$("$program" "$command" --help 2> /dev/null)
		else
			case $(_hcpolicy_argument "$help" "$n") in
			NAME) named=$1;;
			POLICY) policy=$1;;
			esac
			n=$((n + 1))
		fi
		shift
	done

	if [ -n "$kind" ]; then
		# To call something new.
		[ "$kind" != NAME ] || return 0
	elif [ "${1#-}" != "$1" ]; then
		printf '%s\n' "${help:-$("$program" --help 2> /dev/null)}" | sed -n 's/^  \(-., \)\{0,1\}\(--[a-z-]*\).*/\2/p'
		return
	elif [ -z "$command" ]; then
		"$program" --help 2> /dev/null | sed -n '/^Options/q; s/^  \([a-z]*\) .*/\1/p'
		return
	else
		[ "$command" != new ] || return 0
		kind=$(_hcpolicy_argument "$help" "$n")
	fi
	case $kind in
	FILE|SCRIPT) echo '[files]';;
	DIR) echo '[folders]';;
	NAME) "$program" list -j 2> /dev/null | _hcpolicy_values name;;
	PID) find /sys/kernel/debug/kvm -name '[0-9]*-*' -prune 2> /dev/null | sed 's,.*/,,; s/-.*//';;
	POLICY)
		case $1 in
		*/*) echo '[files]';;
		*) "$program" policies -j 2> /dev/null | _hcpolicy_values policy;;
		esac;;
	KEY=VALUE)
		if [ -n "$policy" ]; then
			"$program" policies "$policy" -j 2> /dev/null | _hcpolicy_values name '.*"kind":"\(fixed\|tunable\)"' =
		else
			"$program" show "$named" -j 2> /dev/null | _hcpolicy_values name '.*"kind":"tunable"' =
		fi;;
	esac
}
