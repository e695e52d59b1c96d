# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion of hcvm's options, which its help has; anything else is a file.
_hcvm()
{
	[ "${2#-}" = "$2" ] || mapfile -t COMPREPLY < <(compgen -W "$("$1" --help 2> /dev/null |
		sed -n 's/^  \(--[a-z-]*\).*/\1/p')" -- "$2")
}
complete -o default -F _hcvm hcvm
