# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# How a whole kernel with the hook is built out of a distribution's source: what build-debug and
# build-arm64 share.  They source it, set these, and call whole_kernel:
#
#	series out	what is built, and the folder that receives the image, config, release and
#			version: what it was built of and by
#	cache_name	the folder in the cache
#	configs		what is on: NAME is NAME.config, and series/SERIES/NAME.config if that is there
#	without		what is left out of the tree, as patterns of tar
#	cc words	the compiler; what make is told besides
#	image		what make builds, from arch/ on
#	first_time	how long that takes, in words
#
# The source is the one that the modules of that series are built from, the whole of it,
# and the compiler that of its distribution (scripts/kernel-root).  The result is cached by
# content; a tree that was built once stays, so that a change of the hook costs a minute or two.
# Rule: a line of the configuration that the kernel does not honour is an error.
# shellcheck disable=SC2154	# the variables above

here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
# shellcheck source=SCRIPTDIR/../scripts/lib.sh
. "$here/../scripts/lib.sh"

whole_kernel()	# with the command "hook SOURCE OUT", which makes the overlay
{
	root=$("$scripts/kernel-root" "$series")
	root=${root%/}
	package=linux-source-$series
	cache=${root:-$cache}/$cache_name

	for tool in flex bison bc pahole "$cc"; do
		there which "$tool" >/dev/null || die "no $tool ${root:+in $root}; run $scripts/setup"
	done
	source=$("$scripts/kernel-source" "$series")
	version=$(package_version "$package" "$root")

	work=$(mktemp -d "${TMPDIR:-/tmp}/hcpolicy-kernel.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	hook "$source" "$work/overlay"
	for config in "${configs[@]}"; do
		cat "$here/$config.config"
		[ ! -e "$here/series/$series/$config.config" ] || cat "$here/series/$series/$config.config"
	done > "$work/fragment"

	# All that the result depends on.
	key=$(
		{ cat "$0" "$here/whole-kernel.sh" "$work/fragment"
		  find "$work/overlay" -type f | LC_ALL=C sort | xargs cat
		  there "$cc" --version; there "${cc%gcc}ld" --version; there pahole --version; echo "$version"
		} | sha256sum | cut -c1-24)
	result=$cache/$key

	if [ ! -e "$result/release" ]; then
		mkdir -p "$cache"
		exec 9> "$cache/lock"
		flock 9
		bring_tree
		configure
		build
	fi
	mkdir -p "$out" && cp -f "$result"/* "$out/"
}

# Run there what has to be that system's own.
there() { "$scripts/in-root" "$root" "$@"; }

# The tree: extracted once, without most of what is never compiled here, and made what the source
# and the overlay say.
bring_tree()
{
	local tarball=$root/usr/src/$package.tar.xz file

	tree=$cache/tree-$version-$(echo "${without[@]}" | sha256sum | cut -c1-8)
	src=${tree#"$root"}		# as the compiler sees it
	if [ ! -d "$tree" ]; then
		rm -rf "$cache"/tree-*
		printf '%s: extracting %s %s, half a minute ' "$me" "$package" "$version" >&2
		mkdir "$tree.part"
		tar -C "$tree.part" -x -f "$tarball" --strip-components=1 \
			--checkpoint=10000 --checkpoint-action=exec='printf . >&2' \
			"${without[@]/#/--exclude=}" ||
			die "cannot extract $tarball into $tree.part (disk full?)"
		echo >&2
		mv "$tree.part" "$tree"
	fi

	# Only what changed, so that make has little to do.  What an earlier hook had changed is the
	# source's again.  (diff complains about links to what is not here.)
	{ diff -rq "$source" "$tree" 2>/dev/null || :; } |
		sed -n "s,^Files $source/\(.*\) and .* differ\$,\1,p" | while read -r file; do
		[ -e "$work/overlay/$file" ] || cp "$source/$file" "$tree/$file"
	done
	(cd "$work/overlay" && find . -type f) | while read -r file; do
		cmp -s "$work/overlay/$file" "$tree/$file" || cp "$work/overlay/$file" "$tree/$file"
	done
}

run_make()
{
	MAKEFLAGS='' nice "$scripts/in-root" "$root" make -C "$src" O="$src/out" "${words[@]}" "$@" < /dev/null
}

configure()
{
	mkdir -p "$tree/out"
	cp "$work/fragment" "$tree/out/fragment"
	run_make KCONFIG_ALLCONFIG="$src/out/fragment" allnoconfig > "$work/log" 2>&1 ||
		{ tail "$work/log" >&2; die "no configuration"; }
	grep '^CONFIG_' "$work/fragment" | grep -vxFf "$tree/out/.config" > "$work/refused" || return 0
	die "the kernel does not take $(paste -sd ' ' "$work/refused"): what do they depend on?"
}

build()		# with a line now and then
{
	local log=$work/log warned

	say "building Linux $version; the first time takes $first_time"
	run_make -j"$(nproc)" "${image##*/}" 2>&1 | tee "$log" |
		awk -v me="$me" '++n % 200 == 0 { printf "%s: %d files, %s\n", me, n, $NF; fflush() }' >&2 || {
		grep -nE 'error:|Error ' "$log" | head -n 20 >&2
		cp "$log" "$tree/out/log"
		die "the build failed; $tree/out/log has the rest"
	}
	warned=$(grep -E '(hcpolicy|kvm)[^ ]*:[0-9]+:[0-9]+: warning:' "$log" || :)
	[ -z "$warned" ] || die "the build has warnings: $warned"

	rm -rf "$result.part" && mkdir "$result.part"
	cp "$tree/out/arch/$image" "$result.part/"
	cp "$tree/out/.config" "$result.part/config"
	cp "$tree/out/include/config/kernel.release" "$result.part/release"
	echo "Linux $(cat "$result.part/release") of $package $version," \
		"$(there "$cc" --version | head -n 1), pahole $(there pahole --version)" > "$result.part/version"
	mv "$result.part" "$result"
}
