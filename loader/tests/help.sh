#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# hcpolicy help: which page man(1) is asked for, and what is shown if there is no man or no page.
set -u

# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/../../selftests/tap.sh"
plan 5

# A man that says what it is asked for, and knows one page.
mkdir "$work/path" "$work/sbin"
cat > "$work/path/man" <<'END'
#!/bin/sh
if [ "$1" = -w ]; then [ "$3" = hcpolicy-save ]; exit; fi
echo "man: $*"
END
chmod +x "$work/path/man"
cp "$bin/hcpolicy" "$work/sbin/hcpolicy"
here() { PATH=$work/path:$PATH "$bin/hcpolicy" help "$@"; }
installed() { PATH=$work/path:$PATH "$work/sbin/hcpolicy" help "$@"; }

in_tree()
{
	same "man: $bin/../man/man8/hcpolicy-list.8" here list && same "man: $bin/../man/man8/hcpolicy.8" here help
}
# The short help, the status 0, and why.
short() { gives 0 '^hcpolicy: warning: man cannot show hcpolicy-list\(8\)' "$@" && grep '^Usage: hcpolicy list' "$work/run"; }
no_man() { short env PATH=/nowhere "$bin/hcpolicy" help list && short env PATH=/nowhere "$work/sbin/hcpolicy" help list; }

check "in a build tree the page is that of the tree" in_tree
check "else it is the installed one" same 'man: 8 hcpolicy-save' installed save
check "without the page there is the short help" short installed list
check "and without man, in both" no_man
check "without a command it is the list of commands" gives 0 '^Usage: hcpolicy COMMAND' here
finish
