# shellcheck shell=bash
_hcpolicy()
{
	local word found words=()
	for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
		# Bash has split KEY=VALUE.
		if [[ ${#words[@]} != 0 && ($word == = || $word != -* && ${words[-1]} == *=) ]]; then
			words[-1]+=$word
		else
			words+=("$word")
		fi
	done
	# Of a VALUE nothing is known.
	[[ ${words[-1]} != *=* ]] || return
	found=$(_hcpolicy_candidates "$1" "${words[@]}")
	case $found in
	'[files]') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames;;
	'[folders]') mapfile -t COMPREPLY < <(compgen -d -- "$word"); compopt -o filenames;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "$found" -- "$word")
		[ "${found%=}" = "$found" ] || compopt -o nospace;;
	esac
}
complete -F _hcpolicy hcpolicy
