# SPDX-License-Identifier: GPL-2.0
# How a BPF object is made; for every folder that has some.  Needs config.mk.
LLVM_STRIP ?= llvm-strip-19
# What policies outside this tree are compiled with too.
BPF_TARGET := --target=bpf -mcpu=v3 -O2 -g -idirafter /usr/include/$(shell $(CC) -dumpmachine)
# The lines in its BTF name the source, and not where the tree happened to be.
BPF_CFLAGS := $(BPF_TARGET) -Wall -Wextra -Wno-unused-parameter -ffile-prefix-map=$(TOP)/= \
	      -I$(TOP)/bpf-progs -I$(TOP)/include $(LIBBPF_CFLAGS)

# The recipe of an object $@ from $<, which libbpf loads by its BTF alone.
# $(call bpf_compile,FILE.d)
ifeq ($(ARCH),arm64)
# One object serves every architecture: it is that of x86, whose make knows when it is out of date.
BPF_ALWAYS := FORCE
define bpf_compile
$(call msg,LINK,$@)
$(Q)$(MAKE) -s --no-print-directory ARCH=x86 BUILD=$(TOP)/build $(@:$(BUILD)/%=$(TOP)/build/%)
$(Q)mkdir -p $(@D)
$(Q)ln -sfr $(@:$(BUILD)/%=$(TOP)/build/%) $@
endef
else
define bpf_compile
$(call msg,BPF,$@)
$(Q)mkdir -p $(@D) $(dir $(1))
$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -MF $(1) -c $< -o $@
$(Q)$(LLVM_STRIP) -g $@
endef
endif

# The headers that it includes, unless the system has them; libhcpolicy has the rule itself.
BPF_READY := $(LIBBPF_ARCHIVE:%/libbpf.a=%/.done)
ifneq ($(CURDIR),$(TOP)/libhcpolicy)
$(LIBBPF)/.done:
	$(Q)$(MAKE) -C $(TOP)/libhcpolicy libbpf
endif
