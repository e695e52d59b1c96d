# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What hcpolicy probe says of the hook, and whether that helps.  Source it after tap.sh.

# says STATUS WORDS: probe ends so, and its line about the hook has these words.
says()
{
	local line
	gives "$1" '^(ok|no)  hook' hcpolicy probe || return
	# shellcheck disable=SC2154	# tap.sh's
	line=$(grep -E '^(ok|no)  hook' "$work/run")
	echo "$line"
	[[ $line == *"$2"* ]]
}

# What probe tells to type, typed in.
remedy()
{
	local command
	command=$(hcpolicy probe | sed -n 's/^no  hook .*no VM running, //p')
	echo "$command"
	[ -n "$command" ] && bash -ec "$command"
}
