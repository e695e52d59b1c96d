# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A root to install packages into: this system's files, and memory for what is written.  Source it
# after tap.sh.
# shellcheck disable=SC2154	# work and top are tap.sh's

memory=$work/memory
root=$memory/root
trap 'kill "${children[@]}" 2>/dev/null || :; umount -R -l "$memory" 2>/dev/null; rm -rf "$work"' EXIT

throw_away()
{
	[ -d /sys/module/overlay ] || modprobe -d "$("$top/scripts/kernel-root" "$(uname -r)")" overlay || return
	mkdir "$memory" && mount -t tmpfs tmpfs "$memory" && mkdir "$memory"/{files,work,root} &&
		mount -t overlay -o "lowerdir=/,upperdir=$memory/files,workdir=$memory/work" overlay "$root" &&
		mount -t tmpfs tmpfs "$root/tmp" && mkdir -p "$root$top" && mount --bind "$top" "$root$top" || return
	for dir in proc sys dev; do
		mount --rbind "/$dir" "$root/$dir" || return
	done
	# With a list of packages of its own, as this system's is long; so nobody sees if a dependency is missing.
	# It lies inside the root: dpkg runs a package's scripts there.
	mkdir -p "$memory"/dpkg/{info,updates} && touch "$memory/dpkg/status" &&
		mount --bind "$memory/dpkg" "$root/var/lib/dpkg"
}

inside() { chroot "$root" env -u HCPOLICY_PATH PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
packages() { dpkg --root="$root" --force-depends --force-unsafe-io "$@"; }
