# SPDX-License-Identifier: GPL-2.0
# What every folder's Makefile shares.  Set TOP before including.

# `make ARCH=arm64` builds for a machine of `scripts/vm-run --arch arm64`, against its root.  (A kernel
# developer's environment may have an ARCH: it is not meant.)
ifneq ($(origin ARCH) $(ARCH),command line arm64)
override ARCH := x86
endif
ifeq ($(ARCH),arm64)
BUILD    ?= $(TOP)/build/arm64
# Asked for once, and only by a folder that compiles something.
SYSROOT  ?= $(eval SYSROOT := $(shell $(TOP)/scripts/arm64-root))$(or $(SYSROOT),$(error no root of arm64))
CROSS_COMPILE ?= aarch64-linux-gnu-
CC       = $(CROSS_COMPILE)gcc --sysroot=$(SYSROOT)
AR       = $(CROSS_COMPILE)ar
LD       = $(CROSS_COMPILE)ld
OBJCOPY  = $(CROSS_COMPILE)objcopy
PKG_CONFIG = PKG_CONFIG_SYSROOT_DIR=$(SYSROOT) \
	      PKG_CONFIG_LIBDIR=$(SYSROOT)/usr/lib/aarch64-linux-gnu/pkgconfig pkg-config
endif
BUILD    ?= $(TOP)/build
CC       ?= gcc
OBJCOPY  ?= objcopy
PKG_CONFIG ?= pkg-config
CLANG    ?= clang-19
RUSTC    ?= rustc
RELEASE  ?= 6.12
PREFIX   ?= /usr/local
LIBDIR   ?= $(PREFIX)/lib
BASH_COMPLETIONS := $(PREFIX)/share/bash-completion/completions
# zsh has one place for packages, and another for what is installed by hand.
ZSH_COMPLETIONS  := $(PREFIX)/share/zsh/$(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)
VERSION  := $(shell sed -n 's/.*HCP_VERSION.*"\(.*\)"/\1/p' $(TOP)/include/hcpolicy/version.h)

CFLAGS   ?= -O2 -g
HCP_CFLAGS := -std=gnu11 -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wno-unused-parameter \
	      -Werror=implicit-function-declaration -fno-strict-aliasing -I$(TOP)/include $(CPPFLAGS) $(CFLAGS)

# What VMMs link of guest/ to put the test guest into a VM, and to run its vCPUs.
GUEST_LOAD := image $(ARCH)/load
GUEST_RUN  := stats $(ARCH)/vcpu $(if $(filter arm64,$(ARCH)),arm64/filter)

# libbpf: the distribution's if it knows struct_ops of modules, as Debian 13's does.  Else the
# one in the kernel's source, which libhcpolicy/Makefile builds, and which is hidden in ours.
# For arm64 it is always that one.
LIBBPF := $(BUILD)/libbpf
ifeq ($(ARCH) $(shell pkg-config --atleast-version=1.5 libbpf 2>/dev/null && echo yes),x86 yes)
LIBBPF_CFLAGS  := $(shell pkg-config --cflags libbpf)
LIBBPF_LIBS    := $(shell pkg-config --libs libbpf) -lelf -lz
LIBBPF_HEADERS := $(shell pkg-config --variable=includedir libbpf)/bpf
else
LIBBPF_ARCHIVE := $(LIBBPF)/libbpf.a
LIBBPF_CFLAGS  := -I$(LIBBPF)/include
LIBBPF_LIBS    := -lelf -lz
LIBBPF_HEADERS := $(LIBBPF)/include/bpf
endif

# A quiet build that names what it makes; V=1 shows the commands.
ifeq ($(V),1)
Q :=
msg =
else
Q := @
msg = @printf '  %-8s %s\n' '$(1)' '$(patsubst $(TOP)/%,%,$(2))'
endif
