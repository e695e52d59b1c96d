# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# How a system of Debian gets into the cache: what debian-root, kernel-root and arm64-root share.
# They source it, call begin_system, fill the folder $part in steps, and call end_system.
# shellcheck source=SCRIPTDIR/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

# begin_system NAME WORD...: the system NAME, as this script makes it if called with these words.
# If it is in the cache, print its folder and end.
begin_system()
{
	local name=$1 key
	shift
	key=$({ cat "$scripts/$me" "$scripts/system.sh"; printf '%s\n' "$@"; } | sha256sum)
	system=$name root=$cache/$name-${key:0:8}
	system_there
	[ "$(id -u)" = 0 ] ||
		die "to make a system of Debian needs root; run as root, once: $scripts/$me $*"
	make_cache
	exec 9>"$cache/$me.lock"
	flock 9
	system_there

	export DEBIAN_FRONTEND=noninteractive
	part=$root.part log=$root.log
	rm -rf "$part"
	: >"$log"
	say "making a system in $root, some minutes"
	# From where this system's own packages come.
	# shellcheck disable=SC2016
	mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' |
		grep -v -m1 security || echo http://deb.debian.org/debian)
	mirror=${mirror%/}
	command -v debootstrap >/dev/null || step 'installing debootstrap' sh -c \
		'apt-get -q update && apt-get -q -y install --no-install-recommends debootstrap'
}

# It was used just now: what was not for a month goes away.  (A cache may be read-only.)
system_there()
{
	[ -d "$root" ] || return 0
	touch -c "$root" 2>/dev/null || :
	echo "$root"
	exit
}

step()		# TITLE COMMAND...
{
	say "$1"
	shift
	"$@" >>"$log" 2>&1 </dev/null 9>&- || {
		tail -n 20 "$log" >&2
		die "failed; $log has the rest"
	}
}

end_system()
{
	find "$cache" -maxdepth 1 -name "$system-*" ! -name "${root##*/}*" -mtime +30 -exec rm -rf {} +
	mv "$part" "$root"
	rm -f "$log"
	echo "$root"
}
