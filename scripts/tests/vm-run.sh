#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm-run with other files than the host's: --root, tried with this system itself, and --arch arm64.
# The machines of the other tests show the rest of vm-run.
set -u
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/../../selftests/tap.sh"
plan 18

# shellcheck disable=SC2154	# top and work are tap.sh's
cd "$top" || exit
vm_run() { "$top/scripts/vm-run" "$@"; }
series=${VM_RUN_RELEASE:-6.12}
mark=hcpolicy-$$

# A machine by these words that does a bit of everything.
boots()
{
	gives 41 '' vm_run --smp 1 "$@" -- bash -c "
		uname -rm
		[ -e /dev/kvm ] || echo no KVM
		modprobe kvm_amd || modprobe kvm_intel
		[ ! -e /dev/kvm ] || echo KVM
		sha256sum README.md
		touch $mark || echo no $mark
		echo $mark > /etc/$mark && mv /etc/$mark /opt && rm -r /etc/apt && cat /opt/$mark
		exit 41" && mv "$work/run" "$work/boot"
}
said() { cat "$work/boot"; grep -qxF -- "$1" "$work/boot"; }
has_kvm() { said KVM && ! said 'no KVM'; }
loads_kvm() { said 'no KVM' && said KVM; }
project() { said "$(sha256sum README.md)" && said "no $mark" && [ ! -e "$mark" ]; }
nothing_stays() { [ -e "$root/etc/apt" ] && [ ! -e "$root/etc/$mark" ] && [ ! -e "$root/opt/$mark" ]; }

# --- this system

release=$(scripts/kernel-release "$series") || exit
root=$(scripts/kernel-root "$release")
check "it ends as the command does" boots --root "$root" --release "$release"
check "the kernel is that system's" said "$release x86_64"
check "no KVM is there until it is loaded" loads_kvm
check "the project is there, and cannot be written" project
check "the command can write everywhere else" said "$mark"
check "nothing of that stays" nothing_stays
mkdir "$work/boot-less"
check "a folder without a kernel is refused, and says what helps" \
	gives 123 'linux-image-amd64' vm_run --root "$work/boot-less" -- true

# --- arm64

refused() { gives 123 "$1" vm_run "${@:2}" -- true; }
refusals()
{
	refused "no architecture 'mips'" --arch mips &&
	refused 'is for --arch arm64' --kvm-mode vhe &&
	refused "no KVM mode 'el2'" --arch arm64 --kvm-mode el2 &&
	refused 'files of its own' --arch arm64 --root / &&
	refused 'files of its own' --arch arm64 --stock &&
	refused 'files of its own' --arch arm64 --modules / &&
	refused 'files of its own' --arch arm64 --shadow &&
	refused 'debug kernels are for x86' --arch arm64 --release debug-6.12 &&
	refused 'make .*kernel ARCH=arm64 RELEASE=1.0' --arch arm64 --release 1.0
}
check "arm64: words that make no sense are refused" refusals

titles=(
	"it ends as the command does"
	"the kernel is the one that was built here"
	"KVM is there"
	"the project is there, and cannot be written"
	"the command can write everywhere else"
	"nothing of that stays"
	"KVM without VHE"
	"KVM that is protected"
	"a KVM that runs otherwise than asked for is an error"
	"what the kernel complains about is an error"
)
built=build/arm64-kernel/$series
if [ ! -e "$built/Image" ]; then
	skip "no $built; make kernel ARCH=arm64 RELEASE=$series" "${titles[@]/#/arm64: }"
	finish
fi

titled() { local title=${titles[0]}; titles=("${titles[@]:1}"); check "arm64: $title" "$@"; }
arm64() { vm_run --arch arm64 --release "$series" "$@"; }

# The mode is lost on the way to the kernel.
other_mode()
{
	mkdir "$work/bin"
	# shellcheck disable=SC2016	# for the script
	printf '#!/bin/bash\nexec %q "${@/kvm-arm.mode=nvhe/}"\n' "$(command -v qemu-system-aarch64)" \
		> "$work/bin/qemu-system-aarch64"
	chmod 755 "$work/bin/qemu-system-aarch64"
	PATH=$work/bin:$PATH gives 123 'KVM did not run as nvhe; .* VHE mode' arm64 --kvm-mode nvhe -- true
}
complaint() { gives 125 'BUG: of a test' arm64 -- sh -c 'echo "<3>BUG: of a test" > /dev/kmsg'; }

root=$(scripts/arm64-root) || exit
titled boots --arch arm64 --release "$series"
titled said "$(cat "$built/release") aarch64"
titled has_kvm
titled project
titled said "$mark"
titled nothing_stays
titled gives 42 '^without VHE$' arm64 --kvm-mode nvhe -- sh -c 'echo without VHE; exit 42'
titled gives 43 '^protected$' arm64 --kvm-mode protected -- sh -c 'echo protected; exit 43'
titled other_mode
titled complaint
finish
