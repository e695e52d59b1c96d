# SPDX-License-Identifier: GPL-2.0
# check: what needs no VM, as it is shipped and once more under the sanitizers.
# check-hook: the library on the real hook, in a VM.
include $(TOP)/bpf-progs/bpf.mk

TESTS    := $(OBJ)/tests
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
SAMPLES  := $(addprefix $(TESTS)/,sample.bpf.o other.bpf.o broken.bpf.o without-info.bpf.o \
	      without-ops.bpf.o without-member.bpf.o)
PROGRAMS := $(addprefix $(TESTS)/,set set-sanitized policy policy-sanitized hook)
TEST_CFLAGS = $(LIB_CFLAGS) -DOBJECTS='"$(TESTS)"'

.PHONY: tests check-hook
tests: $(PROGRAMS) $(SAMPLES)

check: check-abi tests
	$(Q)$(TOP)/scripts/tally $(addprefix $(TESTS)/,set set-sanitized policy policy-sanitized)

check-hook: tests
	$(Q)$(TOP)/scripts/vm-run -- $(TESTS)/hook

$(SAMPLES): tests/sample.bpf.c tests/tests.mk | $(LIBBPF)/libbpf.a
	$(call bpf_compile,$(@:.o=.d))
$(TESTS)/broken.bpf.o: BPF_CFLAGS += -DBROKEN
$(TESTS)/without-info.bpf.o: BPF_CFLAGS += -DWITHOUT_INFO
$(TESTS)/without-ops.bpf.o: BPF_CFLAGS += -DWITHOUT_OPS
$(TESTS)/without-member.bpf.o: BPF_CFLAGS += -DWITHOUT_MEMBER

$(PROGRAMS): $(wildcard *.h tests/*.h $(TOP)/include/hcpolicy/*.h) $(OBJ)/.flags | $(TESTS)
$(TESTS)/set $(TESTS)/set-sanitized: tests/set.c set.c
$(TESTS)/policy $(TESTS)/policy-sanitized: tests/policy.c $(POLICY_SRCS) set.c $(LIBBPF_READY)
$(TESTS)/hook: tests/hook.c $(POLICY_SRCS) set.c $(LIBBPF_READY)
$(TESTS)/policy $(TESTS)/policy-sanitized $(TESTS)/hook: LIBS = $(LIBBPF_ARCHIVE) $(LIBBPF_LIBS)
$(TESTS)/set-sanitized $(TESTS)/policy-sanitized: FLAGS = $(SANITIZE)

$(PROGRAMS):
	$(call msg,CC,$@)
	$(Q)$(CC) $(TEST_CFLAGS) $(FLAGS) $(filter %.c,$^) -o $@ $(LIBS) -pthread

$(TESTS):
	$(Q)mkdir -p $@
