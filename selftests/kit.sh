#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The conformance kit as it is packed: live migrations of a guest that writes, on the
# distribution's QEMU, and of one that encrypts and converts too, on hcvm; right ones,
# spoiled ones and by VMMs that are wrong.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/tap.sh"
plan 18

kit=$work/kit
qemu=$kit/drivers/qemu
hcvm=$kit/drivers/hcvm
export HCVM=$bin/hcvm KIT_SECONDS=$((60 * patience))

unpack()
{
	local tar
	[ ! -L "$top/build/kit" ] || { cp -rL "$top/build/kit" "$kit"; return; }	# as it is installed
	# shellcheck disable=SC2012	# the newest, and make gives the names
	tar=$(ls -t "$top"/build/hcpolicy-kit-*.tar.gz | head -n 1)
	[ -n "$tar" ] || { echo "no kit in build/: make kit"; return 1; }
	mkdir "$kit" && tar -xzf "$tar" -C "$kit" --strip-components 1
}
rounds_of() { sed -n "s/^$1[^0-9]*\([0-9]*\) rounds.*/\1/p" "$work/run" | head -n 1; }
ten_rounds() { [ "$(rounds_of migrated:)" -ge 10 ]; }
# The guest has not said encrypt; it is the core's first segment that has the memory from 0 on.
key_stays()
{
	local at
	"$HCVM" --guest "$kit/hcguest.elf" --encrypt --append "exit 0" --mem 16M --dump "$work/core" > "$work/run" 2>&1
	at=$(readelf -lW "$work/core" | awk '$1 == "LOAD" && $4 ~ /^0x0+$/ { print $2; exit }') && [ -n "$at" ] &&
		[[ $(od -An -tx8 -j $((at + 0x60000)) -N 8 "$work/core") =~ [1-9a-f] ]]
}
several_rounds() { [ "$(rounds_of QEMU:)" -ge 2 ]; }
worked_on()
{
	sed -n 's/^migration [0-9]*: \([0-9]*\) pages written before it, \([0-9]*\) .*/\1 \2/p' "$work/run" > "$work/counts"
	[ "$(wc -l < "$work/counts")" = 1 ] && awk '$2 <= $1 { exit 1 }' "$work/counts"
}

said() { grep -E "$1" "$work/run"; }

# One byte, in the third word of a page, on the target and before it runs.
cat > "$work/spoil" << 'END'
#!/bin/bash
at=$((0x464010))
byte=$(od -An -tu1 -j "$at" -N 1 "$1")
printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
END
# Drivers that do nothing, at all or when it comes to it.
printf '#!/bin/sh\nexit 1\n' > "$work/no-vmm"
cat > "$work/silent" << 'END'
#!/bin/sh
[ "$1" = send ] || [ "$1" = migrate ] || exec "${0%/*}/kit/drivers/qemu" "$@"
END
# A VMM that has no keys.
cat > "$work/no-key" << 'END'
#!/bin/sh
KIT_CMDLINE="encrypt; $KIT_CMDLINE" exec "${0%/*}/kit/drivers/qemu" "$@"
END
chmod +x "$work/spoil" "$work/no-vmm" "$work/silent" "$work/no-key"

check "the kit unpacks" unpack
check "a guest that writes survives a migration" gives 0 '^PASS$' "$kit/run" --pages 512 "$qemu"
check "which took several rounds, as it wrote" several_rounds
check "and it went on where it was" worked_on
check "slowly too" gives 0 '^PASS$' "$kit/run" --slow --pages 512 "$qemu"
# The guest may meet the page while it works, and again at the end.
check "one bad byte is caught, and the page named" gives 1 \
	'^FAIL bad pages: [1-9][0-9]*, the first gfn 0x464: bad words: 1, the first at offset 0x10 ' \
	env QEMU_SPOIL="$work/spoil" "$kit/run" --pages 512 "$qemu"
check "a VMM that does not start gives no verdict" gives 2 '^no verdict: .*start failed' "$kit/run" "$work/no-vmm"
check "a guest that cannot be asked gives no verdict" gives 2 '^no verdict: the guest does not stop working' \
	"$kit/run" --pages 512 --seconds $((10 * patience)) "$work/silent"
check "a guest that encrypts and converts survives migrations, its set kept by a policy" gives 0 '^PASS$' \
	env HCVM_OPTIONS="--policy bitmap" "$kit/run" --pages 512 --times 2 "$hcvm"
check "and its set kept by exits" gives 0 '^PASS$' "$kit/run" --pages 512 --times 2 "$hcvm"
check "and it did encrypt and convert" said '^all in all: written [0-9]+, conversions [1-9][0-9]+, refused 0, encrypted$'
check "slowly too, its set kept by a policy" gives 0 '^PASS$' \
	env HCVM_OPTIONS="--policy bitmap" "$kit/run" --slow --pages 512 "$hcvm"
check "which took ten rounds" ten_rounds
check "the guest does not write to the page of the key" key_stays
# The guest may have written some words of that page anew.
check "a VMM that does not book conversions is caught, and a page named" gives 1 \
	'^FAIL bad pages: [1-9][0-9]*, the first gfn 0x[0-9a-f]+: bad words: [1-9][0-9]*, ' \
	env HCVM="$bin/hcvm-test" HCVM_OPTIONS="--wrong unbooked" "$kit/run" --pages 512 "$hcvm"
# What is lost can be the guest's own memory: then it dies.
check "a VMM that loses pages is caught" gives 1 '^FAIL' \
	env HCVM="$bin/hcvm-test" HCVM_OPTIONS="--wrong drop-leftovers" "$kit/run" --pages 512 --seconds $((20 * patience)) "$hcvm"
check "a VMM that gives no key is caught" gives 1 '^FAIL encrypt: the VMM has given no key$' \
	"$kit/run" --pages 512 "$work/no-key"
check "a wrong command line is refused" gives 2 "^run: --times wants a number, not 'x'" "$kit/run" --times x "$qemu"
finish
