# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# How KVM is compiled outside of its tree, for a kernel that somebody else built: for
# build-modules and for dkms.  Scripts source it.  They set $here (this folder), $work (what
# overlay made), $src (the same, as the compiler sees it) and $headers, and define there(), which
# runs a command in the compiler's system.
# shellcheck disable=SC2154

# The modules that came out, without suffix.  Not every source and kernel has kvmgt.
modules=(arch/x86/kvm/{kvm,kvm-amd,kvm-intel})

prepare()
{
	local gpu=drivers/gpu/drm/i915 file
	local about=(virt/kvm/kvm_main.c arch/x86/kvm/{svm/svm,vmx/vmx}.c)

	# In the kernel's tree $(srctree) is the root; out of it, this folder is.
	# shellcheck disable=SC2016	# for make
	sed -i 's,\$(srctree)/,$(src)/../../../,g' "$work/arch/x86/kvm/Makefile"
	echo 'obj-m += arch/x86/kvm/' > "$work/Kbuild"

	# kvmgt knows the layout of struct kvm.  Of its folder nothing else is built.
	if [ -d "$work/$gpu" ] && there grep -q '^CONFIG_DRM_I915_GVT_KVMGT=m' "$headers/.config"; then
		modules+=("$gpu/kvmgt")
		about+=("$gpu/gvt/kvmgt.c")
		echo "obj-m += $gpu/" >> "$work/Kbuild"
		# shellcheck disable=SC2016	# for make
		printf '%s\n' 'ccflags-y := -I$(src) -DI915' 'include $(src)/gvt/Makefile' \
			'obj-m := kvmgt.o' > "$work/$gpu/Kbuild"
	fi

	# dkms leaves a module alone that has the version of the kernel's own, and modinfo
	# shows which is which.
	[ -z "${HCPOLICY_PRISTINE:-}" ] || return 0
	for file in "${about[@]}"; do
		echo "MODULE_VERSION(\"hcpolicy-$(hook_version)\");" >> "$work/$file"
	done
}

hook_version() { sed -n 's/.*HCP_VERSION.*"\(.*\)"/\1/p' "$here/../include/hcpolicy/version.h"; }

run_make()
{
	local config defines

	mapfile -t config < <(grep -oE '^CONFIG_[A-Z0-9_]+=y' "$here/hcpolicy.config")
	defines=("${config[@]/#/-D}")
	defines=("${defines[@]/%=y/=1}")
	MAKEFLAGS='' there make -C "$headers" M="$src" -j"$(nproc)" "${config[@]}" \
		NOSTDINC_FLAGS="-nostdinc -I$src/arch/x86/include -I$src/include -I$src/include/trace" \
		KCFLAGS="${defines[*]}" "$@" < /dev/null
}
