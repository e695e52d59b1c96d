#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Completion in bash and zsh, as make install puts it: it offers each command, each option that
# main.c knows, and the names that the command prints.  selftests/names.sh asks on the real hook.
set -uo pipefail
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/../../selftests/tap.sh"
plan 14

unset MAKEFLAGS MAKELEVEL
cd "$work" || exit
share=$work/root/usr/local/share
installed()
{
	local dir
	for dir in loader vmm; do
		make --no-print-directory -C "$top/$dir" install DESTDIR="$work/root" || return
	done
	ls "$share"/bash-completion/completions/{hcpolicy,hcvm} "$share"/zsh/site-functions/_{hcpolicy,hcvm}
}

# The command, with two VMs that nobody else knows.
cat > hcpolicy <<END
#!/bin/sh
case "\$*" in
'list -j') echo '[{"name":"web1","label":"{\"name\":\"no\"}"},{"policy":"bitmap","pinned":false},{"name":"db"}]';;
'show web1 -j') echo '{"name":"web1","parameters":[{"name":"ceiling","kind":"tunable","help":""},{"name":"end","kind":"fixed","help":"{"}]}';;
*) exec "$bin/hcpolicy" "\$@";;
esac
END
chmod +x hcpolicy
mkdir folder
touch 'a file' folder/file

# What a shell offers for the last of the words.  Outside of an editor the shells' own parts are not there.
in_bash()
(
	# shellcheck disable=SC1090
	. "$share/bash-completion/completions/$1"
	compopt() { :; }
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
	"_$1" "$(which "$1")" "${!#}"
	[ "${#COMPREPLY[@]}" = 0 ] || printf '%s\n' "${COMPREPLY[@]}"
)
cat > in.zsh <<'END'
compadd() { [ "$1" != -S ] || shift 2; print -rl -- "${(@P)2}"; }
_files() { if [ "${1-}" = -/ ]; then print -rl -- *(/); else print -rl -- *; fi; }
words=("$@") CURRENT=$#
fpath=(root/usr/local/share/zsh/site-functions $fpath)
autoload -Uz _hcpolicy
_hcpolicy
END
in_zsh() { zsh -f in.zsh "$@" | grep -e "^${!#}"; }
PATH=$work:$bin:$PATH

# offers SHELL WANT WORD...
offers()
{
	local got
	got=$("in_$1" hcpolicy "${@:3}" 2>&1 | sort | xargs)
	[ "$got" = "$2" ] || { printf '%s: %s\ngot  %s\nwant %s\n' "$1" "${*:3}" "$got" "$2"; return 1; }
}

commands=$(hcpolicy --help | sed -n '/^Options/q; s/^  \([a-z]*\) .*/\1/p')
commands()
{
	[ "$(wc -w <<< "$commands")" -ge 18 ] && offers "$1" "$(sort <<< "$commands" | xargs)" '' &&
		offers "$1" 'record replace reset restore' re
}
# All together they are those of main.c, and the command takes each.  Where it can, watch --all goes on.
options()
{
	local command option
	for command in $commands; do
		for option in $("in_$1" hcpolicy "$command" --); do
			echo "$option"
			timeout 5 "$bin/hcpolicy" "$command" "$option" 2>&1 < /dev/null | grep -E "unknown option|takes no $option" >&2 && return 1
		done
	done | sort -u > offered
	{
		sed -n 's/^\t{ OPT_[A-Z_]*,[^"]*"\([a-z-]*\)".*/--\1/p' "$top/loader/main.c"
		printf '%s\n' --json --pretty --help --version
	} | sort > known
	[ "$(wc -l < known)" -ge 26 ] && diff known offered
}
policies='bitmap exit-filter freeze hole notify quota throttle'
names()
{
	offers "$1" 'db web1' show '' && offers "$1" web1 save w && offers "$1" "$policies" attach '' &&
		offers "$1" quota replace web1 q && offers "$1" freeze new mine --from f && offers "$1" '' attach --name '' &&
		offers "$1" '' new '' && offers "$1" '' nosuch ''
}
parameters()
{
	offers "$1" 'ceiling= window_end= window_start=' attach --pid 1 quota --param '' &&
		offers "$1" 'burst= rate=' replace web1 throttle --param '' && offers "$1" ceiling= tune web1 ''
}
# As bash splits a line.
behind_a_value()
{
	offers bash --name attach --param ceiling = 1 --na && offers bash --name attach --param ceiling = --na &&
		offers bash '' attach quota --param ceiling = && offers bash '' attach quota --param ceiling = 1 &&
		offers bash freeze attach --param ceiling = 1 f
}
files()
{
	offers "$1" 'a file' save web1 a && offers "$1" folder try quota f && offers "$1" folder list --bpffs f &&
		offers "$1" '' list --bpffs a
}
# bash expands the words that it is given to choose from.
not_run()
{
	mkdir evil && touch "evil/\$(touch ran).bpf.o" evil/good.bpf.o || return
	HCPOLICY_PATH=$PWD/evil offers bash good attach g && HCPOLICY_PATH=$PWD/evil in_bash hcpolicy attach '' && [ ! -e ran ]
}
of_hcvm()
{
	in_bash hcvm --s | sort | xargs > offered && [ "$(cat offered)" = '--sev-lookalike --smp' ] || { cat offered; return 1; }
}

check "make install puts it where the shells look" installed
for shell in bash zsh; do
	check "$shell offers each command" commands $shell
	check "and each option, to the command that takes it" options $shell
	check "names of attachments and policies" names $shell
	check "parameters, and what tune can change" parameters $shell
	check "files and folders" files $shell
done
check "bash goes on behind KEY=VALUE, which it splits" behind_a_value
check "a command in the name of a file is not run" not_run
check "bash offers the options of hcvm" of_hcvm
finish
