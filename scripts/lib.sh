# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the scripts share: how they fail, and where they cache.  Scripts source it.
# Rule: Standard output carries only results.  Messages go to standard error.

me=${0##*/}
# shellcheck disable=SC2034	# for those who source this
scripts=$(cd "${BASH_SOURCE[0]%/*}" && pwd -P)

say() { printf '%s: %s\n' "$me" "$*" >&2; }
die() { say "$*"; exit "${FAIL:-1}"; }

# Where to cache; not created here, because a hit must work on a read-only disk.
cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/hcpolicy

make_cache()
{
	{ mkdir -p "$cache" && [ -w "$cache" ]; } 2>/dev/null ||
		die "cannot write to $cache; set XDG_CACHE_HOME to a folder that can be written"
}

# The version of installed package $1, in the system under $2 (default this one).
package_version()
{
	local status='' version=''
	read -r status version <<<"$(dpkg-query --admindir="${2-}/var/lib/dpkg" \
		-W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null)" || :
	[ "$status" = installed ] || die "package $1 is not installed; run $scripts/setup"
	echo "$version"
}

# take_from PACKAGE[=VERSION] FILE...: out of Debian's package, into the current folder, an empty one.  FILE
# may be a pattern.
take_from()
{
	apt-get -q -o APT::Sandbox::User=root download "$1" >&2 ||
		die "cannot download ${1/=/ }; run apt-get update as root and try again"
	dpkg-deb --fsys-tarfile ./*.deb | tar -x --wildcards "${@:2}"
}

# Copy this tree as it is, without what was built, to folder $1, with the caller's umask.
copy_tree()
{
	mkdir -p "$1"
	tar -C "${scripts%/*}" --exclude=./build --exclude=./.git -c . |
		tar -C "$1" --no-same-owner --no-same-permissions -x
}
